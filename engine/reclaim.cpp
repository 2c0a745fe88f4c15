#include "engine/reclaim.hpp"

#include <algorithm>
#include <tuple>

#include "engine/keys.hpp"
#include "graph/keys.hpp"
#include "storage/merged_cursor.hpp"
#include "storage/versioned_key.hpp"

namespace aeon::engine {

namespace {

using storage::Table;

// A blob file gives up its payloads when less than this share of it is needed. Those that were
// written last are collected early, since most of what dies does so young; what has survived two
// collections is left alone for longer.
constexpr std::uint32_t kOldGeneration = 2;
constexpr std::uint64_t kYoungPercent = 75;
constexpr std::uint64_t kOldPercent = 50;

Table table_of(std::string_view key) {
  return static_cast<Table>(static_cast<std::uint8_t>(key.front()));
}

std::uint64_t record_bytes(const storage::BlobRef& blob) {
  return storage::blob_format::record_bytes(blob.flags, blob.stored_bytes);
}

bool contains(const std::vector<std::uint64_t>& ids, std::uint64_t id) {
  return std::ranges::binary_search(ids, id);
}

}  // namespace

bool Reclaim::KeyWalk::is_hidden(std::string_view user_key, CommitNumber, bool seals) {
  first_ = user_key != key_;
  if (first_) {
    key_ = user_key;
    sealed_ = false;
  }
  const bool hidden = sealed_;
  sealed_ = sealed_ || seals;
  return hidden;
}

Status Reclaim::plan(const storage::RunSet& runs) {
  planning_ = true;
  std::string prefix;
  storage::begin_key(prefix, Table::versions);
  storage::MergedCursor cursor(runs);
  for (cursor.seek(prefix); cursor.valid() && cursor.key().starts_with(prefix); cursor.next()) {
    const auto [user_key, commit] = storage::split_versioned_key(cursor.key());
    (void)keeps_version(user_key, commit, cursor.value());
    if (malformed_) {
      return fail(Errc::damaged, "merging: a version record does not decode; run aeon verify");
    }
  }
  AEON_TRY(cursor.status());
  planning_ = false;
  rewind();
  return erased_.empty() ? Status{} : plan_keys(runs);
}

// A key that none but erased memories ever had goes with all that is said of it, also with the word
// that it became free; one that others had as well is part of their history.
Status Reclaim::plan_keys(const storage::RunSet& runs) {
  std::string prefix;
  storage::begin_key(prefix, Table::keys);
  storage::MergedCursor cursor(runs);
  std::string key;
  bool erased = false;
  bool others = false;
  const auto finish = [&] {
    if (erased && !others) vanishing_.insert(key);
  };
  for (cursor.seek(prefix); cursor.valid() && cursor.key().starts_with(prefix); cursor.next()) {
    const auto [user_key, commit] = storage::split_versioned_key(cursor.key());
    if (user_key != key) {
      finish();
      key = user_key;
      erased = false;
      others = false;
    }
    const std::string_view value = cursor.value();
    if (value == kErasedKey) {
      erased = true;
    } else if (!value.empty()) {
      others = others || !is_erased(storage::Decoder(value).varint());
    }
  }
  finish();
  return cursor.status();
}

void Reclaim::rewind() {
  walk_ = {};
  current_erased_ = false;
}

// The newest entry of a memory comes first, so what it says of the memory is known for the others.
bool Reclaim::keeps_version(std::string_view user_key, CommitNumber commit,
                            std::string_view value) {
  if (!decode_version(value, record_)) {
    malformed_ = true;
    return true;
  }
  const bool old = commit <= scope_.horizon;
  const bool hidden = walk_.is_hidden(user_key, commit, old);
  storage::KeyDecoder key(user_key);
  key.u8();
  const std::uint64_t id = key.u64();
  if (walk_.is_first()) {
    current_erased_ = scope_.whole && !record_.live && record_.erased;
    if (planning_ && !record_.live && (old || current_erased_)) dead_.push_back(id);
    if (planning_ && current_erased_) erased_.push_back(id);
  }
  const bool erased = current_erased_ && record_.live;
  const bool ended = !record_.live && (old || current_erased_);
  const bool goes = hidden || erased || (ended && scope_.whole);
  if (!planning_ || !record_.live) return !goes;
  if (goes) ++dropped_;
  if (erased) erased_commits_.insert(commit);
  if (record_.blob) {
    BlobUse& use = uses_[record_.blob->file];
    (goes ? use.dropped : use.kept) += record_bytes(*record_.blob);
  }
  return !goes;
}

void Reclaim::plan_blobs(const std::vector<storage::BlobFileInfo>& blobs) {
  for (const storage::BlobFileInfo& blob : blobs) {
    const auto at = uses_.find(blob.file.number);
    const BlobUse use = at == uses_.end() ? BlobUse{} : at->second;
    if (is_payload(blob)) {
      // One memory at most ever named it.
      if (use.dropped != 0 && use.kept == 0) {
        blobs_gone_.push_back(blob.file.number);
      } else {
        blobs_left_.push_back(blob);
      }
      continue;
    }
    // All that refers to it is part of this merge.
    const bool inside = blob.file.first_commit >= scope_.first_commit &&
                        blob.file.last_commit <= scope_.last_commit;
    const std::uint64_t percent = blob.generation < kOldGeneration ? kYoungPercent : kOldPercent;
    const bool sparse = use.kept * 100 < blob.file.bytes * percent && use.dropped != 0;
    const std::uint64_t live = blob.live_bytes - std::min(blob.live_bytes, use.dropped);
    const bool has_hole = live < blob.file.bytes;
    if (inside && (use.kept == 0 || sparse || (scope_.closes_holes && has_hole))) {
      blobs_gone_.push_back(blob.file.number);
      if (use.kept == 0) continue;
      evacuated_.insert(blob.file.number);
      generation_ = std::max(generation_, blob.generation + 1);
      continue;
    }
    blobs_left_.push_back(blob);
    blobs_left_.back().live_bytes = live;
  }
  // The manifest lists payloads as they came to their end, not by number.
  std::ranges::sort(blobs_gone_);
}

bool Reclaim::keeps(std::string_view key, std::string_view value) {
  const auto [user_key, commit] = storage::split_versioned_key(key);
  if (user_key.empty()) return true;
  const bool old = commit <= scope_.horizon;
  switch (table_of(user_key)) {
    case Table::versions: return keeps_version(user_key, commit, value);
    case Table::keys: {
      // Others may have had the key before or since; their history stays, and so does the word that
      // the key is free, behind which they would come to light.
      if (is_erased(storage::Decoder(value).varint())) return false;
      if (!vanishing_.empty() && vanishing_.contains(std::string(user_key))) return false;
      const bool hidden = walk_.is_hidden(user_key, commit, old);
      const bool free = value.empty() || value == kErasedKey;
      return !hidden && !(scope_.whole && old && free);
    }
    case Table::events:
    case Table::edges_out:
    case Table::edges_in: {
      const bool hidden = walk_.is_hidden(user_key, commit, old);
      return !hidden && !(scope_.whole && old && value.empty()) && !stands_at_dead(user_key);
    }
    case Table::session_ends: return !walk_.is_hidden(user_key, commit, old);
    case Table::payloads: {
      storage::KeyDecoder decoder(user_key);
      decoder.u8();
      return !contains(blobs_gone_, decoder.u64());
    }
    case Table::expiry: {
      storage::KeyDecoder decoder(user_key);
      decoder.u8();
      decoder.i64();
      const bool hidden = walk_.is_hidden(user_key, commit, old);
      return !hidden && !(scope_.whole && old && value.empty()) && !is_dead(decoder.u64());
    }
    case Table::word_counts:
    case Table::settings: return !walk_.is_hidden(user_key, commit, old);
    case Table::terms:  // words/word_settler.hpp leaves out postings
    case Table::names:
    case Table::names_by_id:
    case Table::spaces: return true;
  }
  return true;
}

bool Reclaim::is_dead(std::uint64_t id) const noexcept { return contains(dead_, id); }
bool Reclaim::is_erased(std::uint64_t id) const noexcept { return contains(erased_, id); }

bool Reclaim::stands_at_dead(std::string_view user_key) const {
  if (dead_.empty()) return false;
  storage::KeyDecoder key(user_key);
  const auto table = static_cast<Table>(key.u8());
  if (table == Table::events) {
    key.u32();
    key.u32();
    key.i64();
    return is_dead(key.u64());
  }
  const std::uint64_t near = key.u64();
  const std::uint32_t type = key.u32();
  const std::uint64_t far = key.u64();
  return type != graph::kNextType && (is_dead(near) || is_dead(far));
}

void Reclaim::drop_rows(PartitionSources& sources, std::vector<NodeLinks>& gone) const {
  const auto by_node = [](const auto& item) { return std::tuple(item.space, item.node); };
  // A row may have ends in several segments' words; the earliest counts, and there is but one.
  std::vector<EndEntry> ends_left;
  std::vector<std::tuple<std::uint32_t, std::uint32_t>> dropped;
  for (PartitionRows& partition : sources.partitions) {
    std::vector<RowBlock> blocks;
    for (const RowBlock& block : partition.blocks) {
      std::uint32_t first = 0;
      for (std::uint32_t row = 0; row < block.count; ++row) {
        const std::tuple name(partition.space, block.nodes[row]);
        const auto end = std::ranges::lower_bound(sources.ends, name, {}, by_node);
        const bool ended =
            end != sources.ends.end() && by_node(*end) == name && end->commit <= scope_.horizon;
        if (!ended && (erased_.empty() || !is_erased(block.ids[row]))) continue;
        dropped.push_back(name);
        if (row > first) blocks.push_back(block.part(first, row - first));
        first = row + 1;
      }
      if (first == 0) {
        blocks.push_back(block);
      } else if (first < block.count) {
        blocks.push_back(block.part(first, block.count - first));
      }
    }
    partition.blocks = std::move(blocks);
  }
  std::erase_if(sources.partitions, [](const PartitionRows& rows) { return rows.rows() == 0; });
  std::ranges::sort(dropped);
  const auto went = [&](const auto& item) {
    return std::ranges::binary_search(dropped, by_node(item));
  };
  // Where nothing older exists, an end at or before the horizon is of a row that went, now or
  // earlier.
  std::erase_if(sources.ends, [&](const EndEntry& end) {
    return went(end) || (scope_.whole && end.commit <= scope_.horizon);
  });
  std::vector<NodeLinks> left;
  for (const NodeLinks& links : sources.links) (went(links) ? gone : left).push_back(links);
  sources.links = std::move(left);
}

std::function<bool(std::uint32_t, const Document&)> Reclaim::dead_documents(
    const PartitionSources& rows) const {
  std::vector<std::uint32_t> ended;
  for (const EndEntry& end : rows.ends) {
    if (end.space == kDocumentSpace && end.commit <= scope_.horizon) ended.push_back(end.node);
  }
  return [this, ended = std::move(ended)](std::uint32_t number, const Document& document) {
    return std::ranges::binary_search(ended, number) || is_erased(document.id);
  };
}

void Reclaim::drop_headers(std::vector<wal::CommitHeader>& headers, SegmentHistory& history) const {
  history.horizon = std::max(history.horizon, scope_.horizon);
  for (wal::CommitHeader& header : headers) {
    if (erased_commits_.contains(header.commit)) header.payload_salt = 0;
  }
  if (!scope_.whole) return;
  const auto kept = std::ranges::find_if(
      headers, [&](const wal::CommitHeader& header) { return header.commit > scope_.horizon; });
  if (kept == headers.begin()) return;
  history.anchor_commit = std::prev(kept)->commit;
  history.anchor_chain = std::prev(kept)->chain;
  headers.erase(headers.begin(), kept);
}

}  // namespace aeon::engine
