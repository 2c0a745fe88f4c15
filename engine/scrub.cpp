// The scrubber's turns: one opening of a palace scrubs at a time, the place where it is stands in
// the control block, so that short openings get through the files together.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/store.hpp"

namespace aeon::engine {

namespace {

constexpr std::chrono::nanoseconds kFirstRest = std::chrono::seconds(2);
// What a rate of so many bytes a second allows is read at once, then it rests.
constexpr std::chrono::nanoseconds kStepRest = std::chrono::seconds(1);
// From the end of a pass to the next.
constexpr TimeNs kPause = TimeNs{24} * 3600 * 1'000'000'000;
// Until it is looked at again whether the pause is over, or whoever scrubs has gone.
constexpr std::chrono::nanoseconds kLongRest = std::chrono::minutes(10);
// A step of a call that has a budget.
constexpr std::uint64_t kCallBytes = std::uint64_t{256} << 10;

}  // namespace

// The settled files of the newest view. A segment and a blob file may have the same number.
std::vector<storage::Scrubber::Item> Store::scrub_items() const {
  std::vector<storage::Scrubber::Item> items;
  {
    const auto guard = enter();
    for (const auto& segment : view().segments()) {
      const storage::Segment& file = segment->segment();
      items.push_back({file.info().number * 2, {segment, &file}});
    }
    for (const auto& [number, blob] : view().blobs()) {
      items.push_back({number * 2 + 1, {blob, &blob->reader->segment()}});
    }
  }
  std::ranges::sort(items, {}, &storage::Scrubber::Item::key);
  return items;
}

// The lock is kept until the palace is closed.
Result<bool> Store::take_scrub_lock() {
  if (control_ == nullptr || scrubs_) return true;
  AEON_ASSIGN(scrubs_, control_->try_lock(LockByte::scrub, storage::LockMode::exclusive));
  return scrubs_;
}

Result<bool> Store::scrub_step(std::uint64_t bytes) {
  const auto items = scrub_items();
  storage::Scrubber::Place place = scrub_place_;
  if (control_ != nullptr) {
    const ControlBlock& control = control_->block();
    place = {control.scrub_file.load(std::memory_order_relaxed),
             control.scrub_page.load(std::memory_order_relaxed)};
  }
  const Result<bool> ended = scrubber_.step(items, place, bytes, stopping_);
  scrub_place_ = place;
  if (control_ == nullptr) return ended;
  ControlBlock& control = control_->block();
  control.scrub_file.store(place.key, std::memory_order_relaxed);
  control.scrub_page.store(place.page, std::memory_order_relaxed);
  if (ended && *ended) control.scrubbed_at.store(os_.wall_time_ns(), std::memory_order_relaxed);
  return ended;
}

Upkeep::Again Store::scrub_slice() {
  if (stopping_.load(std::memory_order_acquire)) return std::nullopt;  // (26)
  if (options_.scrub_bytes_per_second == 0) return std::nullopt;
  if (!std::exchange(scrub_rested_, true)) return kFirstRest;
  const storage::MutexLock lock(scrub_mutex_);
  const Result<bool> mine = take_scrub_lock();
  if (!mine || !*mine) return kLongRest;
  const TimeNs last = control_->block().scrubbed_at.load(std::memory_order_relaxed);
  const TimeNs since = os_.wall_time_ns() - last;
  // A clock that was set back does not put it off for ever.
  if (last > 0 && since >= 0 && since < kPause) return kLongRest;
  const Result<bool> ended = scrub_step(options_.scrub_bytes_per_second);
  return ended && !*ended ? kStepRest : kLongRest;
}

Result<bool> Store::scrub(std::chrono::nanoseconds budget) {
  AEON_TRY(refuse_after_fork());
  const std::int64_t start = os_.monotonic_ns();
  do {
    const storage::MutexLock lock(scrub_mutex_);
    AEON_ASSIGN(const bool mine, take_scrub_lock());
    if (!mine) {
      return fail(Errc::busy, fmt::format("{}: another opening of the palace scrubs it; its "
                                          "findings are in that one's stats",
                                          directory_));
    }
    AEON_ASSIGN(const bool ended, scrub_step(kCallBytes));
    if (ended) return true;
  } while (os_.monotonic_ns() - start < budget.count() &&
           !stopping_.load(std::memory_order_acquire));  // (26)
  return false;
}

ScrubStats Store::scrub_stats() const {
  const storage::Scrubber::Findings findings = scrubber_.findings();
  ScrubStats stats{.bytes = findings.bytes,
                   .passes = findings.passes,
                   .last_end = 0,
                   .damaged = findings.bad_pages};
  if (control_ != nullptr) {
    stats.last_end = control_->block().scrubbed_at.load(std::memory_order_relaxed);
  }
  for (const storage::Scrubber::BadPage& bad : findings.bad) {
    stats.damage.push_back(
        {bad.path, bad.page * storage::kPageBytes, storage::kPageBytes, bad.what});
  }
  return stats;
}

}  // namespace aeon::engine
