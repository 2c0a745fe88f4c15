// Counts what a test binary allocates. Linking allocations.cpp replaces operator new for it.
#pragma once

#include <cstdint>

namespace aeon::test {

// Calls of operator new by all threads so far.
[[nodiscard]] std::uint64_t allocations() noexcept;

}  // namespace aeon::test
