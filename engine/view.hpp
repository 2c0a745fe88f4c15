// A view: the set of segments, blob files and tails that together hold everything up to now. It is
// immutable; a checkpoint, a compaction or a rotation publishes another one by swapping a pointer.
// Which commits of it a reader sees is arithmetic: see Reading.
//
// A view is held, not copied: one hold for being published and one for each snapshot; see
// storage/held_pointer.hpp.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/catalog.hpp"
#include "engine/record.hpp"
#include "engine/segment_view.hpp"
#include "engine/tail.hpp"
#include "engine/version_record.hpp"
#include "storage/blob_reader.hpp"
#include "storage/held_pointer.hpp"
#include "storage/manifest.hpp"
#include "storage/run_set.hpp"

namespace aeon::engine {

struct BlobFile {
  storage::BlobFileInfo info;
  std::shared_ptr<const storage::BlobReader> reader;
};

class View {
 public:
  // `segments` and `tails` oldest first; the last tail is the active one.
  View(std::vector<std::shared_ptr<const SegmentView>> segments,
       std::map<std::uint64_t, std::shared_ptr<const BlobFile>> blobs,
       std::vector<std::shared_ptr<Tail>> tails, CommitNumber settled);

  [[nodiscard]] std::span<const std::shared_ptr<const SegmentView>> segments() const noexcept {
    return segments_;
  }
  [[nodiscard]] const std::map<std::uint64_t, std::shared_ptr<const BlobFile>>& blobs()
      const noexcept {
    return blobs_;
  }
  [[nodiscard]] std::span<const std::shared_ptr<Tail>> tails() const noexcept { return tails_; }
  [[nodiscard]] Tail& active() const noexcept { return *tails_.back(); }
  [[nodiscard]] const storage::RunSet& runs() const noexcept { return runs_; }
  // Reads before this commit may miss what merges left out.
  [[nodiscard]] CommitNumber horizon() const noexcept { return horizon_; }
  // Segments hold everything up to this commit.
  [[nodiscard]] CommitNumber settled() const noexcept { return settled_; }

  [[nodiscard]] const storage::HoldCount& holds() const noexcept { return holds_; }

 private:
  std::vector<std::shared_ptr<const SegmentView>> segments_;
  std::map<std::uint64_t, std::shared_ptr<const BlobFile>> blobs_;
  std::vector<std::shared_ptr<Tail>> tails_;
  storage::RunSet runs_;
  const CommitNumber settled_;
  CommitNumber horizon_ = 0;
  storage::HoldCount holds_;
};

// One instant: a view and a commit number. Reads through it are wait-free and thread-safe as long
// as the caller keeps the view alive.
struct Reading {
  const View& view;
  const Catalog& catalog;
  CommitNumber commit;
  // Memories that expired by then are not visible. kBeginningOfTime: none did.
  TimeNs now = kBeginningOfTime;

  [[nodiscard]] bool has_expired(const VersionRecord& record) const noexcept {
    return now != kBeginningOfTime && record.expires <= now;
  }

  // The newest value of a key (without commit suffix) at this instant, or nullopt.
  [[nodiscard]] Result<std::optional<storage::RunSet::Found>> find(
      std::string_view key, storage::LookupScratch& scratch) const {
    return view.runs().newest(key, commit, scratch);
  }
  // The commit that ended a row at or before this instant, or 0.
  [[nodiscard]] CommitNumber ended_at(std::uint32_t space, std::uint32_t node,
                                      bool& damaged) const noexcept;

  // Whether metadata, session and kind of every memory are known to be among its terms
  // (words/field_terms.hpp). Not where the page that says so is damaged: memories are asked then.
  [[nodiscard]] Result<bool> fields_are_indexed() const;
  // The visible documents of a tenant (words/document.hpp) that have words, and those.
  [[nodiscard]] Result<WordCounts> word_counts(std::uint32_t tenant) const;
  // The number of a name, or 0 when it has none at this instant.
  [[nodiscard]] Result<std::uint32_t> number_of(NameClass kind, std::uint32_t parent,
                                                std::string_view name) const;
  // The name behind a number; empty for 0.
  [[nodiscard]] Result<std::string> name_of(NameClass kind, std::uint32_t number) const;
  // The tenant's number; "" is the default tenant. Errors: unknown_tenant.
  [[nodiscard]] Result<std::uint32_t> tenant_number(std::string_view name) const;

  // A visible memory's record and version. Views point into the view's memory. Errors: unknown_id.
  struct Version {
    VersionRecord record;
    CommitNumber commit = 0;
  };
  [[nodiscard]] Status find_version(MemoryId id, Version& version) const;
  // The same without an error for what is not visible: false then.
  [[nodiscard]] Result<bool> try_version(MemoryId id, Version& version) const;
  // The file of a blob. Errors: damaged when the view has none.
  [[nodiscard]] Result<const BlobFile*> blob_file(const storage::BlobRef& blob) const;
  // The whole content of a version.
  [[nodiscard]] Status read_content(const VersionRecord& record, std::string& content) const;
  // The same in place; nothing when it is compressed.
  [[nodiscard]] Result<std::optional<std::string_view>> view_content(
      const VersionRecord& record) const;
  // The id that holds a unique key, or 0.
  [[nodiscard]] Result<MemoryId> key_owner(std::uint32_t tenant, std::string_view key) const;
};

}  // namespace aeon::engine
