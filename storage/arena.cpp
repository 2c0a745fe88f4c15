#include "storage/arena.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>
#include <new>
#include <utility>

#include "storage/checksum.hpp"
#include "storage/os_memory.hpp"

namespace aeon::storage {
namespace {

constexpr std::size_t kLeastStep = std::size_t{64} << 10;
constexpr std::size_t kMostStep = std::size_t{1} << 20;
constexpr std::size_t kLeastChunk = std::size_t{1} << 20;

constexpr std::size_t round_up(std::size_t value, std::size_t to) {
  return (value + to - 1) & ~(to - 1);
}

}  // namespace

struct Arena::Chunk {
  OsMemory memory;
  std::unique_ptr<Chunk> before;
};

Arena::Arena(std::size_t reserve_bytes) noexcept : reserve_bytes_(reserve_bytes) {}

Arena::~Arena() {
  // One by one: a chain of destructors would recurse as deep as there are chunks.
  while (last_ != nullptr) last_ = std::exchange(last_->before, nullptr);
}

bool Arena::add_chunk(std::size_t at_least) noexcept {
  // Errors of the memory layer carry text, so out of memory may also surface as bad_alloc here.
  try {
    const std::size_t wanted = std::max({at_least, reserve_bytes_, kLeastChunk});
    auto memory = OsMemory::reserve(wanted, std::max(at_least, std::min(wanted, kLeastChunk)));
    if (!memory) return false;
    auto chunk = std::make_unique<Chunk>(std::move(*memory), std::move(last_));
    last_ = std::move(chunk);
  } catch (const std::bad_alloc&) {
    return false;
  }
  next_ = 0;
  ready_ = 0;
  return true;
}

bool Arena::commit_up_to(std::size_t end) noexcept {
  const std::size_t step = std::clamp(std::bit_floor(committed_bytes() / 8), kLeastStep, kMostStep);
  const std::size_t target = std::min(round_up(end, step), last_->memory.size());
  assert(end <= target && ready_ < target);
  try {
    if (!last_->memory.commit(ready_, target - ready_)) return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
  // All of it is about to be written.
  last_->memory.populate(ready_, target - ready_);
  committed_.fetch_add(target - ready_, std::memory_order_relaxed);
  ready_ = target;
  return true;
}

std::byte* Arena::allocate(std::size_t bytes, std::size_t alignment) noexcept {
  assert(std::has_single_bit(alignment) && alignment <= kPageBytes);
  if (bytes > std::numeric_limits<std::size_t>::max() / 4) return nullptr;
  std::size_t at = round_up(next_, alignment);
  if (last_ == nullptr || at > last_->memory.size() || bytes > last_->memory.size() - at) {
    if (!add_chunk(bytes)) return nullptr;
    at = 0;
  }
  const std::size_t end = at + bytes;
  if (end > ready_ && !commit_up_to(end)) return nullptr;
  next_ = end;
  used_.fetch_add(bytes, std::memory_order_relaxed);
  return last_->memory.data() + at;
}

}  // namespace aeon::storage
