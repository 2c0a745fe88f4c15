#include "engine/sync_helper.hpp"

#include <utility>

namespace aeon::engine {

SyncHelper::~SyncHelper() {
  state_.store(kStopping, std::memory_order_release);  // (1)
  state_.notify_one();
  thread_.join();
}

void SyncHelper::start(wal::LogWriter& writer) noexcept {
  writer_ = &writer;
  state_.store(kAsked, std::memory_order_release);  // (1)
  state_.notify_one();
}

Status SyncHelper::wait() noexcept {
  while (state_.load(std::memory_order_acquire) != kDone) {  // (4)
    state_.wait(kAsked, std::memory_order_acquire);
  }
  // Relaxed: the helper does nothing until (1) is stored again.
  state_.store(kIdle, std::memory_order_relaxed);
  return std::exchange(outcome_, {});
}

void SyncHelper::run() noexcept {
  for (;;) {
    const std::uint32_t state = state_.load(std::memory_order_acquire);  // (2)
    if (state == kStopping) return;
    if (state == kAsked) {
      outcome_ = writer_->sync();
      state_.store(kDone, std::memory_order_release);  // (3)
      state_.notify_one();
    } else {
      state_.wait(state, std::memory_order_acquire);
    }
  }
}

}  // namespace aeon::engine
