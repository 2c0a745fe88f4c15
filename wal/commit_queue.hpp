// Group commit by leader and followers (DeWitt et al. 1984, after Gray).
//
// Problem: a sync costs the same for one commit as for a hundred, so threads that commit at the
// same time should share one. A thread of its own for the log would add two wake-ups to every
// commit, a timer would add its delay to every commit.
//
// Our way: whoever comes to an idle queue leads. The leader takes what is queued (its own commit
// is at the head), writes, syncs and applies it, and finish() hands the lead to the first that
// queued meanwhile. So a group is what arrived during the group before: one commit when alone, many
// under load, never a wait for company.
//
//   enter(a) -> leader   take() = [a]        sync...           finish()
//   enter(b)  waits ...                                        -> leader   take() = [b c d]
//   enter(c)  waits ...                                        waits            finish() -> done
//   enter(d)  waits ...                                        waits            finish() -> done
//
// No wake-up is lost. A waiter sleeps only while its own `state` says sleeping, on that very word,
// which it changed from waiting itself; the word is changed before the wake is sent, and is
// compared again as the waiter goes to sleep. A waiter does not spin or yield before that: on a
// busy machine the scheduler takes a yield as giving up the whole time slice, which is
// milliseconds. And every waiter's word is changed: under the mutex either a leader exists, or the
// one who enters becomes it (then the queue was empty); a leader leaves only through finish(),
// which under the same mutex makes the head of the queue the next leader or, when none is queued,
// notes that none leads. A leader's group is a prefix of the queue that contains the leader, so by
// induction every waiter comes to lead or is finished by one who does.
//
// Each waiter is woken on its own word, so a finish wakes exactly those it is about. The next
// leader is woken first: it can prepare its write while the others still wake.
//
// The waker may touch the address of a waiter's word (a futex wake, no access) after the waiter has
// seen it change and gone. That is harmless: at worst a stranger's wait on a reused address wakes
// and checks its own word again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/mutex.hpp"
#include "storage/thread_annotations.hpp"

namespace aeon::wal {

// Thread-safe: enter() from any thread; take() and finish() from the one that leads. The mutex is
// held for a few pointer steps only.
class CommitQueue {
 public:
  enum class Role : std::uint8_t {
    leader,  // the caller must take(), do the work and finish()
    done,    // another leader did it; what it stored in the waiter is visible
  };

  // Lives in the caller's frame from enter() until that returns done, or until finish(). Derive
  // from it to hold the commit and its outcome.
  class Waiter {
   public:
    explicit Waiter(std::size_t bytes = 0) noexcept : bytes_(bytes) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

   private:
    friend class CommitQueue;
    enum State : std::uint32_t { kWaiting, kSleeping, kLeading, kDone };

    std::size_t bytes_;       // what take() counts against its limit
    Waiter* next_ = nullptr;  // guarded by the queue's mutex; the leader's once taken
    std::atomic<std::uint32_t> state_{kWaiting};
  };

  struct Limits {
    std::size_t commits = 1024;
    std::size_t bytes = 4u << 20;
  };

  CommitQueue() { group_.reserve(kOrdinaryGroup); }
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // Queues the waiter and blocks until it leads or is done. A waiter enters once.
  [[nodiscard]] Role enter(Waiter& waiter) AEON_EXCLUDES(mutex_);

  // The leader's group: the queue's first waiters, itself among them, as many as the limits allow
  // but at least one. Valid until finish(). Called once per lead.
  [[nodiscard]] std::span<Waiter* const> take(const Limits& limits) AEON_EXCLUDES(mutex_);

  // Ends the lead: hands it on, marks the group that take() returned done and wakes it. The
  // caller's own waiter is not woken. The group's waiters may be gone when this returns.
  void finish() AEON_EXCLUDES(mutex_);

 private:
  static constexpr std::size_t kOrdinaryGroup = 64;

  void tell(Waiter& waiter, Waiter::State state) noexcept;
  [[nodiscard]] bool has_room() noexcept;

  storage::Mutex mutex_;
  Waiter* head_ AEON_GUARDED_BY(mutex_) = nullptr;
  Waiter* tail_ AEON_GUARDED_BY(mutex_) = nullptr;
  bool led_ AEON_GUARDED_BY(mutex_) = false;
  // The leader's own: handed on with the lead, see (1) in commit_queue.cpp.
  std::vector<Waiter*> group_;
};

}  // namespace aeon::wal
