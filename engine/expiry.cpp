// Forgetting what has expired. Reads leave expired memories out by themselves (Reading::now), so
// this is only to have their space and their keys back; it is a commit like any other, made by one
// process at a time.
#include <algorithm>

#include "engine/store.hpp"
#include "storage/visible_cursor.hpp"

namespace aeon::engine {

namespace {

constexpr std::size_t kMostAtOnce = 512;
// The clock may be set, so no sleep is longer.
constexpr std::chrono::nanoseconds kLongestSleep = std::chrono::seconds(60);
constexpr std::chrono::nanoseconds kRetry = std::chrono::seconds(1);

// The expiries of an instant, soonest first.
class ExpiryCursor {
 public:
  explicit ExpiryCursor(const Reading& reading) : cursor_(reading.view.runs(), reading.commit) {
    std::string prefix;
    storage::begin_key(prefix, storage::Table::expiry);
    cursor_.seek(prefix);
    settle();
  }
  [[nodiscard]] bool valid() const noexcept { return cursor_.valid(); }
  [[nodiscard]] TimeNs time() const noexcept { return time_; }
  [[nodiscard]] MemoryId id() const noexcept { return id_; }
  [[nodiscard]] Status status() const { return cursor_.status(); }
  void next() {
    cursor_.next();
    settle();
  }

 private:
  void settle() {
    while (cursor_.valid() && cursor_.value().empty()) cursor_.next();
    if (!cursor_.valid()) return;
    storage::KeyDecoder key(cursor_.user_key());
    key.u8();
    time_ = key.i64();
    id_ = key.u64();
  }
  storage::VisibleCursor cursor_;
  TimeNs time_ = 0;
  MemoryId id_ = 0;
};

}  // namespace

// As of what is loaded; commits that are applied later lower it.
Status Store::load_expiry() {
  const ExpiryCursor cursor({view(), catalog_, view().settled()});
  AEON_TRY(cursor.status());
  next_expiry_.store(cursor.valid() ? cursor.time() : kEndOfTime, std::memory_order_relaxed);
  return {};
}

// Forgets what is due; when the next memory expires, or kEndOfTime.
Result<TimeNs> Store::expire_due() {
  AEON_TRY(catch_up());
  std::size_t most = kMostAtOnce;
  for (;;) {
    if (stopping_.load(std::memory_order_acquire)) return os_.wall_time_ns();  // (26)
    Batch batch;
    {
      const storage::MutexLock lock(write_mutex_);
      AEON_TRY(refuse_if_read_only());
      const Reading reading{view(), catalog_, visible()};
      const TimeNs now = os_.wall_time_ns();
      Reading::Version version;
      ExpiryCursor cursor(reading);
      for (; cursor.valid() && cursor.time() <= now; cursor.next()) {
        if (batch.operations().size() == most) break;
        AEON_ASSIGN(const bool visible, reading.try_version(cursor.id(), version));
        if (visible) batch.forget(cursor.id(), version.commit);
      }
      AEON_TRY(cursor.status());
      if (batch.empty()) {
        const TimeNs next = cursor.valid() ? cursor.time() : kEndOfTime;
        next_expiry_.store(next, std::memory_order_relaxed);
        return next;
      }
    }
    const auto ack = commit(std::move(batch), Durability::process);
    // One of them was changed or ended meanwhile: then look again, one by one, so that none keeps
    // the others from it.
    const bool again = !ack && (ack.error().code == Errc::version_conflict ||
                                ack.error().code == Errc::unknown_id);
    if (!ack && !again) return std::unexpected(ack.error());
    most = again ? 1 : kMostAtOnce;
  }
}

Upkeep::Again Store::expiry_slice() {
  if (stopping_.load(std::memory_order_acquire)) return std::nullopt;  // (26)
  const TimeNs due = next_expiry_.load(std::memory_order_relaxed);     // a hint
  if (due == kEndOfTime) return std::nullopt;
  const TimeNs now = os_.wall_time_ns();
  if (due > now) {
    return std::min(kLongestSleep, std::chrono::nanoseconds(std::max<TimeNs>(1, due - now)));
  }
  const UpkeepLock lock(*this, 0);
  if (lock.status() && expire_due()) return std::chrono::nanoseconds::zero();
  const bool ends = !lock.status() && (lock.status().error().code == Errc::read_only ||
                                       lock.status().error().code == Errc::closed);
  return ends ? std::nullopt : Upkeep::Again(kRetry);
}

}  // namespace aeon::engine
