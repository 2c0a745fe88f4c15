// Upkeep: settling what is in RAM tails into a segment; merge.cpp merges segments. One process at a
// time does it (the upkeep lock), beside readers and writers.
//
// Order of a publication, each step durable before the next: segment and blob file, their names,
// the manifest record that lists them. Then the view is swapped, and only then are log files and
// replaced segments given up. A crash before the manifest record leaves orphans that the next open
// removes; after it, files that nothing names, which it removes as well.
#include <algorithm>

#include <fmt/format.h>

#include "engine/engine_state.hpp"
#include "engine/settle.hpp"
#include "engine/store.hpp"

namespace aeon::engine {

namespace {

// How often a process that waits for the upkeep lock looks again.
constexpr std::int64_t kUpkeepPollNs = 2'000'000;

}  // namespace

Status Store::checkpoint(bool merge_all) {
  const UpkeepLock lock(*this, 0);
  AEON_TRY(lock.status());
  AEON_TRY(catch_up());
  AEON_TRY(begin_upkeep());
  AEON_TRY(settle(LogFile::same));
  if (merge_all) return merge_whole();
  for (bool more = true; more;) {
    AEON_ASSIGN(more, merge_tiers());
  }
  return {};
}

// A slice of that: a full tail is settled, else a few segments are merged. True while there may be
// more to merge.
Result<bool> Store::settle_or_merge() {
  const UpkeepLock lock(*this, 0);
  AEON_TRY(lock.status());
  AEON_TRY(catch_up());
  AEON_TRY(begin_upkeep());
  if (!tail_is_full()) return merge_tiers();
  AEON_TRY(settle(LogFile::same));
  return true;
}

Store::UpkeepLock::UpkeepLock(Store& store, std::int64_t patience_ns) : store_(store) {
  store_.upkeep_mutex_.lock();
  status_ = store_.take_upkeep(patience_ns);
}

Store::UpkeepLock::~UpkeepLock() {
  if (status_) store_.control_->unlock(LockByte::upkeep);
  store_.upkeep_mutex_.unlock();
}

Status Store::take_upkeep(std::int64_t patience_ns) {
  AEON_TRY(refuse_after_fork());
  {
    const storage::MutexLock lock(write_mutex_);
    AEON_TRY(refuse_if_read_only());
  }
  const std::int64_t start = os_.monotonic_ns();
  for (;;) {
    AEON_ASSIGN(const bool taken,
                control_->try_lock(LockByte::upkeep, storage::LockMode::exclusive));
    std::atomic<std::uint32_t>& holder = control_->block().upkeep_process;
    if (taken) {
      holder.store(os_.process_id(), std::memory_order_relaxed);
      return {};
    }
    if (os_.monotonic_ns() - start >= patience_ns) {
      return fail(Errc::busy,
                  fmt::format("process {} is just checkpointing {}; try again when it is done",
                              holder.load(std::memory_order_relaxed), directory_));
    }
    const std::atomic<std::uint32_t> nobody{0};
    os_.wait_on(nobody, 0, kUpkeepPollNs);
  }
}

// The last holder of the upkeep lock may have died at any step: with files written that no record
// names, or with a record written that the control block does not speak of yet.
Status Store::begin_upkeep() {
  const storage::MutexLock lock(write_mutex_);
  AEON_TRY(adopt_manifest());
  // (13)
  control_->block().manifest_sequence.store(manifest_.state().sequence, std::memory_order_release);
  return remove_orphans();
}

Status Store::prepare_spare(std::uint64_t bytes) {
  const UpkeepLock lock(*this, 0);
  AEON_TRY(lock.status());  // busy: whoever has the lock makes spares of its own
  return wal::prepare_spare(os_, directory_, bytes);
}

Status Store::settle(LogFile log_file) {
  if (log_file == LogFile::same) {
    const auto guard = enter();
    if (view().tails().size() == 1 && view().settled() == visible()) return {};
    // Only a rotation happened since the last time: nothing to settle.
  }
  Pending rotation(nullptr, Durability::process);
  rotation.log_file = log_file;
  AEON_TRY(submit(rotation));
  std::vector<std::shared_ptr<Tail>> frozen;
  storage::ManifestState state;
  EngineState engine;
  HistoryNeeds needs;
  wal::LogPosition position;
  {
    const storage::MutexLock lock(write_mutex_);
    AEON_ASSIGN(engine, engine_state());
    AEON_ASSIGN(needs, history_needs());
    for (const auto& tail : view().tails()) {
      if (tail->first_commit() <= rotation.ack.commit) frozen.push_back(tail);
    }
    state = manifest_.state();
    const auto rotated = rotations_.find(rotation.ack.commit);
    if (rotated == rotations_.end() || frozen.empty()) {
      return fail(Errc::busy, fmt::format("{}: its tails were loaded anew while they were settled; "
                                          "try again",
                                          directory_));
    }
    position = rotated->second;
  }
  const std::uint64_t number = state.next_file;
  SettleSources sources = sources_of(frozen, catalog_);
  AEON_ASSIGN(const SettledFiles files, write_settled(os_, directory_, palace_, number, sources));
  state.next_file = number + 2;
  state.segments.push_back(files.segment);
  if (files.blobs) state.blobs.push_back(*files.blobs);
  state.settled_commit = rotation.ack.commit;
  state.settled_chain = position.chain;
  state.first_log = position.log;
  engine.counters = frozen.back()->counters();
  engine.position = position;
  const std::uint64_t ended = engine.counters.versions - engine.counters.memories;
  add_mark(engine.history, {rotation.ack.commit, rotation.ack.time, ended}, needs.keep);
  state.engine_state = encode_engine_state(engine);
  AEON_TRY(publish_manifest(std::move(state)));
  const Status retired = retire_logs(position.log, log_file == LogFile::same);
  // For a checkpoint this is best effort: what can't be given up now is given up by the next
  // upkeep or open. Who wanted a fresh file wants the old ones gone.
  return log_file == LogFile::fresh ? retired : Status{};
}

bool Store::shows(const storage::SegmentInfo& info) const {
  const auto guard = enter();
  return std::ranges::any_of(view().segments(),
                             [&info](const auto& open) { return open->segment().info() == info; });
}

// A new segment is opened and brought into memory first: that takes milliseconds, and commits wait
// for the lock.
Status Store::publish_manifest(storage::ManifestState state) {
  AEON_TRY(os_.sync_directory(directory_));
  std::vector<std::shared_ptr<const SegmentView>> ahead;
  if (!state.segments.empty() && !shows(state.segments.back())) {
    AEON_ASSIGN(auto segment, SegmentView::open(os_, directory_, palace_, state.segments.back()));
    segment->segment().populate();
    ahead.push_back(std::move(segment));
  }
  const storage::MutexLock lock(write_mutex_);
  AEON_TRY(manifest_.append(std::move(state)));
  opened_ahead_ = std::move(ahead);
  const Status adopted = adopt_state();
  opened_ahead_.clear();
  AEON_TRY(adopted);
  // (13)
  control_->block().manifest_sequence.store(manifest_.state().sequence, std::memory_order_release);
  wake_followers();
  return {};
}

Status Store::retire_logs(std::uint64_t first_kept, bool recyclable) {
  AEON_ASSIGN(const auto numbers, wal::list_logs(os_, directory_));
  for (const std::uint64_t number : numbers) {
    if (number >= first_kept) break;
    AEON_TRY(wal::retire_log(os_, directory_, number, recyclable));
  }
  return {};
}

}  // namespace aeon::engine
