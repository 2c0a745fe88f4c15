#include "engine/row_tail.hpp"

#include <cassert>
#include <cstring>
#include <new>

#include "engine/distance.hpp"
#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

// A column of `count` items, aligned for the widest vector load.
template <typename T>
bool allocate_column(storage::Arena& arena, std::size_t count, T*& column) {
  column = reinterpret_cast<T*>(arena.allocate(count * sizeof(T), 64));
  return column != nullptr;
}

}  // namespace

RowTail::Chunk* RowTail::new_chunk(storage::Arena& arena, std::uint32_t capacity) const {
  void* memory = arena.allocate(sizeof(Chunk), alignof(Chunk));
  if (memory == nullptr) return nullptr;
  auto* chunk = new (memory) Chunk{};
  chunk->capacity = capacity;
  const std::size_t precise = precise_bytes(precision_, dimension_);
  const bool complete =
      allocate_column(arena, capacity * packed_stride(dimension_), chunk->rows) &&
      allocate_column(arena, capacity, chunk->exponents) &&
      allocate_column(arena, capacity, chunk->times) &&
      allocate_column(arena, capacity, chunk->nodes) &&
      allocate_column(arena, capacity, chunk->sessions) &&
      allocate_column(arena, capacity, chunk->kinds) &&
      (precise == 0 || allocate_column(arena, capacity * precise, chunk->precise));
  return complete ? chunk : nullptr;
}

// Writes a row behind the published ones of `chain`; null when memory is out.
std::byte* RowTail::write(storage::Arena& arena, Chain& chain, const RowData& row,
                          const RowStamp& stamp) const {
  if (chain.last == nullptr || chain.last_used == chain.last->capacity) {
    const std::uint32_t capacity =
        chain.last == nullptr ? kFirstChunk : std::min(chain.last->capacity * 2, kLargestChunk);
    Chunk* chunk = new_chunk(arena, capacity);
    if (chunk == nullptr) return nullptr;
    (chain.last == nullptr ? chain.first : chain.last->next) = chunk;
    chain.last = chunk;
    chain.last_used = 0;
  }
  const std::uint32_t i = chain.last_used++;
  const Chunk& chunk = *chain.last;
  std::byte* packed = chunk.rows + i * packed_stride(dimension_);
  const RowHead head{row.scale, row.norm, row.error, row.sum, stamp.id, stamp.born};
  std::memcpy(packed, &head, sizeof head);
  // The padding is zero from the start: arenas hand out zeroed memory.
  std::memcpy(packed + sizeof head, row.codes.data(), dimension_);
  if (!row.precise.empty()) {
    std::memcpy(chunk.precise + i * row.precise.size(), row.precise.data(), row.precise.size());
  }
  chunk.exponents[i] = row.exponent;
  chunk.times[i] = stamp.time;
  chunk.nodes[i] = stamp.node;
  chunk.sessions[i] = stamp.session;
  chunk.kinds[i] = stamp.kind;
  return packed;
}

const std::byte* RowTail::append(storage::Arena& arena, const RowData& row, const RowStamp& stamp) {
  assert(row.codes.size() == dimension_);
  assert(row.precise.size() == precise_bytes(precision_, dimension_));
  const std::byte* packed = write(arena, rows_, row, stamp);
  if (packed == nullptr) return nullptr;
  if (row.norm > largest_norm_.load(std::memory_order_relaxed)) {
    largest_norm_.store(row.norm, std::memory_order_relaxed);  // only this thread stores
  }
  rows_.publish();
  // A sample that finds no memory is left out: the row is there.
  if ((rows_.count() - 1) % kSampleEvery == 0) {
    if (const std::byte* sample = write(arena, samples_, row, stamp)) {
      note_spread(sample);
      samples_.publish();
    }
  }
  return packed;
}

bool RowTail::add_landmark(storage::Arena& arena, const Chunk& chunk, std::uint32_t index) {
  if (samples_.count() * kLargestShare > rows_.count()) return true;
  const std::byte* packed = chunk.rows + index * packed_stride(dimension_);
  const RowHead head = head_of(packed);
  const std::size_t precise = precise_bytes(precision_, dimension_);
  const auto text = [](const void* bytes, std::size_t count) {
    return std::string_view(static_cast<const char*>(bytes), count);
  };
  const RowData row{head.scale,
                    head.norm,
                    head.error,
                    chunk.exponents[index],
                    head.sum,
                    text(codes_of(packed), dimension_),
                    text(chunk.precise + index * precise, precise)};
  const RowStamp stamp{
      head.id,           head.born, chunk.times[index], chunk.nodes[index], chunk.sessions[index],
      chunk.kinds[index]};
  if (write(arena, samples_, row, stamp) == nullptr) return false;
  samples_.publish();
  return true;
}

// Compares a new sample with some before it, spread over all of them: neighbours in time are often
// alike.
void RowTail::note_spread(const std::byte* sample) {
  constexpr std::uint64_t kOthers = 4;
  const std::uint64_t count = samples_.count();
  std::uint64_t next = 0;
  std::uint64_t before = 0;
  samples_.for_each([&](const Chunk& chunk, std::uint32_t rows) {
    for (; next < kOthers; ++next) {
      const std::uint64_t at = (2 * next + 1) * count / (2 * kOthers);
      if (at >= before + rows || count == 0) break;
      const std::byte* other = chunk.rows + (at - before) * packed_stride(dimension_);
      const float distance =
          spread_distance(metric_, head_of(sample), head_of(other),
                          simd::kernels().dot_i8(codes_of(sample), codes_of(other), dimension_));
      const auto add = [](std::atomic<double>& to, double value) {
        to.store(to.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
      };
      add(pairs_, 1);
      add(distances_, distance);
      add(squares_, static_cast<double>(distance) * distance);
    }
    before += rows;
  });
}

Spread RowTail::spread() const noexcept {
  const SpreadSums sums{pairs_.load(std::memory_order_relaxed),
                        distances_.load(std::memory_order_relaxed),
                        squares_.load(std::memory_order_relaxed)};
  return sums.spread(static_cast<double>(rows()));
}

RowBlock RowTail::block(const Chunk& chunk, std::uint32_t count) const noexcept {
  RowBlock block;
  block.count = count;
  block.dimension = dimension_;
  block.precision = precision_;
  block.set_packed(chunk.rows);
  block.exponents = chunk.exponents;
  block.times = chunk.times;
  block.nodes = chunk.nodes;
  block.sessions = chunk.sessions;
  block.kinds = chunk.kinds;
  block.precise = chunk.precise;
  return block;
}

}  // namespace aeon::engine
