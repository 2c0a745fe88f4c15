// Memory that ends (or begins) at a page no one may touch: one byte read outside is a fault.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace aeon::simd::test {

class GuardedBuffer {
 public:
  explicit GuardedBuffer(std::size_t most_bytes) {
    page_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    usable_ = (most_bytes + page_ - 1) / page_ * page_;
    void* base =
        ::mmap(nullptr, usable_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) std::abort();
    base_ = static_cast<std::byte*>(base);
    if (::mprotect(base_ + page_, usable_, PROT_READ | PROT_WRITE) != 0) std::abort();
  }
  ~GuardedBuffer() { ::munmap(base_, usable_ + 2 * page_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  std::byte* begin() const { return base_ + page_; }
  std::byte* end() const { return begin() + usable_; }

  // Copies `bytes` bytes so that the last lies against the forbidden page.
  template <class T>
  T* put_at_end(const T* source, std::size_t count) {
    std::byte* to = end() - count * sizeof(T);
    if (count != 0) std::memcpy(to, source, count * sizeof(T));
    return reinterpret_cast<T*>(to);
  }
  template <class T>
  T* put_at_begin(const T* source, std::size_t count) {
    if (count != 0) std::memcpy(begin(), source, count * sizeof(T));
    return reinterpret_cast<T*>(begin());
  }

 private:
  std::size_t page_ = 0;
  std::size_t usable_ = 0;
  std::byte* base_ = nullptr;
};

}  // namespace aeon::simd::test
