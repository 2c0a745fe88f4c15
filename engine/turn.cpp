// Taking turns at the log: who may append, and what it must know first.
//
// The append lock lies on a byte of the control file and goes with its process. Taking and giving
// it back are system calls, so a process that commits in a streak and is alone with the palace
// keeps it from one group to the next. That must neither delay nor block another process for long:
//
//   - Alone means: nobody else held the presence lock when it was last looked at, and nobody has
//     entered since (`arrivals` is as it was then). A newcomer takes the presence lock first and
//     counts itself second, so it shows in the one or in the other.
//   - A process that wants the lock marks that in `wishes`; where the lock is kept it also
//     wakes the keeper's follower thread, which gives it back.
//   - A keeper that makes no further commit gives the lock back after kKeepNs, unasked. So a
//     process that is stopped blocks the others only if it is stopped within that time of a commit,
//     as it would in the middle of one.
//
// A process in a loop of commits would take the lock again before a waiter is awake, and to let a
// waiter pass after each commit would cost a switch of processes each time. So waiters draw tickets
// and say in `wishes` that they wait, and the turns that others have meanwhile are counted in
// `turns_passed`. Once these are kMostPassed, only the one with the oldest ticket tries to get the
// lock, until it has it, or until its wish has faded because it died or was stopped. A turn with a
// sync is long beside a switch: it counts for several, and after it a waiter is left the time to
// wake up.
#include <algorithm>

#include <fmt/format.h>

#include "engine/store.hpp"

namespace aeon::engine {

namespace {

// How long a leader waits for the append lock, while nobody gets on, before it says so.
constexpr std::int64_t kTurnTimeoutNs = 10'000'000'000;
// A waiter looks again after this long, in case the holder died without waking anyone.
constexpr std::int64_t kTurnPollNs = 1'000'000;
// A wish that is older than this is none any more. A waiter renews it whenever it looks, but on a
// busy machine it looks late.
constexpr std::int64_t kWishFadesNs = 250'000'000;
// The low bits of a wish are its maker's ticket, the others the time.
constexpr std::uint32_t kTicketBits = 0xffff;
// How far a waiter is passed by others before they let it go first, and what a sync counts.
constexpr std::uint32_t kMostPassed = 16;
constexpr std::uint32_t kLongTurn = 4;
// What a waiter needs to wake up.
constexpr std::int64_t kCourtesyNs = 200'000;
// Turns that begin within this time of the one before make a streak.
constexpr std::int64_t kStreakNs = 1'000'000;
constexpr std::uint32_t kStreak = 4;
// Whether this process is still not alone is looked at this often.
constexpr std::int64_t kLookNs = 1'000'000'000;

bool is_fresh(std::int64_t wish, std::int64_t now) {
  return wish != 0 && now - wish < kWishFadesNs;
}

// Tickets count up and wrap around.
bool is_before(std::int64_t wish, std::int64_t other) {
  const auto ticket = static_cast<std::uint16_t>(wish);
  return static_cast<std::int16_t>(
             static_cast<std::uint16_t>(ticket - static_cast<std::uint16_t>(other))) < 0;
}

// The wish of whoever has waited longest; 0: nobody waits.
std::int64_t first_wish(const ControlBlock& control, std::int64_t now) {
  std::int64_t first = 0;
  for (const std::atomic<std::int64_t>& place : control.wishes) {
    const std::int64_t wish = place.load(std::memory_order_relaxed);
    if (is_fresh(wish, now) && (first == 0 || is_before(wish, first))) first = wish;
  }
  return first;
}

}  // namespace

// A wait for the append lock. Relaxed throughout: what the lock guards is ordered by the lock.
class Store::Wait {
 public:
  explicit Wait(ControlBlock& control) : control_(control) {}
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;
  // The wish is fulfilled or given up.
  ~Wait() {
    if (place_ != nullptr) change(0);
  }
  // Whether it is somebody else's turn before this one's.
  [[nodiscard]] bool is_behind(std::int64_t now) const {
    if (control_.turns_passed.load(std::memory_order_relaxed) < kMostPassed) return false;
    const std::int64_t first = first_wish(control_, now);
    return first != 0 && first != wish_;
  }
  // Makes the wish or renews it. With more waiters than places some wait without.
  void wish(std::int64_t now) {
    if (!has_ticket_) {
      ticket_ = control_.tickets.fetch_add(1, std::memory_order_relaxed) & kTicketBits;
      has_ticket_ = true;
    }
    const std::int64_t mine = (now & ~std::int64_t{kTicketBits}) | ticket_;
    if (place_ != nullptr && change(mine)) return;
    for (std::atomic<std::int64_t>& place : control_.wishes) {
      place_ = &place;
      wish_ = place.load(std::memory_order_relaxed);
      if (!is_fresh(wish_, now) && change(mine)) return;
    }
    place_ = nullptr;
    wish_ = 0;
  }
  // The caller has the lock.
  void fulfil(std::int64_t now) {
    if (first_wish(control_, now) == wish_) {
      control_.turns_passed.store(0, std::memory_order_relaxed);
    }
  }

 private:
  // False when the wish had faded and another waiter has the place.
  bool change(std::int64_t wish) {
    const bool done = place_->compare_exchange_strong(wish_, wish, std::memory_order_relaxed);
    if (done) wish_ = wish;
    return done;
  }

  ControlBlock& control_;
  std::atomic<std::int64_t>* place_ = nullptr;
  std::int64_t wish_ = 0;  // as it stands in place_
  std::uint32_t ticket_ = 0;
  bool has_ticket_ = false;
};

Status Store::take_turn() {
  ++turns_;
  if (keeps_turn_) return {};  // nobody else could write since
  ControlBlock& control = control_->block();
  std::uint64_t progress = UINT64_MAX;  // what others have done, and since when it stands still
  std::int64_t still_ns = 0;
  if (const auto given = std::exchange(turn_given_, std::nullopt); given && turn_was_long_) {
    os_.wait_on(control.turn, *given, kCourtesyNs);
  }
  turn_was_long_ = false;
  Wait wait(control);
  for (;;) {
    const std::uint32_t turn = control.turn.load(std::memory_order_acquire);  // (18)
    const std::int64_t now = os_.monotonic_ns();
    if (!wait.is_behind(now)) {
      AEON_ASSIGN(has_turn_, control_->try_lock(LockByte::append, storage::LockMode::exclusive));
      if (has_turn_) {
        wait.fulfil(now);
        break;
      }
    }
    const std::uint64_t is = control.written.load(std::memory_order_relaxed) + turn;
    if (std::exchange(progress, is) != is) still_ns = now;
    if (now - still_ns > kTurnTimeoutNs) {
      return fail(Errc::writer_stopped,
                  fmt::format("process {} holds the append lock of {} and does not move; reads go "
                              "on, commits wait for it",
                              control.writer_process.load(std::memory_order_relaxed), directory_));
    }
    wait.wish(now);
    if (control.kept.load(std::memory_order_relaxed) != 0) wake_follower();
    os_.wait_on(control.turn, turn, kTurnPollNs);
  }
  control.writer_process.store(os_.process_id(), std::memory_order_relaxed);
  const Status status = prepare_turn(control);
  if (!status) release_turn();
  return status;
}

// Whether another process waits for the append lock.
bool Store::is_turn_wanted() const noexcept {
  return first_wish(control_->block(), os_.monotonic_ns()) != 0;
}

// The holder of the append lock gets to the end of the log, whoever wrote it.
Status Store::prepare_turn(ControlBlock& control) {
  if (control.poisoned.load(std::memory_order_acquire) != 0) {  // (22)
    read_only_reason_ =
        "a write or sync of the log failed in another process; close it everywhere and open it "
        "again";
    return refuse_if_read_only();
  }
  // A holder that died in the middle of a group leaves whole frames, a torn one, or nothing.
  if (control.writing.load(std::memory_order_acquire) != 0) {  // (20)
    // Its sync may have failed: then pages that look clean are on no disk.
    reader_.reset();
    AEON_TRY(wal::distrust_cache(os_, directory_, position_.log));
    AEON_TRY(read_to_end());
    return refuse_if_read_only();
  }
  const CommitNumber written = control.written.load(std::memory_order_acquire);  // (2)
  AEON_TRY(follow_to(written));
  if (visible() < written) {
    return fail(Errc::damaged,
                fmt::format("{}: commits {} to {} were written and can't be read back; close it "
                            "everywhere and run aeon verify",
                            directory_, visible() + 1, written));
  }
  if (control.log.load(std::memory_order_relaxed) > position_.log) {
    AEON_TRY(read_to_end());
    return refuse_if_read_only();
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
  const std::uint64_t arrivals = control.arrivals.load(std::memory_order_acquire);  // after a (10)
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
  const bool wanted = is_turn_wanted();
  // Under the lock: nobody else adds to it.
  if (wanted) control.turns_passed.fetch_add(turn_was_long_ ? kLongTurn : 1);
  control_->unlock(LockByte::append);
  if (!wanted) return;
  turn_given_ = control.turn.fetch_add(1, std::memory_order_release) + 1;  // (17)
  os_.wake_all(control.turn);
}

// Gives back the append lock when it was kept and no turn has begun since the last look, or another
// process wants it. True while it is kept on.
bool Store::look_after_turn() {
  const storage::MutexLock lock(write_mutex_);
  if (!keeps_turn_) return false;
  const bool idle = turns_ == turns_looked_at_;
  turns_looked_at_ = turns_;
  if (idle || is_turn_wanted()) release_turn();
  return keeps_turn_;
}

}  // namespace aeon::engine
