// What a merge of segments leaves out: versions that ended at or before the horizon
// (history.hpp) and everything that only they needed, and every trace of what was erased.
//
// The argument. A reader asks at a commit that is not before the horizon; of every key it takes the
// newest entry up to its commit. So of a key's entries at or before the horizon it can only meet
// the newest, and the older ones may go. That newest one may go, too, when it says "nothing here"
// and no older segment holds another entry of the key, which would come to light again. A forgotten
// memory stays forgotten, since its id is never used again; so what stands at it (its edges, its
// place on a line) may go with it. `next` edges stay: since format version 3 a line closes up when
// an event is forgotten, but lines of older palaces lead through forgotten events.
//
// A merge of all segments treats what was erased as if it had ended before the horizon, whenever
// that was; of several versions none may stay behind, or it would pass for the newest. Snapshots of
// the present never look at a commit before the one that their view settled (Palace::snapshot), so
// they can't meet the gap; reads as of an earlier commit miss what was erased, as they should.
//
// A blob file that stays although some of its records were dropped has a hole: their bytes are
// there, and no version names them any more. BlobFileInfo::live_bytes tells, since it begins at the
// file's size and merges take off exactly what they drop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "engine/partition_writer.hpp"
#include "engine/version_record.hpp"
#include "engine/words/document.hpp"
#include "storage/blob_reader.hpp"
#include "storage/manifest.hpp"
#include "storage/run_set.hpp"
#include "wal/commit_header.hpp"

namespace aeon::engine {

// Persisted in a `history` section, 40 bytes: what the segment can no longer tell.
struct SegmentHistory {
  std::uint64_t horizon = 0;        // reads before this commit are too old
  std::uint64_t anchor_commit = 0;  // headers up to this one were dropped; 0: none
  storage::Hash128 anchor_chain;    // the commit chain's value there
  std::uint64_t reserved = 0;       // zero
};
static_assert(sizeof(SegmentHistory) == 40);

// A payload that was stored ahead has a file of its own, written before any commit named it.
[[nodiscard]] inline bool is_payload(const storage::BlobFileInfo& blob) noexcept {
  return blob.file.last_commit == 0;
}

struct ReclaimScope {
  CommitNumber horizon = 0;
  bool whole = false;  // no segment is older than the merged ones
  CommitNumber first_commit = 0;
  CommitNumber last_commit = 0;
  // Blob files are written anew for the sake of a single record that was dropped, now or by an
  // earlier merge, which found the rest worth keeping.
  bool closes_holes = false;
};

// One merge's decisions. Not thread-safe.
class Reclaim {
 public:
  explicit Reclaim(const ReclaimScope& scope) : scope_(scope) {}

  // Looks through the versions and decides which of them stay. First of all. Errors: damaged.
  [[nodiscard]] Status plan(const storage::RunSet& runs);
  // Which of the blob files give up their living payloads to a new one, and which nothing needs.
  void plan_blobs(const std::vector<storage::BlobFileInfo>& blobs);

  // Whether an entry stays. Keys must come in order, each once; rewind() begins again.
  [[nodiscard]] bool keeps(std::string_view key, std::string_view value);
  void rewind();
  // Leaves out rows that ended, and the ends that this makes needless. The links of rows that went
  // are moved to `gone`, by space and node.
  void drop_rows(PartitionSources& rows, std::vector<NodeLinks>& gone) const;
  // Which documents go (words/word_settler.hpp). Before drop_rows(), while all ends are there; for
  // as long as this lives.
  [[nodiscard]] std::function<bool(std::uint32_t, const Document&)> dead_documents(
      const PartitionSources& rows) const;
  // Leaves out headers that nobody can ask for; where erased versions came from, the salts.
  void drop_headers(std::vector<wal::CommitHeader>& headers, SegmentHistory& history) const;

  [[nodiscard]] const ReclaimScope& scope() const noexcept { return scope_; }
  [[nodiscard]] std::uint64_t dropped_versions() const noexcept { return dropped_; }
  // The payloads of these files that stay are to be written anew.
  [[nodiscard]] bool evacuates(std::uint64_t blob_file) const noexcept {
    return evacuated_.contains(blob_file);
  }
  // The generation of the file that takes them.
  [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }
  // The blob files as they are after the merge, without those that nothing needs any more.
  [[nodiscard]] const std::vector<storage::BlobFileInfo>& blobs_left() const noexcept {
    return blobs_left_;
  }
  [[nodiscard]] const std::vector<std::uint64_t>& blobs_gone() const noexcept {
    return blobs_gone_;
  }

 private:
  struct BlobUse {
    std::uint64_t kept = 0;     // bytes of records that stay
    std::uint64_t dropped = 0;  // bytes of records that go
  };
  // Follows the entries of one table, newest first within a key.
  class KeyWalk {
   public:
    // Whether the entry is hidden by a newer one that every reader meets.
    bool is_hidden(std::string_view user_key, CommitNumber commit, bool seals);
    [[nodiscard]] bool is_first() const noexcept { return first_; }

   private:
    std::string key_;
    bool sealed_ = false;
    bool first_ = false;
  };

  [[nodiscard]] Status plan_keys(const storage::RunSet& runs);
  bool keeps_version(std::string_view user_key, CommitNumber commit, std::string_view value);
  [[nodiscard]] bool is_dead(std::uint64_t id) const noexcept;
  [[nodiscard]] bool is_erased(std::uint64_t id) const noexcept;
  [[nodiscard]] bool stands_at_dead(std::string_view user_key) const;

  const ReclaimScope scope_;
  KeyWalk walk_;
  VersionRecord record_;
  bool planning_ = false;
  bool current_erased_ = false;  // the memory whose versions are being looked at
  bool malformed_ = false;
  std::vector<std::uint64_t> dead_;    // forgotten for good, ascending
  std::vector<std::uint64_t> erased_;  // ascending
  std::unordered_set<CommitNumber> erased_commits_;
  std::unordered_set<std::string> vanishing_;  // keys
  std::uint64_t dropped_ = 0;
  std::map<std::uint64_t, BlobUse> uses_;  // by blob file
  std::unordered_set<std::uint64_t> evacuated_;
  std::uint32_t generation_ = 0;
  std::vector<storage::BlobFileInfo> blobs_left_;
  std::vector<std::uint64_t> blobs_gone_;
};

}  // namespace aeon::engine
