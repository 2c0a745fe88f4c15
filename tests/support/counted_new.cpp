#include "tests/support/counted_new.hpp"

#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define AEON_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define AEON_SANITIZED 1
#endif

namespace {
thread_local std::uint64_t count = 0;
}  // namespace

std::uint64_t aeon::test::allocations_of_this_thread() noexcept { return count; }

#ifndef AEON_SANITIZED
void* operator new(std::size_t bytes) {
  ++count;
  if (void* at = std::malloc(bytes == 0 ? 1 : bytes)) return at;
  throw std::bad_alloc();
}
void operator delete(void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }
#endif
