// Which nodes a search has met: a hash set that empties in constant time and keeps its memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace aeon::engine {

class Visited {
 public:
  void clear() {
    count_ = 0;
    if (++generation_ != 0) return;
    std::ranges::fill(slots_, std::uint64_t{0});
    generation_ = 1;
  }
  // True the first time since clear().
  bool insert(std::uint32_t node) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    return place((std::uint64_t{generation_} << 32) | node);
  }
  // Asks for the memory that insert() will look at.
  void prefetch(std::uint32_t node) const noexcept {
    if (!slots_.empty()) __builtin_prefetch(&slots_[slot_of(node)]);
  }

 private:
  static constexpr std::size_t kFirstSlots = 4096;

  // Fibonacci hashing: the high bits of a product with 2^64 / golden ratio.
  [[nodiscard]] std::size_t slot_of(std::uint32_t node) const noexcept {
    return static_cast<std::size_t>((node * 0x9E3779B97F4A7C15ULL) >> shift_);
  }
  bool place(std::uint64_t entry) {
    std::size_t at = slot_of(static_cast<std::uint32_t>(entry));
    for (; (slots_[at] >> 32) == generation_; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at] == entry) return false;
    }
    slots_[at] = entry;
    ++count_;
    return true;
  }
  void grow() {
    std::vector<std::uint64_t> old(std::max(kFirstSlots, 2 * slots_.size()));
    old.swap(slots_);
    shift_ = 64;
    for (std::size_t size = slots_.size(); size > 1; size /= 2) --shift_;
    count_ = 0;
    for (const std::uint64_t entry : old) {
      if ((entry >> 32) == generation_) place(entry);
    }
  }

  std::vector<std::uint64_t> slots_;  // generation << 32 | node; of an older generation: free
  std::size_t count_ = 0;
  std::uint32_t generation_ = 1;
  int shift_ = 64;
};

}  // namespace aeon::engine
