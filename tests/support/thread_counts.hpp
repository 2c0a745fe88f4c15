// Counts what the calling thread asks of the C library and of the kernel. Linking thread_counts.cpp
// puts counting doors before malloc and the pthread locks of the whole test binary. Not together
// with a sanitizer or allocations.cpp, which have doors of their own.
#pragma once

#include <cstdint>
#include <string>

namespace aeon::test {

struct ThreadCounts {
  std::uint64_t allocations = 0;  // malloc, calloc, realloc, aligned_alloc and what is made of them
  std::uint64_t locks = 0;        // pthread mutexes, reader-writer locks, spin locks
  std::uint64_t system_calls = 0;
  std::uint64_t faults = 0;  // of pages, minor and major
};

// So far, of the calling thread.
[[nodiscard]] ThreadCounts thread_counts() noexcept;

// From here on every system call of the calling thread is counted, and made. False when the kernel
// gives no filter. There is no way back for the thread.
[[nodiscard]] bool count_system_calls() noexcept;
// The numbers of the first of them since forget_system_calls().
[[nodiscard]] std::string system_calls_made();
void forget_system_calls() noexcept;

}  // namespace aeon::test
