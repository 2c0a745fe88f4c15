// The threads that a palace has of its own: one follows other processes, one settles tails that
// have grown past their budget. They are two because a checkpoint takes seconds and following must
// not wait for it. Both sleep in the kernel while there is nothing to do; errors are left for the
// next commit to meet and report.
#include <system_error>

#include "engine/store.hpp"

namespace aeon::engine {

namespace {

// A follower is woken by whoever commits; this is for a writer that died before it did so.
constexpr std::int64_t kFollowPollNs = 500'000'000;
// An append lock that was kept is given back when no commit came for this long (turn.cpp).
constexpr std::int64_t kKeepNs = 5'000'000;
constexpr std::int64_t kUpkeepPollNs = 60'000'000'000;

}  // namespace

Status Store::start_background() {
  try {
    follower_ = std::thread([this] { run_follower(); });
    upkeep_ = std::thread([this] { run_upkeep(); });
    has_threads_ = true;
  } catch (const std::system_error&) {
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
  wake_upkeep();
  if (follower_.joinable()) follower_.join();
  if (upkeep_.joinable()) upkeep_.join();
}

// In a child that was forked these threads do not exist; joining them would wait for ever.
void Store::abandon_background() {
  if (follower_.joinable()) follower_.detach();
  if (upkeep_.joinable()) upkeep_.detach();
}

void Store::wake_follower() {
  if (control_ == nullptr) return;
  ControlBlock& control = control_->block();
  control.wake.fetch_add(1, std::memory_order_release);  // (15)
  os_.wake_all(control.wake);
}

void Store::wake_upkeep() {
  upkeep_wake_.fetch_add(1, std::memory_order_release);  // (27)
  os_.wake_all(upkeep_wake_);
}

void Store::run_follower() {
  ControlBlock& control = control_->block();
  while (!stopping_.load(std::memory_order_acquire)) {                        // (26)
    const std::uint32_t wake = control.wake.load(std::memory_order_acquire);  // (16)
    if (is_behind()) (void)catch_up();
    free_views();  // what a snapshot held when it was replaced
    const bool keeps = look_after_turn();
    // (33) comes before the look at `wake` in wait_on(), see (34) in wake_followers().
    control.sleepers.fetch_add(1, std::memory_order_seq_cst);
    os_.wait_on(control.wake, wake, keeps ? kKeepNs : kFollowPollNs);
    control.sleepers.fetch_sub(1, std::memory_order_relaxed);
  }
}

void Store::run_upkeep() {
  while (!stopping_.load(std::memory_order_acquire)) {                        // (26)
    const std::uint32_t wake = upkeep_wake_.load(std::memory_order_acquire);  // (28)
    // (30) and (32): what was asked for before the thread was woken.
    if (const auto bytes = spare_bytes_.exchange(0, std::memory_order_acq_rel); bytes != 0) {
      (void)prepare_spare(bytes);
    }
    if (wants_checkpoint_.exchange(false, std::memory_order_acq_rel) && tail_is_full()) {
      (void)checkpoint(false);
    }
    os_.wait_on(upkeep_wake_, wake, kUpkeepPollNs);
  }
}

// Another process may have settled meanwhile what this one was asked to settle.
bool Store::tail_is_full() {
  const auto guard = enter();
  return view().active().bytes() >= options_.checkpoint_bytes;
}

}  // namespace aeon::engine
