#include "tests/support/allocations.hpp"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::uint64_t> count{0};  // relaxed: a figure

#ifdef AEON_ALLOCATIONS_CAN_FAIL
// Of this thread: how many more calls until one fails; 0: none does.
thread_local std::uint64_t until_failure = 0;
thread_local bool goes_on_failing = false;
thread_local bool has_failed = false;

bool fails_now() noexcept {
  if (until_failure == 0 || --until_failure != 0) return false;
  has_failed = true;
  if (goes_on_failing) until_failure = 1;
  return true;
}
#endif

}  // namespace

namespace aeon::test {

#ifdef AEON_ALLOCATIONS_CAN_FAIL
FailingAllocations::FailingAllocations(std::uint64_t n, Fails fails) noexcept {
  has_failed = false;
  goes_on_failing = fails == Fails::from_then_on;
  until_failure = n;
}
FailingAllocations::~FailingAllocations() { until_failure = 0; }
bool FailingAllocations::failed() const noexcept { return has_failed; }
#endif

std::uint64_t allocations() noexcept { return count.load(std::memory_order_relaxed); }

}  // namespace aeon::test

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define AEON_SANITIZED_ALLOCATOR
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define AEON_SANITIZED_ALLOCATOR
#endif

#ifdef AEON_SANITIZED_ALLOCATOR
// A sanitizer brings its own operator new and tells whoever asks.
#include <sanitizer/allocator_interface.h>

namespace {

void on_allocation(const volatile void*, std::size_t) {
  count.fetch_add(1, std::memory_order_relaxed);
}
void on_free(const volatile void*) {}
[[maybe_unused]] const int installed =
    __sanitizer_install_malloc_and_free_hooks(on_allocation, on_free);

}  // namespace

#else

namespace {

void* counted(std::size_t bytes, std::size_t alignment) noexcept {
  count.fetch_add(1, std::memory_order_relaxed);
#ifdef AEON_ALLOCATIONS_CAN_FAIL
  if (fails_now()) return nullptr;
#endif
  if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes == 0 ? 1 : bytes);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* or_throw(void* at) {
  if (at == nullptr) throw std::bad_alloc();
  return at;
}

}  // namespace

// The other forms (arrays, nothrow) call these by default.
void* operator new(std::size_t bytes) { return or_throw(counted(bytes, 1)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return or_throw(counted(bytes, static_cast<std::size_t>(alignment)));
}
void operator delete(void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }
void operator delete(void* at, std::align_val_t) noexcept { std::free(at); }
void operator delete(void* at, std::size_t, std::align_val_t) noexcept { std::free(at); }

#endif
