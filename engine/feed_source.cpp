#include "engine/feed_source.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "engine/engine_state.hpp"
#include "engine/no_memory.hpp"
#include "engine/record.hpp"
#include "storage/merged_cursor.hpp"

namespace aeon::engine {

namespace {

// Commits that are told from segments in one pass.
constexpr CommitNumber kStretch = 1 << 16;
constexpr int kAttempts = 100;

using Kind = Change::Kind;

Status malformed(CommitNumber commit) {
  return fail(Errc::damaged,
              fmt::format("commit {} holds no valid record; run aeon verify", commit));
}

// What the payload of a commit changes. The last word on an edge counts.
Status read_changes(const wal::CommitHeader& header, std::string_view payload,
                    std::vector<RawChange>& changes) {
  RecordReader reader(payload);
  OperationKind kind{};
  std::string_view body;
  VersionOperation version;
  EndOperation end;
  EdgeOperation edge;
  std::map<std::tuple<MemoryId, MemoryId, std::uint32_t>, Kind> edges;
  while (reader.next(kind, body)) {
    bool ok = true;
    switch (kind) {
      case OperationKind::version:
        ok = parse_version(body, version);
        changes.push_back({Kind::wrote, version.id, 0, 0});
        break;
      case OperationKind::end:
        ok = parse_end(body, end);
        changes.push_back({Kind::forgot, end.id, 0, 0});
        break;
      case OperationKind::edge:
        ok = parse_edge(body, edge);
        edges[{edge.from, edge.to, edge.type}] =
            edge.record.empty() ? Kind::unlinked : Kind::linked;
        break;
      default: break;
    }
    if (!ok) return malformed(header.commit);
  }
  if (!reader.ok()) return malformed(header.commit);
  for (const auto& [name, what] : edges) {
    changes.push_back({what, std::get<0>(name), std::get<1>(name), std::get<2>(name)});
  }
  return {};
}

// The same from the entries of one table that commits in (after, until] wrote.
template <typename Take>
Status scan_table(const storage::RunSet& runs, storage::Table table, CommitNumber after,
                  CommitNumber until, Take take) {
  std::string prefix;
  storage::begin_key(prefix, table);
  storage::MergedCursor cursor(runs);
  for (cursor.seek(prefix); cursor.valid() && cursor.key().starts_with(prefix); cursor.next()) {
    const storage::VersionedKey key = storage::split_versioned_key(cursor.key());
    if (key.user_key.empty() || key.commit <= after || key.commit > until) continue;
    AEON_TRY(take(key, cursor.value()));
  }
  return cursor.status();
}

}  // namespace

CommitInfo info_of(const wal::CommitHeader& header) noexcept {
  return {header.commit, header.time_ns,    header.author,
          header.kinds,  header.operations, header.payload_bytes};
}

Result<std::vector<Change>> FeedSource::name_types(std::vector<RawChange>&& raw) {
  std::vector<Change> changes;
  changes.reserve(raw.size());
  for (const RawChange& change : raw) {
    Change& named = changes.emplace_back();
    named.kind = change.kind;
    named.id = change.id;
    named.to = change.to;
    if (change.type == 0) continue;
    std::string& name = type_names_[change.type];
    if (name.empty()) {
      const auto guard = store_.enter();
      const Reading reading{store_.view(), store_.catalog(), store_.visible()};
      AEON_ASSIGN(name, reading.name_of(NameClass::edge_type, change.type));
    }
    named.type = name;
  }
  std::ranges::sort(changes, {}, [](const Change& change) {
    return std::tie(change.kind, change.id, change.to, change.type);
  });
  return changes;
}

Result<bool> FeedSource::next(CommitChanges& changes) {
  if (settled_.empty()) AEON_TRY(store_.catch_up());
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (!settled_.empty()) {
      changes = std::move(settled_.front());
      settled_.pop_front();
      last_ = changes.commit.commit;
      return true;
    }
    const CommitNumber newest = store_.visible();
    if (last_ >= newest) return false;
    if (reader_ == nullptr) AEON_TRY(begin());
    if (!settled_.empty()) continue;
    AEON_ASSIGN(const bool found, next_in_log(newest, changes));
    if (found) return true;
    // The log went on without the feed: what it missed is settled.
    reader_.reset();
    AEON_TRY(store_.catch_up());
  }
  return fail(Errc::busy, fmt::format("commit {} is settled again and again while it is looked for",
                                      last_ + 1));
}

// Tells what is settled and not answered yet, and finds the place in the log behind it.
Status FeedSource::begin() {
  const auto drop = [this](const View* view) { store_.drop_view(view); };
  const std::unique_ptr<const View, decltype(drop)> view(store_.hold_view(), drop);
  if (view->settled() > last_) AEON_TRY(collect_settled(*view));
  if (!settled_.empty()) return {};
  AEON_ASSIGN(reader_, store_.read_log_from_settled());
  return {};
}

Result<bool> FeedSource::next_in_log(CommitNumber newest, CommitChanges& changes) {
  if (reader_ == nullptr || reader_->position().next_commit > last_ + 1) return false;
  for (;;) {
    AEON_ASSIGN(const auto frame, reader_->next(newest));
    if (!frame) return false;
    if (frame->kind == wal::FrameKind::close || frame->header.commit <= last_) continue;
    std::vector<RawChange> raw;
    AEON_TRY(read_changes(frame->header, storage::as_view(frame->payload), raw));
    changes.commit = info_of(frame->header);
    AEON_ASSIGN(changes.changes, name_types(std::move(raw)));
    last_ = frame->header.commit;
    return true;
  }
}

// The next stretch of commits that segments hold.
Status FeedSource::collect_settled(const View& view) {
  const CommitNumber until = std::min(view.settled(), last_ + kStretch);
  if (last_ < view.horizon()) {
    return fail(Errc::too_old,
                fmt::format("commit {} lies before the history that is kept; read the palace anew "
                            "and begin at its newest commit",
                            last_ + 1));
  }
  storage::RunSet runs;
  std::map<CommitNumber, std::vector<RawChange>> raw;
  CommitNumber next = last_ + 1;
  std::vector<CommitInfo> commits;
  for (const auto& segment : view.segments()) {
    const storage::SegmentInfo& info = segment->segment().info();
    if (info.last_commit <= last_ || info.first_commit > until) continue;
    AEON_ASSIGN(const auto headers, segment->headers());
    for (const wal::CommitHeader& header : headers) {
      if (header.commit != next || next > until) continue;
      commits.push_back(info_of(header));
      ++next;
    }
  }
  if (next <= until) {
    return fail(Errc::too_old, fmt::format("commit {} is not remembered any more; read the palace "
                                           "anew and begin at its newest commit",
                                           next));
  }
  for (auto segment = view.segments().rbegin(); segment != view.segments().rend(); ++segment) {
    const storage::SegmentInfo& info = (*segment)->segment().info();
    if (info.last_commit > last_ && info.first_commit <= until) runs.add((*segment)->run());
  }
  VersionRecord record;
  AEON_TRY(scan_table(runs, storage::Table::versions, last_, until,
                      [&](const storage::VersionedKey& at, std::string_view value) -> Status {
                        if (!decode_version(value, record)) return malformed(at.commit);
                        storage::KeyDecoder key(at.user_key);
                        key.u8();
                        raw[at.commit].push_back(
                            {record.live ? Kind::wrote : Kind::forgot, key.u64(), 0, 0});
                        return {};
                      }));
  AEON_TRY(scan_table(runs, storage::Table::edges_out, last_, until,
                      [&](const storage::VersionedKey& at, std::string_view value) -> Status {
                        storage::KeyDecoder key(at.user_key);
                        key.u8();
                        RawChange change{value.empty() ? Kind::unlinked : Kind::linked};
                        change.id = key.u64();
                        change.type = key.u32();
                        change.to = key.u64();
                        raw[at.commit].push_back(change);
                        return {};
                      }));
  for (const CommitInfo& info : commits) {
    CommitChanges& changes = settled_.emplace_back();
    changes.commit = info;
    const auto at = raw.find(info.commit);
    if (at == raw.end()) continue;
    auto named = name_types(std::move(at->second));
    if (!named) {
      settled_.clear();
      return std::unexpected(std::move(named).error());
    }
    changes.changes = std::move(*named);
  }
  return {};
}

}  // namespace aeon::engine

namespace aeon {

ChangeFeed::ChangeFeed(std::unique_ptr<engine::FeedSource> source) : source_(std::move(source)) {}
ChangeFeed::ChangeFeed(ChangeFeed&&) noexcept = default;
ChangeFeed& ChangeFeed::operator=(ChangeFeed&&) noexcept = default;
ChangeFeed::~ChangeFeed() = default;

Result<bool> ChangeFeed::next(CommitChanges& changes) {
  return engine::without_exceptions([&] { return source_->next(changes); });
}
CommitNumber ChangeFeed::position() const noexcept { return source_->position(); }

}  // namespace aeon
