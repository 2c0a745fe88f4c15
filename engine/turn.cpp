// Taking turns at the log: who may append, and what it must know first.
//
// The append lock lies on a byte of the control file and goes with its process. Taking and giving
// it back are system calls, so a process that commits in a streak and is alone with the palace
// keeps it from one group to the next. That must neither delay nor block another process for long:
//
//   - Alone means: nobody else held the presence lock when it was last looked at, and nobody has
//     entered since (`arrivals` is as it was then). A newcomer takes the presence lock first and
//     counts itself second, so it shows in the one or in the other.
//   - A process that wants the lock marks that in `turn_wanted_ns`; where the lock is kept it also
//     wakes the keeper's follower thread, which gives it back.
//   - A keeper that makes no further commit gives the lock back after kKeepNs, unasked. So a
//     process that is stopped blocks the others only if it is stopped within that time of a commit,
//     as it would in the middle of one.
#include <algorithm>

#include <fmt/format.h>

#include "engine/store.hpp"

namespace aeon::engine {

namespace {

// How long a leader waits for another process to give up the append lock before it says so.
constexpr std::int64_t kTurnTimeoutNs = 10'000'000'000;
// A waiter looks again after this long, in case the holder died without waking anyone.
constexpr std::int64_t kTurnPollNs = 1'000'000;
// A mark of another process that is older than this is no longer a wish.
constexpr std::int64_t kWishFadesNs = 5'000'000;
// What the last holder leaves to a process that wants the lock.
constexpr std::int64_t kCourtesyNs = 50'000;
// Turns that begin within this time of the one before make a streak.
constexpr std::int64_t kStreakNs = 1'000'000;
constexpr std::uint32_t kStreak = 4;
// Whether this process is still not alone is looked at this often.
constexpr std::int64_t kLookNs = 1'000'000'000;

}  // namespace

Status Store::take_turn() {
  ++turns_;
  if (keeps_turn_) return {};  // nobody else could write since
  ControlBlock& control = control_->block();
  const std::int64_t start = os_.monotonic_ns();
  if (control.writer_process.load(std::memory_order_relaxed) == os_.process_id() &&
      start - control.turn_wanted_ns.load(std::memory_order_relaxed) < kWishFadesNs) {
    // Another process waits and this one had the last turn: let it go first.
    os_.wait_on(control.turn, control.turn.load(std::memory_order_acquire), kCourtesyNs);
  }
  for (;;) {
    const std::uint32_t turn = control.turn.load(std::memory_order_acquire);
    AEON_ASSIGN(const bool taken,
                control_->try_lock(LockByte::append, storage::LockMode::exclusive));
    has_turn_ = taken;
    if (taken) break;
    const std::int64_t now = os_.monotonic_ns();
    if (now - start > kTurnTimeoutNs) {
      return fail(Errc::writer_stopped,
                  fmt::format("process {} holds the append lock of {} and does not move; reads go "
                              "on, commits wait for it",
                              control.writer_process.load(std::memory_order_relaxed), directory_));
    }
    control.turn_wanted_ns.store(now, std::memory_order_relaxed);
    if (control.kept.load(std::memory_order_relaxed) != 0) wake_follower();
    os_.wait_on(control.turn, turn, kTurnPollNs);
  }
  control.writer_process.store(os_.process_id(), std::memory_order_relaxed);
  const Status status = prepare_turn(control);
  if (!status) release_turn();
  return status;
}

// The holder of the append lock gets to the end of the log, whoever wrote it.
Status Store::prepare_turn(ControlBlock& control) {
  if (control.poisoned.load(std::memory_order_acquire) != 0) {
    read_only_reason_ =
        "a write or sync of the log failed in another process; close it everywhere and open it "
        "again";
    return refuse_if_read_only();
  }
  // A holder that died in the middle of a group leaves whole frames, a torn one, or nothing.
  if (control.writing.load(std::memory_order_acquire) != 0) {
    // Its sync may have failed: then pages that look clean are on no disk.
    reader_.reset();
    AEON_TRY(wal::distrust_cache(os_, directory_, position_.log));
    AEON_TRY(read_to_end());
    return refuse_if_read_only();
  }
  const CommitNumber written = control.written.load(std::memory_order_acquire);
  AEON_TRY(follow_to(written));
  if (visible() < written) {
    return fail(Errc::damaged,
                fmt::format("{}: commits {} to {} were written and can't be read back; close it "
                            "everywhere and run aeon verify",
                            directory_, visible() + 1, written));
  }
  // What another process synced while this one looked elsewhere.
  durable_ = std::max(durable_, control.durable.load(std::memory_order_relaxed));
  if (writer_ == nullptr) {
    wal::LogEnd end;
    end.position = position_;
    AEON_ASSIGN(writer_, wal::LogWriter::open(os_, log_place_, end));
  } else if (writer_->position() != position_) {
    AEON_TRY(writer_->skip_to(position_, control.durable.load(std::memory_order_relaxed)));
  }
  return {};
}

void Store::end_turn() {
  ControlBlock& control = control_->block();
  if (keeps_turn_) {
    if (!is_alone()) release_turn();
    return;
  }
  const std::int64_t now = os_.monotonic_ns();
  streak_ = now - last_turn_ns_ < kStreakNs ? streak_ + 1 : 0;
  last_turn_ns_ = now;
  if (streak_ < kStreak || !has_threads_ || stopping_.load(std::memory_order_relaxed) ||
      !find_alone(now)) {
    release_turn();
    return;
  }
  keeps_turn_ = true;
  control.kept.store(1, std::memory_order_relaxed);
  wake_follower();  // from here on it looks whether the streak goes on
}

// Whether no other process has come since this one was found alone.
bool Store::is_alone() const noexcept {
  return alone_ &&
         control_->block().arrivals.load(std::memory_order_seq_cst) == arrivals_seen_;  // (11)
}

// Whether no other process has the palace open. The presence lock can be had alone only then, and
// while it is nobody enters. A newcomer is met by the lock or, if it came later, by `arrivals`.
bool Store::find_alone(std::int64_t now) {
  ControlBlock& control = control_->block();
  if (is_alone()) return true;
  const std::uint64_t arrivals = control.arrivals.load(std::memory_order_acquire);
  if (arrivals == arrivals_seen_ && now - looked_ns_ < kLookNs) return false;
  arrivals_seen_ = arrivals;
  looked_ns_ = now;
  const Result<bool> taken = control_->try_lock(LockByte::presence, storage::LockMode::exclusive);
  alone_ = taken && *taken;
  if (alone_ && !control_->lock(LockByte::presence, storage::LockMode::shared)) alone_ = false;
  return alone_;
}

void Store::release_turn() {
  ControlBlock& control = control_->block();
  if (keeps_turn_) control.kept.store(0, std::memory_order_relaxed);
  keeps_turn_ = false;
  has_turn_ = false;
  control_->unlock(LockByte::append);
  const std::int64_t wanted = control.turn_wanted_ns.load(std::memory_order_relaxed);
  if (os_.monotonic_ns() - wanted < kWishFadesNs) {
    control.turn.fetch_add(1, std::memory_order_release);
    os_.wake_all(control.turn);
  }
}

// Gives back the append lock when it was kept and no turn has begun since the last look, or another
// process wants it. True while it is kept on.
bool Store::look_after_turn() {
  const storage::MutexLock lock(write_mutex_);
  if (!keeps_turn_) return false;
  const std::int64_t wanted = control_->block().turn_wanted_ns.load(std::memory_order_relaxed);
  const bool idle = turns_ == turns_looked_at_;
  turns_looked_at_ = turns_;
  if (idle || os_.monotonic_ns() - wanted < kWishFadesNs) release_turn();
  return keeps_turn_;
}

}  // namespace aeon::engine
