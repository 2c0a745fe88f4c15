#include "wal/commit_queue.hpp"

#include <cassert>
#include <new>
#include <utility>

#include "storage/os.hpp"

namespace aeon::wal {

namespace {

constexpr std::int64_t kLongNs = 3'600'000'000'000;  // a sleeper looks again then

}  // namespace

CommitQueue::Role CommitQueue::enter(Waiter& waiter) {
  // Relaxed: nobody else knows the waiter yet; the mutex publishes it.
  assert(waiter.state_.load(std::memory_order_relaxed) == Waiter::kWaiting);
  {
    const storage::MutexLock lock(mutex_);
    (tail_ == nullptr ? head_ : tail_->next_) = &waiter;
    tail_ = &waiter;
    if (!std::exchange(led_, true)) {
      // group_ was last used by a leader that cleared led_ under this mutex.
      return Role::leader;
    }
  }
  // (1) synchronizes-with the release store in tell(): a follower sees its outcome, a new leader
  // sees group_ as the last one left it.
  std::uint32_t state = Waiter::kWaiting;
  if (waiter.state_.compare_exchange_strong(state, Waiter::kSleeping, std::memory_order_acquire)) {
    do {
      storage::real_os().wait_on(waiter.state_, Waiter::kSleeping, kLongNs);
      state = waiter.state_.load(std::memory_order_acquire);  // (1)
    } while (state == Waiter::kSleeping);
  }
  return state == Waiter::kLeading ? Role::leader : Role::done;
}

std::span<CommitQueue::Waiter* const> CommitQueue::take(const Limits& limits) {
  group_.clear();
  const storage::MutexLock lock(mutex_);
  assert(led_ && head_ != nullptr);
  std::size_t bytes = 0;
  do {
    if (!has_room()) break;
    bytes += head_->bytes_;
    group_.push_back(head_);
    head_ = head_->next_;
  } while (head_ != nullptr && group_.size() < limits.commits &&
           bytes + head_->bytes_ <= limits.bytes);
  if (head_ == nullptr) tail_ = nullptr;
  return group_;
}

// Without memory a group is what there is room for; the first always has room.
bool CommitQueue::has_room() noexcept {
  if (group_.size() < group_.capacity()) return true;
  try {
    group_.reserve(2 * group_.capacity());
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void CommitQueue::finish() {
  assert(!group_.empty());
  // Once the lead is handed on, group_ is the next leader's; the links of our group stay ours.
  Waiter* follower = group_.front();
  const std::size_t count = group_.size();
  Waiter* next = nullptr;
  {
    const storage::MutexLock lock(mutex_);
    next = head_;
    if (next == nullptr) led_ = false;
  }
  if (next != nullptr) tell(*next, Waiter::kLeading);
  // The first is the leader itself, which does not sleep. A waiter may be gone once it is told.
  if (count > 1) follower = follower->next_;
  for (std::size_t i = 1; i < count; ++i) {
    Waiter* const told = follower;
    if (i + 1 < count) follower = follower->next_;
    tell(*told, Waiter::kDone);
  }
}

void CommitQueue::tell(Waiter& waiter, Waiter::State state) noexcept {
  // synchronizes-with (1)
  const std::uint32_t before = waiter.state_.exchange(state, std::memory_order_acq_rel);
  if (before == Waiter::kSleeping) storage::real_os().wake_all(waiter.state_);
}

}  // namespace aeon::wal
