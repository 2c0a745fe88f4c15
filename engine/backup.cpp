// Copies of a palace, made while others write. What the settled files are is read twice: once
// without a lock, to bring the bulk of them, and once more under the upkeep lock, so that nothing
// is retired while the rest and the log's tail are taken over. See copy_target.hpp.
#include <algorithm>

#include <fmt/format.h>

#include "engine/copy_target.hpp"
#include "engine/store.hpp"

namespace aeon::engine {

namespace {
// How long a copy waits for a checkpoint of another process.
constexpr std::int64_t kPatienceNs = 30'000'000'000;

bool went_away(const Error& error) {
  return error.code == Errc::missing_file || error.code == Errc::too_old ||
         error.code == Errc::not_found;
}

}  // namespace

Result<BackupReport> Store::backup(const std::string& target) {
  AEON_TRY(refuse_after_fork());
  AEON_TRY(catch_up());
  bool writes = false;
  {
    const storage::MutexLock lock(write_mutex_);
    if (damaged_log_) return fail(Errc::damaged, read_only_reason_);
    writes = read_only_reason_.empty();
  }
  AEON_ASSIGN(const auto copy, CopyTarget::open(os_, directory_, target, palace_));
  AEON_ASSIGN(storage::ManifestState state, state_to_copy());
  AEON_TRY(copy->bring(state, true));
  if (writes) {
    const UpkeepLock lock(*this, kPatienceNs);
    AEON_TRY(lock.status());
    AEON_TRY(begin_upkeep());
    AEON_TRY(copy_to(*copy));
    return copy->report();
  }
  // Without the right to write nothing can be kept from being retired: what went away is part of a
  // newer state.
  for (;;) {
    Status done = copy_to(*copy);
    if (done) return copy->report();
    const std::uint64_t sequence = state.sequence;
    if (!went_away(done.error())) return std::unexpected(std::move(done).error());
    AEON_TRY(catch_up());
    AEON_ASSIGN(state, state_to_copy());
    if (state.sequence == sequence) return std::unexpected(std::move(done).error());
  }
}

Result<storage::ManifestState> Store::state_to_copy() {
  const storage::MutexLock lock(write_mutex_);
  AEON_TRY(manifest_.refresh());
  return manifest_.state();
}

// Everything acknowledged by now, at whatever level; where this opening may write it is made
// durable first, so that a power loss does not leave the original behind its copy.
Result<CommitNumber> Store::last_to_copy() {
  const storage::MutexLock lock(write_mutex_);
  const CommitNumber settled = manifest_.state().settled_commit;
  if (control_ == nullptr) return visible();
  if (read_only_reason_.empty()) AEON_TRY(manifest_.make_durable());
  if (read_only_reason_.empty() && take_turn()) {
    const Status synced = writer_->sync();
    if (!synced && writer_->poison()) poison(*writer_->poison());
    const CommitNumber last = visible();
    end_turn();
    if (synced) return last;
  }
  return std::max({settled, durable_, control_->block().durable.load(std::memory_order_relaxed)});
}

// The chain value of a settled commit, from the headers that were kept.
Result<storage::Hash128> Store::settled_chain_at(CommitNumber commit) const {
  const auto guard = enter();
  for (const auto& segment : view().segments()) {
    if (segment->history().anchor_commit == commit) return segment->history().anchor_chain;
    const storage::SegmentInfo& info = segment->segment().info();
    if (commit < info.first_commit || commit > info.last_commit) continue;
    AEON_ASSIGN(const auto headers, segment->headers());
    const auto at = std::ranges::find(headers, commit, &wal::CommitHeader::commit);
    if (at != headers.end()) return at->chain;
  }
  return fail(Errc::too_old,
              fmt::format("{}: commit {} is not remembered any more", directory_, commit));
}

Status Store::copy_to(CopyTarget& copy) {
  AEON_ASSIGN(const CommitNumber last, last_to_copy());
  AEON_ASSIGN(const storage::ManifestState state, state_to_copy());
  EngineState engine;
  if (!decode_engine_state(state.engine_state, engine)) {
    return fail(Errc::damaged,
                fmt::format("{}: the manifest's engine state does not decode", directory_));
  }
  AEON_TRY(copy.bring(state, false));
  AEON_ASSIGN(const auto reader, wal::LogReader::open(os_, log_place_, engine.position));
  if (copy.end()) {
    const CopyEnd& end = *copy.end();
    while (reader->position().next_commit <= end.commit) {
      AEON_ASSIGN(const auto frame, reader->next(end.commit));
      if (!frame) break;
    }
    storage::Hash128 chain = reader->position().chain;
    if (end.commit < state.settled_commit) {
      if (end.commit == 0) {
        chain = wal::genesis_chain(palace_);
      } else {
        auto settled = settled_chain_at(end.commit);
        if (!settled && settled.error().code == Errc::too_old) {
          settled.error().message = fmt::format(
              "{} ends at commit {}, of which {} keeps no history any more; name a new "
              "directory",
              copy.directory(), end.commit, directory_);
        }
        AEON_ASSIGN(chain, std::move(settled));
      }
    }
    if (reader->position().next_commit <= end.commit || chain != end.chain) {
      return fail(Errc::version_conflict,
                  fmt::format("{} has commits that {} has not; name a new directory",
                              copy.directory(), directory_));
    }
  }
  const auto next = [&]() -> Result<std::optional<wal::FrameView>> {
    while (reader->position().next_commit <= last) {
      AEON_ASSIGN(auto frame, reader->next(last));
      if (frame && frame->kind == wal::FrameKind::close) continue;
      if (frame) return frame;
      return fail(reader->recycled() ? Errc::too_old : Errc::damaged,
                  fmt::format("{}: commit {} is not in the log; run aeon verify", directory_,
                              reader->position().next_commit));
    }
    return std::optional<wal::FrameView>();
  };
  return copy.publish(state, engine, next);
}

}  // namespace aeon::engine
