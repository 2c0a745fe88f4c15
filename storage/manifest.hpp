// The manifest: which files make up the palace now.
//
// Problem: the set of settled files changes while processes read and may die at any moment, and
// the change must be all or nothing. Our way: a small file, manifest-N, of checksummed records of
// which each holds the whole state, so the last valid record wins and nothing is replayed. Records
// are chained by hash and start on pages of their own, so an append never rewrites a sector that an
// earlier record needs:
//
//   manifest-000007   | head | record 12 | record 13 ......... | record 14 |
//                       page   page        two pages             <- the state
//
// A file that grew is replaced whole: manifest.new is written, synced and renamed to the next
// number, the directory is synced, the old file is unlinked. Since the rename follows the sync, a
// manifest-N whose head or first record does not verify is damaged, never half-written.
//
// An append that died leaves bytes behind the last record that no sum accepts: a torn tail. Reading
// ignores and reports it; the next append does not write over it but replaces the file. Bytes that
// do not verify *before* a valid record are damage, and nothing is guessed.
//
// After a failed sync the kernel may show bytes that are not on disk, and a renamed file may be
// seen before its name is durable. So a process appends only behind a record that it synced itself,
// and otherwise (after an open, after another process appended) it replaces the file, too. What it
// builds on is then as durable as what it adds, and no acknowledged sector is written twice.
//
// Limits: one record holds at most 64 MiB. Byte tables: format.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/file_identity.hpp"
#include "storage/os.hpp"
#include "storage/result.hpp"
#include "storage/segment.hpp"

namespace aeon::storage {

struct BlobFileInfo {
  SegmentInfo file;
  std::uint32_t generation = 0;
  std::uint64_t live_bytes = 0;
  friend bool operator==(const BlobFileInfo&, const BlobFileInfo&) = default;
};

struct ManifestState {
  PalaceUuid palace;
  std::uint64_t sequence = 0;  // counts records since the palace was created; set by append
  std::uint64_t epoch = 0;
  std::uint64_t settled_commit = 0;  // commits up to this one are in segments
  Hash128 settled_chain;             // the commit chain's hash at settled_commit
  std::uint64_t first_log = 0;       // the oldest log file that is still needed
  std::uint64_t next_file = 1;       // the next unused file number
  std::int64_t created_ns = 0;
  std::vector<SegmentInfo> segments;  // ordered by first_commit
  std::vector<BlobFileInfo> blobs;
  std::string engine_state;  // opaque bytes of the floor above
  friend bool operator==(const ManifestState&, const ManifestState&) = default;
};

// Names one record, so that a closing frame of the log can say which one was last.
struct ManifestPosition {
  std::uint64_t file_number = 0;
  std::uint64_t records = 0;  // in that file
  Hash128 chain;
  friend bool operator==(const ManifestPosition&, const ManifestPosition&) = default;
};

// Bytes behind the last valid record that open or refresh did not believe. bytes == 0: none. To a
// reader without the lock this may also be an append that is under way.
struct RecoveryNote {
  std::uint64_t bytes = 0;
  std::string path;
  std::uint64_t offset = 0;
};

// Not thread-safe. Whoever creates or appends holds a lock that keeps all other processes from
// doing so; reading needs none.
class Manifest {
 public:
  // Writes manifest-000001 with `first` as record 1, durable on return. Errors: already_exists,
  // invalid_argument (no palace uuid), too_large, disk_full, io_error.
  [[nodiscard]] static Result<Manifest> create(Os& os, const std::string& directory,
                                               ManifestState first);
  // Reads the newest manifest. Never writes. Errors: not_a_palace, newer_format, damaged,
  // io_error, no_permission.
  [[nodiscard]] static Result<Manifest> open(Os& os, const std::string& directory, bool read_only);

  [[nodiscard]] const ManifestState& state() const noexcept { return state_; }
  [[nodiscard]] const ManifestPosition& position() const noexcept { return position_; }
  [[nodiscard]] const RecoveryNote& recovery_note() const noexcept { return note_; }

  // Makes `next` the state (its sequence is set here): durable on return. Errors: version_conflict
  // when another process appended since the last refresh (which this call then has made: state()
  // is the newer one); read_only; too_large; disk_full, after which the call may be repeated. Any
  // other error leaves it open whether `next` will be the state after a reopen, and every further
  // append answers read_only.
  [[nodiscard]] Status append(ManifestState next);

  // On return state() survives power loss, whoever wrote it: another process may have died before
  // its sync, or the sync may have failed. Before anything that only state() allows is given up,
  // and before anything durable names it. Under the lock. Errors: disk_full, after which the call
  // may be repeated; any other ends appending.
  [[nodiscard]] Status make_durable();

  // Adopts what other processes appended; true when the state changed. After an error the state is
  // the one before.
  [[nodiscard]] Result<bool> refresh();

 private:
  struct Loaded;
  Manifest(Os& os, std::string directory, bool read_only)
      : os_(&os), directory_(std::move(directory)), read_only_(read_only) {}

  [[nodiscard]] std::string path_of(std::uint64_t number) const;
  [[nodiscard]] Result<std::vector<std::uint64_t>> list_numbers() const;
  [[nodiscard]] Result<Loaded> load_newest(bool distrust_cache) const;
  [[nodiscard]] Result<Loaded> load(std::uint64_t number, bool distrust_cache) const;
  [[nodiscard]] Status load_records(Loaded& loaded) const;
  [[nodiscard]] bool moved_to_new_file() const;
  bool adopt(Loaded loaded);
  [[nodiscard]] Status append_in_place(const ManifestState& next, std::string_view record);
  [[nodiscard]] Status replace(const ManifestState& next);
  [[nodiscard]] Result<std::unique_ptr<File>> write_new_file(const std::string& path,
                                                             std::uint64_t number,
                                                             const ManifestState& next,
                                                             std::string_view record);
  [[nodiscard]] std::unexpected<Error> poison(Error error);
  void unlink_older(std::uint64_t number);

  Os* os_;
  std::string directory_;
  bool read_only_;
  std::shared_ptr<File> file_;  // shared with what is being loaded
  ManifestState state_;
  ManifestPosition position_;
  std::uint64_t end_ = 0;  // file offset behind the last valid record
  bool ours_ = false;      // this object wrote and synced the last record and the file's name
  bool durable_ = false;   // the last record was found on the device, the file's name synced
  RecoveryNote note_;
  std::string poison_;  // why no append is possible any more; empty: it is
};

}  // namespace aeon::storage
