// Who changed what, and when: the headers of all commits, the versions of a memory, and the way
// back into the log for change feeds.
#include <algorithm>

#include <fmt/format.h>

#include "engine/engine_state.hpp"
#include "engine/feed_source.hpp"
#include "engine/store.hpp"
#include "storage/merged_cursor.hpp"

namespace aeon::engine {

// Headers of the commits after `after`, ascending, at most `limit`. Those of tails belong to the
// writer, so they are copied while none runs.
Result<std::vector<wal::CommitHeader>> Store::headers_after(CommitNumber after, std::size_t limit) {
  std::vector<wal::CommitHeader> found;
  const auto drop = [this](const View* view) { drop_view(view); };
  std::unique_ptr<const View, decltype(drop)> held(nullptr, drop);
  // At most `most` of those after `after`.
  const auto take = [&](std::span<const wal::CommitHeader> headers, std::size_t most,
                        std::vector<wal::CommitHeader>& into) {
    const auto from =
        std::ranges::upper_bound(headers, after, {}, &wal::CommitHeader::commit) - headers.begin();
    const auto rest = headers.subspan(static_cast<std::size_t>(from));
    const auto part = rest.first(std::min(rest.size(), most));
    into.insert(into.end(), part.begin(), part.end());
  };
  std::vector<wal::CommitHeader> tails;
  {
    const storage::MutexLock lock(write_mutex_);
    held.reset(hold_view());
    for (const auto& tail : held->tails()) {
      take(tail->headers(), limit - std::min(limit, tails.size()), tails);
    }
    std::erase_if(tails, [&](const auto& header) { return header.commit > visible(); });
  }
  for (const auto& segment : held->segments()) {
    if (segment->segment().info().last_commit <= after) continue;
    AEON_ASSIGN(const auto headers, segment->headers());
    take(headers, limit - found.size(), found);
  }
  take(tails, limit - found.size(), found);
  return found;
}

Result<std::vector<CommitInfo>> Store::commits(CommitNumber after, std::size_t limit) {
  AEON_TRY(catch_up());
  AEON_ASSIGN(const auto headers, headers_after(after, limit));
  std::vector<CommitInfo> commits;
  commits.reserve(headers.size());
  for (const wal::CommitHeader& header : headers) commits.push_back(info_of(header));
  return commits;
}

Result<std::vector<VersionInfo>> Store::versions(MemoryId id) {
  AEON_TRY(catch_up());
  std::vector<VersionInfo> versions;
  const auto drop = [this](const View* view) { drop_view(view); };
  const CommitNumber newest = visible();
  const std::unique_ptr<const View, decltype(drop)> view(hold_view(), drop);
  std::string prefix;
  version_key(prefix, id);
  VersionRecord record;
  storage::MergedCursor cursor(view->runs());
  for (cursor.seek(prefix); cursor.valid() && cursor.key().starts_with(prefix); cursor.next()) {
    const storage::VersionedKey key = storage::split_versioned_key(cursor.key());
    if (key.commit > newest) continue;
    if (!decode_version(cursor.value(), record)) {
      return fail(
          Errc::damaged,
          fmt::format("memory {}: its version record does not decode; run aeon verify", id));
    }
    VersionInfo& version = versions.emplace_back();
    version.commit = key.commit;
    version.live = record.live;
    version.time = record.live ? record.commit_time : 0;
    AEON_ASSIGN(const auto headers, headers_after(key.commit - 1, 1));
    if (headers.empty() || headers[0].commit != key.commit) continue;
    version.time = headers[0].time_ns;
    version.author = headers[0].author;
  }
  AEON_TRY(cursor.status());
  if (!versions.empty()) return versions;
  return fail(Errc::unknown_id, fmt::format("no memory ever had the id {}", id));
}

// A reader of the log from where the newest settled commit ends.
Result<std::unique_ptr<wal::LogReader>> Store::read_log_from_settled() {
  const storage::MutexLock lock(write_mutex_);
  for (;;) {
    const std::uint64_t sequence = manifest_.state().sequence;
    EngineState engine;
    if (!decode_engine_state(manifest_.state().engine_state, engine)) {
      return fail(Errc::damaged,
                  fmt::format("{}: the manifest's engine state does not decode", directory_));
    }
    auto reader = wal::LogReader::open(os_, log_place_, engine.position);
    if (reader ||
        (reader.error().code != Errc::too_old && reader.error().code != Errc::missing_file)) {
      return reader;
    }
    AEON_TRY(manifest_.refresh());
    if (manifest_.state().sequence == sequence) return reader;
  }
}

}  // namespace aeon::engine
