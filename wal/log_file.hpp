// The files of the log: making the next one, and what becomes of old ones.
//
// A log file is zero-filled (or taken over from an older log file) before its first frame, so that
// a sync of a frame changes no metadata and is one device write. It gets its name only when it is
// complete:
//
//   next-N   being made or taken over by the holder of the append lock
//   fill-N   being zero-filled by the holder of the upkeep lock
//   spare-N  complete and unused; whoever renames it owns it
//   log-N    in use: head synced, then renamed, then the directory synced
//
// So log-N always has a good head, and since the writer syncs log-(N-1) before it names log-N, the
// mere presence of log-N says that everything before its first commit is durable.
//
// One spare is kept back for forget and erase: when the disk is full an ordinary commit is refused
// while one that reclaims space may still open the last spare.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/os.hpp"
#include "storage/result.hpp"
#include "wal/frame.hpp"
#include "wal/log_position.hpp"

namespace aeon::wal {

inline constexpr std::uint64_t kFirstFileBytes = 256u << 10;
inline constexpr std::uint64_t kFileGrowth = 4;  // each file is this many times the one before
inline constexpr std::uint64_t kLargestFileBytes = 64u << 20;  // more only where one group needs it
inline constexpr std::size_t kSparesKept = 2;

// What a commit may use up when space is short.
enum class Urgency : std::uint8_t {
  ordinary,    // leaves the last spare alone
  reclaiming,  // forget, erase, close: may take it
};

// Which file may become the next log file.
enum class FileSource : std::uint8_t {
  any,
  fresh,  // one without stale bytes of an older log (erase wants this); never a spare
};

struct OpenLog {
  std::unique_ptr<storage::File> file;
  LogHead head;
  std::uint64_t end = 0;  // usable bytes: head.file_bytes, or the real size where that is less
};

[[nodiscard]] std::string log_path(const std::string& directory, std::uint64_t number);

// The size that should follow a file of `bytes` bytes.
[[nodiscard]] std::uint64_t next_file_bytes(std::uint64_t bytes) noexcept;

// Opens log-<number> and checks its head. Errors: missing_file (also when it is retired meanwhile),
// damaged, newer_format, foreign_file, io_error and the like.
[[nodiscard]] Result<OpenLog> open_log(storage::Os& os, const LogPlace& place, std::uint64_t number,
                                       storage::OpenMode mode);

// Numbers of the log files present, ascending.
[[nodiscard]] Result<std::vector<std::uint64_t>> list_logs(storage::Os& os,
                                                           const std::string& directory);

// A file secured to become log-<number>. Securing is where space is found, so it happens before
// anything else of a rotation and may fail without harm. Held by the append lock's holder only.
class NextLog {
 public:
  // Finds or makes a file of at least `need` bytes, at best `target`. Errors: disk_full when there
  // is no space (for ordinary: none but the spare that is kept back), and other errors of the
  // system; nothing is left behind.
  [[nodiscard]] static Result<NextLog> secure(storage::Os& os, const LogPlace& place,
                                              std::uint64_t number, std::uint64_t need,
                                              std::uint64_t target, Urgency urgency,
                                              FileSource source);
  // Writes and syncs the head, with file size and flags filled in, and renames the file into place.
  // The directory is not synced: no frame may be written before the caller has done so. On an error
  // log-<number> does not exist.
  [[nodiscard]] Result<OpenLog> install(LogHead head);
  // Makes the file a spare again (best effort), when the rotation is given up.
  void release();

 private:
  NextLog(storage::Os& os, LogPlace place, std::uint64_t number)
      : os_(&os), place_(std::move(place)), number_(number) {}
  [[nodiscard]] std::string path() const;
  Status find(std::uint64_t need, std::uint64_t target, Urgency urgency, FileSource source);
  Status make_reserve();
  Result<bool> claim_spare(std::uint64_t need, std::size_t leave);
  Status make(std::uint64_t bytes);

  storage::Os* os_;
  LogPlace place_;
  std::uint64_t number_;
  std::uint64_t bytes_ = 0;
  bool zero_filled_ = false;
  std::unique_ptr<storage::File> file_;
};

// Creates log-<number>, whose first frame will be `first_commit`, and a reserve spare; durable on
// return. For a new palace and for restoring one. The caller holds the append lock.
[[nodiscard]] Result<LogPosition> create_log(storage::Os& os, const LogPlace& place,
                                             std::uint64_t number, std::uint64_t first_commit,
                                             std::uint64_t epoch, const Hash128& chain);

// Gives up log-<number>, which the manifest no longer needs: it becomes a spare when `recyclable`,
// its size is worth keeping and a place is free, else it is unlinked. Not recyclable: a file that
// something else may still read by name or hard link, or whose bytes must go. Durable on return;
// succeeds when the file is gone already. The caller holds the upkeep lock.
[[nodiscard]] Status retire_log(storage::Os& os, const std::string& directory, std::uint64_t number,
                                bool recyclable);

// Sees to it that kSparesKept spares exist, zero-filling up to one of `bytes` bytes, so that the
// next rotation need not. The caller holds the upkeep lock. Errors: disk_full and the like.
[[nodiscard]] Status prepare_spare(storage::Os& os, const std::string& directory,
                                   std::uint64_t bytes);

// Unlinks all spares, which may hold stale bytes; durable on return. For erase. The caller holds
// the upkeep lock.
[[nodiscard]] Status discard_spares(storage::Os& os, const std::string& directory);

// Makes the next read of log-<first> and later files tell what the device holds: syncs them, then
// asks the kernel to forget its pages. A sync that failed before this process came may have left
// pages that look clean and are on no disk; building on them would lose synced commits later. For
// recovery, by whoever opens the palace first and holds the append lock. Errors: those of sync.
[[nodiscard]] Status distrust_cache(storage::Os& os, const std::string& directory,
                                    std::uint64_t first);

// Unlinks what a crash of a rotation left behind. The caller holds the append lock.
[[nodiscard]] Status remove_leftovers(storage::Os& os, const std::string& directory);
// Unlinks what a crash of prepare_spare() left behind. The caller holds the upkeep lock.
[[nodiscard]] Status remove_unfinished_spare(storage::Os& os, const std::string& directory);

}  // namespace aeon::wal
