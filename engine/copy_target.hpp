// The directory of a copy while Palace::backup() makes it or brings it up to date.
//
// Problem: the copy must be a palace at every moment, whatever dies when, and the original must
// never see anything that is written to the copy. Our way: settled files are never changed once
// written, so the copy shares them by hard link (or has copies where the file system can't); log,
// manifest and control file are its own from the start:
//
//   new copy       files -> log with the tail of commits -> manifest (now it is a palace)
//   existing copy  files -> a place in its log -> manifest (now it has the new settled files)
//                  -> the tail of commits, appended to its log as any writer would
//
// The copy's log goes on where the new settled files end. Where those end before the copy's last
// commit the log holds that place already; else the log gets a new file, which is the next empty
// one to the old manifest and the first one to the new.
//
// What the copy holds must be a beginning of the palace's history. The commit chain tells: a copy
// that took a commit of its own has another chain from there on.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "engine/control.hpp"
#include "engine/copies.hpp"
#include "engine/engine_state.hpp"
#include "storage/manifest.hpp"
#include "wal/log_reader.hpp"
#include "wal/log_writer.hpp"

namespace aeon::engine {

// Where a copy's history ends.
struct CopyEnd {
  CommitNumber commit = 0;
  storage::Hash128 chain;
};

// Not thread-safe. Holds the copy's presence lock as long as it lives, so that nobody else opens
// the copy for writing; who reads it takes over what is published as from any other writer.
class CopyTarget {
 public:
  // The commits to be taken over, in order; nothing at the end.
  using Frames = std::function<Result<std::optional<wal::FrameView>>()>;

  // `source` is the palace's directory, `directory` the copy's: a new or empty one (its parent must
  // exist), one that an earlier call left half-made, or a copy of this palace. Errors:
  // already_exists (something else is there), invalid_argument (the same directory, or inside a
  // palace), busy (open in another process), foreign_file, those of opening a palace.
  [[nodiscard]] static Result<std::unique_ptr<CopyTarget>> open(storage::Os& os,
                                                                const std::string& source,
                                                                const std::string& directory,
                                                                storage::PalaceUuid palace);
  // What was not published is given up.
  ~CopyTarget();
  CopyTarget(const CopyTarget&) = delete;
  CopyTarget& operator=(const CopyTarget&) = delete;

  // The last commit of an existing copy.
  [[nodiscard]] const std::optional<CopyEnd>& end() const noexcept { return end_; }
  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

  // Brings the files that `state` names; may be called again with a newer state. `lenient` passes
  // over files that are gone meanwhile. Errors: missing_file, version_conflict (the copy has
  // another file of that number), disk_full and the like.
  [[nodiscard]] Status bring(const storage::ManifestState& state, bool lenient);
  // Makes the copy what `state` and the commits behind it say; all its files were brought.
  // `state`'s log places are replaced by the copy's. Durable on return.
  [[nodiscard]] Status publish(storage::ManifestState state, EngineState engine,
                               const Frames& frames);
  [[nodiscard]] const BackupReport& report() const noexcept { return report_; }

 private:
  CopyTarget(storage::Os& os, const std::string& source, std::string directory,
             storage::PalaceUuid palace);
  Status enter();
  Status enter_new(const std::vector<std::string>& names);
  Status enter_existing();
  Status bring_file(storage::FileKind kind, const storage::SegmentInfo& info, bool lenient);
  Status copy_file(const std::string& from, const std::string& to);
  Result<wal::LogPosition> place_in_log(const storage::ManifestState& state);
  Status append(const wal::LogPosition& from, const Frames& frames);
  Status close_log();
  Status remove_unnamed(const storage::ManifestState& state);
  [[nodiscard]] std::string path(std::string_view name) const {
    return directory_ + "/" + std::string(name);
  }

  storage::Os& os_;
  const std::string source_;
  const std::string directory_;
  const storage::PalaceUuid palace_;
  const wal::LogPlace log_place_;
  std::unique_ptr<Control> control_;
  std::optional<storage::Manifest> manifest_;  // of an existing copy
  std::optional<CopyEnd> end_;
  std::unique_ptr<wal::LogWriter> writer_;
  std::set<std::string> brought_;  // names that are right
  BackupReport report_;
  bool may_tidy_ = false;  // what is in the directory is known to be a copy's
};

}  // namespace aeon::engine
