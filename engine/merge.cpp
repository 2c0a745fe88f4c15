// Merging segments: so that their number stays small, and to leave out what nobody can read any
// more (reclaim.hpp). The order of a publication is that of a checkpoint.
//
// A merge of all segments drops everything that ended at or before the horizon. It runs by itself
// when that pays (reclaim_due.cpp).
//
// Erasing. A memory that was erased may have left bytes in segments and blob files, in their
// dictionaries, in the log, and in log files that wait to be used again. So the log goes on in a
// new file, everything before it is settled, all segments are merged without it, and log files are
// unlinked and not kept. Earlier versions of it may be gone from the records and not from blob
// files, so every blob file with a hole is written anew, whoever left the hole. What a snapshot
// still reads stays mapped, in files without a name.
//
// That counts as done only when the log is clean: it is still in the new file, and none is there
// that it may go on in. Another process may have filled the new file meanwhile and have gone on in
// an old one, or be about to: it renames a spare first and its log file next. So this is looked at
// by the holder of the append lock, who has caught up and knows that nobody is in between.
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "engine/settle.hpp"
#include "engine/store.hpp"

namespace aeon::engine {

namespace {

// Merging starts when this many newest segments are each at most kTierFactor times what is newer
// than them: a row is then rewritten about log4(segments) times.
constexpr std::size_t kTierSegments = 4;
constexpr std::uint64_t kTierFactor = 4;
// For others that have the upkeep lock.
constexpr std::int64_t kPurgePatienceNs = 60'000'000'000;
constexpr int kMostPurges = 16;

// How many of the newest segments to merge; below 2: none.
std::size_t segments_to_merge(const std::vector<storage::SegmentInfo>& segments) {
  std::uint64_t newer = 0;
  std::size_t count = 0;
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    if (count > 0 && segment->bytes > kTierFactor * newer) break;
    newer += segment->bytes;
    ++count;
  }
  return count >= kTierSegments ? count : 0;
}

bool have_holes(const std::vector<storage::BlobFileInfo>& blobs) {
  return std::ranges::any_of(blobs, [](const auto& b) { return b.live_bytes < b.file.bytes; });
}

}  // namespace

// Merges the newest segments where they are many; false when they are not.
Result<bool> Store::merge_tiers() {
  std::size_t count = 0;
  {
    const storage::MutexLock lock(write_mutex_);
    count = segments_to_merge(manifest_.state().segments);
  }
  if (count < 2) return false;
  AEON_TRY(merge(count));
  return true;
}

// Merges all segments into one, unless there is one and nothing to leave out of it.
Status Store::merge_whole(Holes holes) {
  std::size_t count = 0;
  {
    const storage::MutexLock lock(write_mutex_);
    count = manifest_.state().segments.size();
    AEON_ASSIGN(const EngineState engine, engine_state());
    AEON_ASSIGN(const HistoryNeeds needs, history_needs());
    const bool sheds = needs.ended_by_then > engine.history.dropped || needs.erasures != 0 ||
                       (holes == Holes::close && have_holes(manifest_.state().blobs));
    if (count == 0 || (count == 1 && !sheds)) return {};
  }
  return merge(count, holes);
}

// Merges the newest `count` segments.
Status Store::merge(std::size_t count, Holes holes) {
  std::vector<std::shared_ptr<const SegmentView>> merging;
  storage::ManifestState state;
  EngineState engine;
  HistoryNeeds needs;
  ContentSources contents;
  {
    const storage::MutexLock lock(write_mutex_);
    state = manifest_.state();
    AEON_ASSIGN(engine, engine_state());
    AEON_ASSIGN(needs, history_needs());
    const auto segments = view().segments();
    merging.assign(segments.end() - static_cast<std::ptrdiff_t>(count), segments.end());
    contents.blobs = view().blobs();
  }
  AEON_ASSIGN(SettleSources sources, sources_of(merging, catalog_));
  sources.rows.next_node = engine.counters.next_node;
  const bool whole = count == state.segments.size();
  Reclaim reclaim({.horizon = needs.horizon,
                   .whole = whole,
                   .first_commit = sources.first_commit,
                   .last_commit = sources.last_commit,
                   .closes_holes = holes == Holes::close});
  const bool leaves_out = needs.horizon != 0 || needs.erasures != 0 || holes == Holes::close;
  if (leaves_out) {
    sources.contents.blobs = std::move(contents.blobs);
    AEON_TRY(leave_out(sources, reclaim, state.blobs));
    state.blobs = reclaim.blobs_left();
    engine.history.dropped += reclaim.dropped_versions();
    // Everything that had ended by the horizon is gone, whoever dropped it.
    if (whole) engine.history.dropped = std::max(engine.history.dropped, needs.ended_by_then);
  }
  const std::uint64_t number = state.next_file;
  AEON_ASSIGN(const SettledFiles files, write_settled(os_, directory_, palace_, number, sources));
  state.next_file = number + 2;
  state.segments.resize(state.segments.size() - merging.size());
  state.segments.push_back(files.segment);
  if (files.blobs) state.blobs.push_back(*files.blobs);
  state.engine_state = encode_engine_state(engine);
  AEON_TRY(publish_manifest(std::move(state)));
  for (const auto& segment : merging) AEON_TRY(os_.unlink(segment->segment().path()));
  for (const std::uint64_t blob : reclaim.blobs_gone()) {
    AEON_TRY(os_.unlink(directory_ + "/" + storage::file_name("blob", blob)));
  }
  return {};
}

// Gives up what the history policy lets go, when that is worth a merge, and leaves the mark that
// will let go what ended since the last one. False when there was nothing of it to do.
Result<bool> Store::reclaim() {
  const UpkeepLock lock(*this, 0);
  AEON_TRY(lock.status());
  AEON_TRY(catch_up());
  AEON_TRY(begin_upkeep());
  HistoryNeeds needs;
  {
    const storage::MutexLock write_lock(write_mutex_);
    AEON_ASSIGN(needs, history_needs());
  }
  if (needs.erasures != 0) {
    AEON_TRY(purge_files());
    return true;
  }
  AEON_ASSIGN(const bool pays, pays_to_reclaim(needs));
  if (pays) AEON_TRY(end_unmentioned());
  // With no history to keep, what the tails hold goes as well.
  if (needs.wants_mark || (pays && needs.keep == 0)) AEON_TRY(settle(LogFile::same));
  if (pays) AEON_TRY(merge_whole());
  return pays || needs.wants_mark;
}

Result<bool> Store::maintain(std::chrono::nanoseconds budget) {
  const std::int64_t start = os_.monotonic_ns();
  const std::int64_t end =
      start +
      std::min<std::int64_t>(budget.count(), std::numeric_limits<std::int64_t>::max() - start);
  AEON_TRY(expire_due());
  for (bool first = true;; first = false) {
    AEON_TRY(catch_up());
    HistoryNeeds needs;
    std::size_t tiers = 0;
    {
      const storage::MutexLock lock(write_mutex_);
      AEON_TRY(refuse_if_read_only());
      AEON_ASSIGN(needs, history_needs());
      tiers = segments_to_merge(manifest_.state().segments);
    }
    const bool settles = tail_is_full() || tiers != 0;
    if (!settles && !may_reclaim(needs)) return make_exact(end);
    if (!first && os_.monotonic_ns() - start >= budget.count()) return true;
    if (settles) {
      AEON_TRY(settle_or_merge());
      continue;
    }
    AEON_ASSIGN(const bool reclaimed, reclaim());
    if (!reclaimed) return make_exact(end);
  }
}

Status Store::purge() {
  const UpkeepLock lock(*this, kPurgePatienceNs);
  AEON_TRY(lock.status());
  AEON_TRY(catch_up());
  AEON_TRY(begin_upkeep());
  {
    const storage::MutexLock write_lock(write_mutex_);
    AEON_ASSIGN(const HistoryNeeds needs, history_needs());
    if (needs.erasures == 0 && !have_holes(manifest_.state().blobs)) return {};
  }
  return purge_files();
}

// See the head of this file.
Status Store::purge_files() {
  AEON_TRY(end_unmentioned());
  for (int attempt = 0; attempt < kMostPurges; ++attempt) {
    AEON_TRY(settle(LogFile::fresh));
    AEON_TRY(merge_whole(Holes::close));
    AEON_TRY(wal::discard_spares(os_, directory_));  // before commits have to wait for it
    storage::ManifestState state;
    {
      const storage::MutexLock lock(write_mutex_);
      AEON_TRY(take_turn());
      const Result<bool> clean = is_log_clean(manifest_.state().first_log);
      end_turn();
      AEON_TRY(clean);
      if (!*clean) continue;
      state = manifest_.state();
      AEON_ASSIGN(EngineState engine, engine_state());
      engine.history.purged = engine.counters.erasures;
      state.engine_state = encode_engine_state(engine);
    }
    AEON_TRY(publish_manifest(std::move(state)));
    // Best effort: what a full disk keeps back for whoever erases and forgets.
    (void)wal::prepare_spare(os_, directory_, wal::kFirstFileBytes);
    return {};
  }
  return fail(Errc::busy, fmt::format("{} is being written so fast that its log files could not be "
                                      "replaced; try again",
                                      directory_));
}

// Gives up what the log could go on in. The caller has the turn: no other writer is about to rename
// or name a log file, and this process has followed those that did.
Result<bool> Store::is_log_clean(std::uint64_t first_log) {
  AEON_TRY(wal::discard_spares(os_, directory_));
  AEON_TRY(wal::remove_leftovers(os_, directory_));
  return position_.log == first_log;
}

}  // namespace aeon::engine
