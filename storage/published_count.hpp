// How many items of a growing list are ready to be read: one writer fills an item in and counts it,
// readers look at nothing behind the count.
#pragma once

#include <cstdint>

#include "storage/atomics.hpp"

namespace aeon::storage {

template <typename Count, typename Atomics>
class BasicPublishedCount {
 public:
  // Any thread, wait-free: items below it may be read without further ado.
  [[nodiscard]] Count load() const noexcept {
    return count_.load(std::memory_order_acquire);  // (2)
  }
  // Writer only: its own count.
  [[nodiscard]] Count own() const noexcept {
    return count_.load(std::memory_order_relaxed);  // only the writer stores it
  }
  // Writer only, once the next item is filled in. (1) synchronizes-with (2).
  void publish_next() noexcept { count_.store(own() + 1, std::memory_order_release); }

 private:
  typename Atomics::template Atomic<Count> count_{0};
};

template <typename Count>
using PublishedCount = BasicPublishedCount<Count, StdAtomics>;

}  // namespace aeon::storage
