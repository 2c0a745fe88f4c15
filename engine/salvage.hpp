// What can still be read of a damaged palace, as one view: the files that the newest readable
// manifest record names, or else those that are there, with what the log holds on top of them.
// Nothing is written. Reads through the view meet the damage that is left, page by page.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/copies.hpp"
#include "engine/view.hpp"
#include "storage/manifest.hpp"
#include "wal/log_salvage.hpp"

namespace aeon::engine {

class Salvage {
 public:
  // Errors: not_a_palace (nothing there tells which palace it is), newer_format, those of reading
  // the directory.
  [[nodiscard]] static Result<std::unique_ptr<Salvage>> open(storage::Os& os,
                                                             const std::string& directory);

  // Everything at its newest.
  [[nodiscard]] Reading reading() const { return {*view_, catalog_, UINT64_MAX}; }
  [[nodiscard]] std::uint32_t spaces() const noexcept { return catalog_.count(); }
  // No memory that was ever there has this id or a higher one, as far as can be told.
  [[nodiscard]] MemoryId next_id() const noexcept { return next_id_; }
  // The stored vector of a version, also where the indexes that lead to it are damaged.
  [[nodiscard]] Status read_row(RowName name, std::uint32_t tenant, CommitNumber version,
                                MemoryId id, std::span<float> values);

  // What is lost, as far as it is known without reading everything; more may be added.
  std::vector<Damage> losses;
  void lose(std::string file, std::uint64_t offset, std::uint64_t bytes, std::string what);

 private:
  Salvage(storage::Os& os, const std::string& directory) : os_(os), directory_(directory) {}
  Status find_palace();
  Status choose_files();
  void choose_by_heads(const std::vector<std::string>& names);
  void open_segments();
  void open_blobs();
  void load_spaces();
  Status read_logs();
  void note_gaps(CommitNumber highest);
  [[nodiscard]] CommitNumber written_once() const;
  Status build_view();
  void make_space(std::uint32_t number);
  std::string fitted(const wal::SalvagedFrame& frame);
  Result<CommitNumber> apply_all(const std::set<CommitNumber>& left_out);
  void index_rows();

  struct Candidate {
    std::uint64_t number = 0;
    std::optional<storage::SegmentInfo> named;  // by the manifest
  };
  storage::Os& os_;
  const std::string directory_;
  storage::PalaceUuid palace_;
  std::optional<storage::ManifestState> state_;
  std::vector<Candidate> segment_files_;
  std::vector<std::uint64_t> blob_files_;
  std::vector<std::shared_ptr<const SegmentView>> segments_;  // oldest first
  std::map<std::uint64_t, std::shared_ptr<const BlobFile>> blobs_;
  std::vector<wal::SalvagedFrame> frames_;  // by commit, of commits that no segment holds
  CommitNumber settled_ = 0;
  Catalog catalog_;
  std::unique_ptr<View> view_;
  MemoryId next_id_ = 1;
  struct RowPlace {
    const PartitionView* partition = nullptr;
    std::uint32_t row = 0;
  };
  // By space, then memory and version; made when an index fails for the first time.
  std::map<std::uint32_t, std::map<std::pair<MemoryId, CommitNumber>, RowPlace>> rows_;
  bool has_rows_ = false;
};

}  // namespace aeon::engine
