// What nobody can read any more, and whether it pays to leave it out of the files.
//
// A merge of all segments copies what stays. It pays in versions when a quarter of the stored ones
// could go: then a version is copied three times, on average, for each that is dropped, and where
// versions are of a size the files never hold more than a third beyond what is needed, but for what
// has come since. Payloads that were stored ahead have files of their own, which are unlinked and
// not copied. So a few of them may be all the bytes there are, and it pays in bytes, too, when
// payloads nobody can read are a quarter of what is to be copied.
//
// A version's end is known by the marks that checkpoints leave (history.hpp). A palace that takes
// few commits makes none by itself, so a tail that holds ended versions is settled after a part of
// the time that history is kept.
#include <algorithm>

#include <fmt/format.h>

#include "engine/store.hpp"

namespace aeon::engine {

namespace {

constexpr std::uint64_t kDroppableShare = 4;  // one in so many
// Fewer versions are not worth a merge, where all files together are small.
constexpr std::uint64_t kLeastDroppable = 16;
constexpr std::uint64_t kSmallBytes = std::uint64_t{1} << 20;
// How long ended versions stay without a mark: a part of the time that history is kept.
constexpr TimeNs kMarkPart = 8;
constexpr TimeNs kLeastMarkNs = 60'000'000'000;
constexpr TimeNs kMostMarkNs = 24 * 60 * kLeastMarkNs;

std::uint64_t above(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

bool is_share(std::uint64_t part, std::uint64_t whole) {
  return part != 0 && part * kDroppableShare >= whole;
}

}  // namespace

Result<EngineState> Store::engine_state() const {
  EngineState engine;
  if (decode_engine_state(manifest_.state().engine_state, engine)) return engine;
  return fail(Errc::damaged,
              fmt::format("{}: the manifest's engine state does not decode", directory_));
}

Result<Store::HistoryNeeds> Store::history_needs() {
  HistoryNeeds needs;
  AEON_ASSIGN(const EngineState engine, engine_state());
  const Reading reading{view(), catalog_, visible()};
  std::string key;
  setting_key(key, Setting::history);
  storage::LookupScratch scratch;
  AEON_ASSIGN(const auto found, reading.find(key, scratch));
  if (found) needs.keep = storage::Decoder(found->value).fixed<TimeNs>();
  const HistoryMark* mark = mark_before(engine.history, os_.wall_time_ns(), needs.keep);
  if (mark != nullptr) {
    needs.horizon = mark->commit;
    needs.ended_by_then = mark->ended;
  }
  // The policy may have become longer, or the clock have been set back.
  needs.horizon = std::max(needs.horizon, view().horizon());
  // With no history to keep, what the tails know of would go as well after a checkpoint.
  const std::uint64_t ended =
      needs.keep == 0 ? counters_.versions - counters_.memories : needs.ended_by_then;
  needs.droppable = above(ended, engine.history.dropped);
  needs.stored = above(counters_.versions, engine.history.dropped);
  needs.erasures = above(counters_.erasures, engine.history.purged);
  for (const storage::SegmentInfo& segment : manifest_.state().segments) {
    needs.copied_bytes += segment.bytes;
  }
  for (const storage::BlobFileInfo& blob : manifest_.state().blobs) {
    (is_payload(blob) ? needs.payload_bytes : needs.copied_bytes) += blob.file.bytes;
  }
  needs.wants_mark = wants_mark(needs.keep, engine.counters);
  return needs;
}

// Whether the tails hold versions that ended, the first of their commits a while ago.
bool Store::wants_mark(TimeNs keep, const Counters& settled) {
  if (keep == 0 || keep == kEndOfTime) return false;
  if (counters_.versions - counters_.memories <= settled.versions - settled.memories) return false;
  for (const auto& tail : view().tails()) {
    if (tail->headers().empty()) continue;
    const TimeNs first = tail->headers().front().time_ns;
    const TimeNs now = os_.wall_time_ns();
    // A clock that was set back since is no reason to wait.
    return first > now || now - first >= std::clamp(keep / kMarkPart, kLeastMarkNs, kMostMarkNs);
  }
  return false;
}

// Whether a look by pays_to_reclaim() is due; costs next to nothing.
bool Store::may_reclaim(const HistoryNeeds& needs) noexcept {
  if (needs.erasures != 0 || needs.wants_mark) return true;
  return needs.droppable != 0 &&
         (pays_in_versions(needs) || is_share(needs.payload_bytes, needs.copied_bytes));
}

bool Store::pays_in_versions(const HistoryNeeds& needs) noexcept {
  const bool few =
      needs.droppable < kLeastDroppable && needs.copied_bytes + needs.payload_bytes < kSmallBytes;
  return is_share(needs.droppable, needs.stored) && !few;
}

Result<bool> Store::pays_to_reclaim(const HistoryNeeds& needs) {
  if (pays_in_versions(needs)) return true;
  if (needs.droppable == 0 || !is_share(needs.payload_bytes, needs.copied_bytes)) return false;
  AEON_ASSIGN(const std::uint64_t ended,
              ended_payload_bytes(needs.keep == 0 ? visible() : needs.horizon));
  return is_share(ended, needs.copied_bytes);
}

// Of payloads that no version has as of that commit, and of which one had been named by then.
// Looks up each payload there is, without a lock.
Result<std::uint64_t> Store::ended_payload_bytes(CommitNumber as_of) {
  const auto drop = [this](const View* view) { drop_view(view); };
  const std::unique_ptr<const View, decltype(drop)> held(hold_view(), drop);
  std::uint64_t bytes = 0;
  storage::LookupScratch scratch;
  std::string key;
  VersionRecord record;
  for (const auto& [number, blob] : held->blobs()) {
    if (!is_payload(blob->info)) continue;
    payload_key(key, number);
    AEON_ASSIGN(const auto owner, held->runs().newest(key, as_of, scratch));
    if (!owner) continue;
    version_key(key, storage::Decoder(owner->value).varint());
    AEON_ASSIGN(const auto version, held->runs().newest(key, as_of, scratch));
    if (!version || !decode_version(version->value, record)) continue;  // verify names it
    const bool has = record.live && record.blob && record.blob->file == number;
    if (!has) bytes += blob->info.file.bytes;
  }
  return bytes;
}

}  // namespace aeon::engine
