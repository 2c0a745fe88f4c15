// What a palace does of its own: one thread follows other processes, the pool of Upkeep settles
// tails that have grown past their budget, merges segments and fills log files ahead. Errors are
// left for the next commit to meet and report.
//
// The follower is no task of the pool. It sleeps on a futex in the control block, which other
// processes wake; no timer or descriptor that a pool waits for can stand for that. And it gives
// back an append lock that is kept, which must not wait for a slice that takes seconds.
#include <algorithm>
#include <exception>
#include <utility>

#include "engine/store.hpp"
#include "storage/os_memory.hpp"

namespace aeon::engine {

namespace {

// A follower is woken by whoever commits; this is for a writer that died before it did so.
constexpr std::int64_t kFollowPollNs = 500'000'000;
// An append lock that was kept is given back when no commit came for this long (turn.cpp).
constexpr std::int64_t kKeepNs = 5'000'000;
// After an attempt to settle that did not succeed; doubled each time, up to six times.
constexpr std::chrono::seconds kSettleRest{1};
// Before a merge that drops what has ended.
constexpr std::chrono::nanoseconds kReclaimRest = std::chrono::seconds(2);
constexpr std::chrono::nanoseconds kMostRest = std::chrono::seconds(20);
// History grows too old without any commit.
constexpr std::chrono::minutes kAgeRest{10};

}  // namespace

Status Store::start_background() {
  static std::atomic<std::size_t> next_worker{0};  // openings of this process take turns at nodes
  try {
    std::vector<Upkeep::Task> tasks = {
        [this] { return spare_slice(); },   [this] { return settle_slice(); },
        [this] { return reclaim_slice(); }, [this] { return expiry_slice(); },
        [this] { return age_slice(); },     [this] { return lookaside_slice(); },
        [this] { return scrub_slice(); }};
    upkeep_ = std::make_unique<Upkeep>(std::move(tasks), [worker = next_worker.fetch_add(1)] {
      storage::machine_placement().place_worker(worker);
    });
    follower_ = std::thread([this] { run_follower(); });
    has_threads_ = true;
    upkeep_->ask(kExpiryTask);
    upkeep_->ask(kScrubTask);
    upkeep_->ask(kAgeTask);  // what is due may have become so while nobody was here
  } catch (const std::exception&) {
    stop_background();
    return fail(Errc::no_memory,
                "the system gives no thread for a palace's background work; raise "
                "the limit, or open with background = false");
  }
  return {};
}

void Store::stop_background() {
  stopping_.store(true, std::memory_order_release);  // (25)
  wake_follower();
  if (follower_.joinable()) follower_.join();
  if (upkeep_ != nullptr) upkeep_->stop();  // a commit beside this may still ask
}

// In a child that was forked these threads do not exist; joining them would wait for ever.
void Store::abandon_background() {
  if (follower_.joinable()) follower_.detach();
  static_cast<void>(upkeep_.release());
}

void Store::wake_follower() {
  if (control_ == nullptr) return;
  ControlBlock& control = control_->block();
  control.wake.fetch_add(1, std::memory_order_release);  // (15)
  os_.wake_all(control.wake);
}

void Store::run_follower() {
  ControlBlock& control = control_->block();
  while (!stopping_.load(std::memory_order_acquire)) {                        // (26)
    const std::uint32_t wake = control.wake.load(std::memory_order_acquire);  // (16)
    follow_or_wait();
    free_views();  // what a snapshot held when it was replaced
    if (lookaside_.is_wanted()) upkeep_->ask(kLookasideTask);
    const bool keeps = look_after_turn();
    // (33) comes before the look at `wake` in wait_on(), see (34) in wake_followers().
    control.sleepers.fetch_add(1, std::memory_order_seq_cst);
    os_.wait_on(control.wake, wake, keeps ? kKeepNs : kFollowPollNs);
    control.sleepers.fetch_sub(1, std::memory_order_relaxed);
  }
}

// Out of memory is met again by whoever asks for a fresh snapshot, and told.
void Store::follow_or_wait() noexcept {
  try {
    if (is_behind()) (void)catch_up();
  } catch (const std::exception&) {
  }
}

// Asked for by whoever has filled half of a log file, so that no commit has to fill the next.
Upkeep::Again Store::spare_slice() {
  const std::uint64_t bytes = spare_bytes_.exchange(0, std::memory_order_acq_rel);  // (30)
  if (bytes != 0) (void)prepare_spare(bytes);
  return std::nullopt;
}

// Settles a tail that is past its budget; then merges, one merge in a slice.
Upkeep::Again Store::settle_slice() {
  if (stopping_.load(std::memory_order_acquire)) return std::nullopt;  // (26)
  if (!tail_is_full() && !merges_on_) return std::nullopt;
  const Result<bool> more = settle_or_merge();
  merges_on_ = more && *more;
  if (more) {
    settle_failures_ = 0;
    if (!merges_on_ && !tail_is_full()) return std::nullopt;
    return std::chrono::nanoseconds::zero();
  }
  const Errc code = more.error().code;
  if (code == Errc::read_only || code == Errc::closed) return std::nullopt;
  // Another process that is at it settles these commits, too: then there is nothing left to do.
  const int doublings = code == Errc::busy ? 0 : std::min(settle_failures_++, 6);
  return kSettleRest * (1 << doublings);
}

// A task of its own, since one that rests is not to be had before its time.
Upkeep::Again Store::age_slice() {
  upkeep_->ask(kReclaimTask);
  return kAgeRest;
}

// Asked for by commits that end versions. It rests before a merge, so that one merge drops what
// many commits ended, and after it as long as the merge took: it has half of a core at most. What
// has to be looked at more closely counts as a merge there, whatever comes of it.
Upkeep::Again Store::reclaim_slice() {
  if (stopping_.load(std::memory_order_acquire)) return std::nullopt;  // (26)
  bool urgent = false;
  {
    const storage::MutexLock lock(write_mutex_);
    if (!read_only_reason_.empty() || closed_) return std::nullopt;
    const Result<HistoryNeeds> needs = history_needs();
    if (!needs) return std::nullopt;
    urgent = needs->erasures != 0;
    // A rest here would hold up what the next commits ask for.
    if (!may_reclaim(*needs)) return std::nullopt;
  }
  if (!urgent && !std::exchange(reclaim_rested_, true))
    return std::max(reclaim_rest_, kReclaimRest);
  reclaim_rested_ = false;
  const std::int64_t start = os_.monotonic_ns();
  const Result<bool> done = reclaim();
  reclaim_rest_ = std::min(std::chrono::nanoseconds(os_.monotonic_ns() - start), kMostRest);
  if (done && !*done) return std::nullopt;
  if (done) return std::chrono::nanoseconds::zero();  // what has become due meanwhile
  // What is damaged stays so until somebody asks again.
  const Errc code = done.error().code;
  const bool gives_up = code == Errc::read_only || code == Errc::closed || code == Errc::damaged;
  return gives_up ? std::nullopt : Upkeep::Again(kMostRest);
}

// Another process may have settled meanwhile what this one was asked to settle.
bool Store::tail_is_full() {
  const auto guard = enter();
  return view().active().bytes() >= options_.checkpoint_bytes;
}

}  // namespace aeon::engine
