// The RAM tail of one (space, tenant): rows in columns, in chunks that never move. One writer
// appends; any thread reads blocks meanwhile, wait-free.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "engine/row_block.hpp"
#include "storage/arena.hpp"

namespace aeon::engine {

// What a row is beside its vector.
struct RowStamp {
  std::uint64_t id = 0;
  std::uint64_t born = 0;
  std::int64_t time = 0;
  std::uint32_t node = 0;
  std::uint32_t session = 0;
  std::uint32_t kind = 0;
};

class RowTail {
 public:
  RowTail(std::uint32_t space, std::uint32_t tenant, std::uint32_t dimension, Precision precision)
      : space_(space), tenant_(tenant), dimension_(dimension), precision_(precision) {}

  // Writer only. False when the arena has no memory left; nothing is published then.
  [[nodiscard]] bool append(storage::Arena& arena, const RowData& row, const RowStamp& stamp);

  // The chunks as they are now, each with the rows published so far. Wait-free, any thread.
  template <typename Visit>
  void for_each_block(Visit&& visit) const {
    std::uint64_t left = rows();
    for (const Chunk* chunk = first_; left > 0; chunk = chunk->next) {
      const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, chunk->capacity));
      visit(view(*chunk, count));
      left -= count;
    }
  }

  // (1) synchronizes-with (2): rows below the count are written before it is published.
  [[nodiscard]] std::uint64_t rows() const noexcept {
    return rows_.load(std::memory_order_acquire);  // (2)
  }
  [[nodiscard]] std::uint32_t space() const noexcept { return space_; }
  [[nodiscard]] std::uint32_t tenant() const noexcept { return tenant_; }

 private:
  // Columns of `capacity` rows, written once per row.
  struct Chunk {
    Chunk* next;  // set before a row behind it is published
    std::uint32_t capacity;
    std::int8_t* codes;
    std::int32_t* sums;
    float* scales;
    float* norms;
    float* errors;
    std::int16_t* exponents;
    std::uint64_t* ids;
    std::uint64_t* born;
    std::int64_t* times;
    std::uint32_t* nodes;
    std::uint32_t* sessions;
    std::uint32_t* kinds;
    std::byte* precise;
  };
  // Chunks double from 16 rows to 4,096; then all have 4,096.
  static constexpr std::uint32_t kFirstChunk = 16;
  static constexpr std::uint32_t kLargestChunk = 4096;

  [[nodiscard]] Chunk* new_chunk(storage::Arena& arena, std::uint32_t capacity) const;
  [[nodiscard]] RowBlock view(const Chunk& chunk, std::uint32_t count) const noexcept;

  const std::uint32_t space_;
  const std::uint32_t tenant_;
  const std::uint32_t dimension_;
  const Precision precision_;
  std::atomic<std::uint64_t> rows_{0};
  // Readers follow first_ and next only while published rows are left behind them; both were
  // written before those rows were published, so (2) covers these plain pointers.
  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;        // writer only
  std::uint32_t last_used_ = 0;  // rows in the last chunk; writer only
};

}  // namespace aeon::engine
