#include "engine/row_tail.hpp"

#include <cassert>
#include <cstring>

namespace aeon::engine {

namespace {

// A column of `count` items, aligned for the widest vector load.
template <typename T>
bool allocate_column(storage::Arena& arena, std::size_t count, T*& column) {
  column = static_cast<T*>(arena.allocate(count * sizeof(T), 64));
  return column != nullptr;
}

}  // namespace

RowTail::Chunk* RowTail::new_chunk(storage::Arena& arena, std::uint32_t capacity) const {
  auto* chunk = static_cast<Chunk*>(arena.allocate(sizeof(Chunk), alignof(Chunk)));
  if (chunk == nullptr) return nullptr;
  *chunk = Chunk{};
  chunk->capacity = capacity;
  const std::size_t precise = precise_bytes(precision_, dimension_);
  const bool complete =
      allocate_column(arena, capacity * code_stride(dimension_), chunk->codes) &&
      allocate_column(arena, capacity, chunk->sums) &&
      allocate_column(arena, capacity, chunk->scales) &&
      allocate_column(arena, capacity, chunk->norms) &&
      allocate_column(arena, capacity, chunk->errors) &&
      allocate_column(arena, capacity, chunk->exponents) &&
      allocate_column(arena, capacity, chunk->ids) &&
      allocate_column(arena, capacity, chunk->born) &&
      allocate_column(arena, capacity, chunk->times) &&
      allocate_column(arena, capacity, chunk->nodes) &&
      allocate_column(arena, capacity, chunk->sessions) &&
      allocate_column(arena, capacity, chunk->kinds) &&
      (precise == 0 || allocate_column(arena, capacity * precise, chunk->precise));
  return complete ? chunk : nullptr;
}

bool RowTail::append(storage::Arena& arena, const RowData& row, const RowStamp& stamp) {
  assert(row.codes.size() == dimension_);
  assert(row.precise.size() == precise_bytes(precision_, dimension_));
  if (last_ == nullptr || last_used_ == last_->capacity) {
    const std::uint32_t capacity =
        last_ == nullptr ? kFirstChunk : std::min(last_->capacity * 2, kLargestChunk);
    Chunk* chunk = new_chunk(arena, capacity);
    if (chunk == nullptr) return false;
    (last_ == nullptr ? first_ : last_->next) = chunk;
    last_ = chunk;
    last_used_ = 0;
  }
  const std::uint32_t i = last_used_;
  const std::size_t stride = code_stride(dimension_);
  std::int8_t* codes = last_->codes + i * stride;
  std::memcpy(codes, row.codes.data(), dimension_);
  std::memset(codes + dimension_, 0, stride - dimension_);
  if (!row.precise.empty()) {
    std::memcpy(last_->precise + i * row.precise.size(), row.precise.data(), row.precise.size());
  }
  last_->sums[i] = row.sum;
  last_->scales[i] = row.scale;
  last_->norms[i] = row.norm;
  last_->errors[i] = row.error;
  last_->exponents[i] = row.exponent;
  last_->ids[i] = stamp.id;
  last_->born[i] = stamp.born;
  last_->times[i] = stamp.time;
  last_->nodes[i] = stamp.node;
  last_->sessions[i] = stamp.session;
  last_->kinds[i] = stamp.kind;
  ++last_used_;
  // (1) synchronizes-with (2)
  rows_.store(rows_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  return true;
}

RowBlock RowTail::view(const Chunk& chunk, std::uint32_t count) const noexcept {
  RowBlock block;
  block.count = count;
  block.dimension = dimension_;
  block.precision = precision_;
  block.stride = code_stride(dimension_);
  block.codes = chunk.codes;
  block.sums = chunk.sums;
  block.scales = chunk.scales;
  block.norms = chunk.norms;
  block.errors = chunk.errors;
  block.exponents = chunk.exponents;
  block.ids = chunk.ids;
  block.born = chunk.born;
  block.times = chunk.times;
  block.nodes = chunk.nodes;
  block.sessions = chunk.sessions;
  block.kinds = chunk.kinds;
  block.precise = chunk.precise;
  return block;
}

}  // namespace aeon::engine
