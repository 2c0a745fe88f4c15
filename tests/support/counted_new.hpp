// Counts what this thread takes from operator new, in test binaries that link counted_new.cpp.
// Sanitizers bring their own operator new: there the count stays 0 and proves nothing.
#pragma once

#include <cstdint>

namespace aeon::test {

[[nodiscard]] std::uint64_t allocations_of_this_thread() noexcept;

}  // namespace aeon::test
