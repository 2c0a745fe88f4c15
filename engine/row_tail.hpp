// The RAM tail of one (space, tenant): packed rows and columns, in chunks that never move. One
// writer appends; any thread reads blocks meanwhile, wait-free.
//
// Every kSampleEvery-th row, and every landmark, is copied to a run of its own: a sample of the
// tail that a search scans in one sweep to find where to begin.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "engine/row_block.hpp"
#include "engine/spread.hpp"
#include "storage/arena.hpp"
#include "storage/published_count.hpp"

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
  static constexpr std::uint32_t kSampleEvery = 64;
  static constexpr std::uint64_t kLargestShare = 8;  // one row in so many is in the sample at most

  // Rows in one piece of memory, written once per row.
  struct Chunk {
    Chunk* next;  // set before a row behind it is published
    std::uint32_t capacity;
    std::byte* rows;  // packed
    std::int16_t* exponents;
    std::int64_t* times;
    std::uint32_t* nodes;
    std::uint32_t* sessions;
    std::uint32_t* kinds;
    std::byte* precise;
  };

  RowTail(std::uint32_t space, std::uint32_t tenant, const SpaceSpec& spec)
      : space_(space),
        tenant_(tenant),
        dimension_(spec.dimension),
        precision_(spec.precision),
        metric_(spec.metric) {}

  // Writer only. Null when the arena has no memory left; nothing is published then. The packed row
  // and the chunk it lies in, which is last(), stay where they are.
  [[nodiscard]] const std::byte* append(storage::Arena& arena, const RowData& row,
                                        const RowStamp& stamp);
  [[nodiscard]] const Chunk* last() const noexcept { return rows_.last; }
  // Writer only: a published row joins the sample, unless that has grown past its share already.
  // False when the arena has no memory left.
  [[nodiscard]] bool add_landmark(storage::Arena& arena, const Chunk& chunk, std::uint32_t index);

  // The chunks as they are now, each with the rows published so far. Wait-free, any thread.
  template <typename Visit>
  void for_each_block(Visit&& visit) const {
    rows_.for_each([&](const Chunk& chunk, std::uint32_t count) { visit(block(chunk, count)); });
  }
  // The same for the sample.
  template <typename Visit>
  void for_each_sample(Visit&& visit) const {
    samples_.for_each([&](const Chunk& chunk, std::uint32_t count) { visit(block(chunk, count)); });
  }
  // The rows of a chunk; `count` of them.
  [[nodiscard]] RowBlock block(const Chunk& chunk, std::uint32_t count) const noexcept;
  // Where in its chunk a packed row stands.
  [[nodiscard]] std::uint32_t index_in(const Chunk& chunk, const std::byte* row) const noexcept {
    return static_cast<std::uint32_t>(static_cast<std::size_t>(row - chunk.rows) /
                                      packed_stride(dimension_));
  }

  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_.count(); }
  // No row published so far is longer.
  [[nodiscard]] float largest_norm() const noexcept {
    return largest_norm_.load(std::memory_order_relaxed);  // a scale; a stale one costs only time
  }
  // Of the rows published so far, as the sample shows it. Its parts may be of different moments,
  // which matters as little.
  [[nodiscard]] Spread spread() const noexcept;
  [[nodiscard]] std::uint32_t space() const noexcept { return space_; }
  [[nodiscard]] std::uint32_t tenant() const noexcept { return tenant_; }

 private:
  // Chunks double from 16 rows to 4,096; then all have 4,096.
  static constexpr std::uint32_t kFirstChunk = 16;
  static constexpr std::uint32_t kLargestChunk = 4096;

  struct Chain {
    storage::PublishedCount<std::uint64_t> published;
    // Readers follow first and next only while published rows are left behind them; both were
    // written before those rows were published, so `published` covers these plain
    // pointers.
    Chunk* first = nullptr;
    Chunk* last = nullptr;        // writer only
    std::uint32_t last_used = 0;  // rows in the last chunk; writer only

    void publish() noexcept { published.publish_next(); }
    // Rows below the count are written.
    [[nodiscard]] std::uint64_t count() const noexcept { return published.load(); }
    template <typename Visit>
    void for_each(Visit&& visit) const {
      std::uint64_t left = count();
      for (const Chunk* chunk = first; left > 0; chunk = chunk->next) {
        const auto in = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, chunk->capacity));
        visit(*chunk, in);
        left -= in;
      }
    }
  };

  void note_spread(const std::byte* sample);
  [[nodiscard]] Chunk* new_chunk(storage::Arena& arena, std::uint32_t capacity) const;
  [[nodiscard]] std::byte* write(storage::Arena& arena, Chain& chain, const RowData& row,
                                 const RowStamp& stamp) const;

  const std::uint32_t space_;
  const std::uint32_t tenant_;
  const std::uint32_t dimension_;
  const Precision precision_;
  const Metric metric_;
  Chain rows_;
  Chain samples_;
  std::atomic<float> largest_norm_{0};
  // Sums of distances between sampled rows; only the writer stores, relaxed: figures.
  std::atomic<double> pairs_{0};
  std::atomic<double> distances_{0};
  std::atomic<double> squares_{0};
};

}  // namespace aeon::engine
