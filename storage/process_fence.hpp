// A memory fence that one thread raises on behalf of all threads of the process, so that the
// other side of a store-load race pays nothing but a compiler barrier.
//
// Usage: the frequent side stores, calls light_fence(), loads. The rare side stores, calls
// heavy_fence(), loads. Then at least one of the two loads sees the other side's store, as if both
// sides had run a sequentially consistent fence.
#pragma once

#include <atomic>

namespace aeon::storage {

// True when the kernel raises the fence (membarrier, private expedited). Decided once per process
// at the first call; false for ever under ThreadSanitizer, which does not know the system call,
// and where the kernel refuses it. Thread-safe.
[[nodiscard]] bool has_process_fence() noexcept;

// Interrupts every running thread of this process with a full memory barrier. Only where
// has_process_fence() is true. About 30 us when other threads run; does not block on them.
void process_fence() noexcept;

// `asymmetric` is has_process_fence(), kept by the caller so that the frequent side need not ask.
inline void light_fence(bool asymmetric) noexcept {
  if (asymmetric) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}
inline void heavy_fence(bool asymmetric) noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (asymmetric) process_fence();
}

}  // namespace aeon::storage
