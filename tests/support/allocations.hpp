// Counts what a test binary allocates. Linking allocations.cpp replaces operator new for it.
#pragma once

#include <cstdint>

namespace aeon::test {

// Calls of operator new by all threads so far.
[[nodiscard]] std::uint64_t allocations() noexcept;

#ifdef AEON_ALLOCATIONS_CAN_FAIL
// While it lives, calls of operator new by this thread fail: the n-th from now (from 1) alone, or
// it and all after it. Not in a build with sanitizers.
class FailingAllocations {
 public:
  enum class Fails : std::uint8_t { once, from_then_on };
  FailingAllocations(std::uint64_t n, Fails fails) noexcept;
  ~FailingAllocations();
  FailingAllocations(const FailingAllocations&) = delete;
  FailingAllocations& operator=(const FailingAllocations&) = delete;
  // Whether one did.
  [[nodiscard]] bool failed() const noexcept;
};
#endif

}  // namespace aeon::test
