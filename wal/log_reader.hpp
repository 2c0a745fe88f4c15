// Reads commits from the log in their order: recovery reads to the end, a follower comes back for
// more, a replica's source stops where it is told. One code path for all three.
//
// A frame counts only if its header's sum fits its place in this file, its number is the next, its
// chain value follows the one before, and its payload fits its digest. Where the next frame is not
// found, next() has nothing (yet); whoever must know why asks examine_end(), which looks behind
// the hole:
//
//   frames ... | hole | nothing that verifies             -> end_of_log, clean_close or torn
//   frames ... | hole | a later frame knew the hole's
//                       commit durable, or log-(N+1)
//                       begins behind it                  -> damaged: acknowledged data is missing
//   frames ... | hole | only frames that did not          -> torn: power failed before a sync,
//                                                            nothing acknowledged is missing
//
// Limits: in a file taken over from an older log, bytes of a torn frame whose header is lost look
// like stale bytes and are not counted. Damage that blots out every later header of the last file
// looks like a torn tail, unless the log was closed and the caller knows that.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/os.hpp"
#include "storage/result.hpp"
#include "wal/commit_header.hpp"
#include "wal/frame.hpp"
#include "wal/log_file.hpp"
#include "wal/log_position.hpp"
#include "wal/tail_scan.hpp"

namespace aeon::wal {

// One frame; `payload` lives until the reader's next call.
struct FrameView {
  FrameKind kind = FrameKind::commit;
  CommitHeader header;  // of a close frame: the last commit and its chain value
  std::span<const std::byte> payload;
  std::uint64_t durable = 0;  // the highest commit that the writer knew durable then
  std::uint64_t log = 0;
  std::uint64_t offset = 0;
};

enum class LogEndKind : std::uint8_t {
  clean_close,  // the last frame is a close frame and nothing follows
  end_of_log,   // nothing follows
  torn,         // remains of unsynced frames follow; a writer cuts them
  damaged,      // acknowledged commits are missing
  recycled,     // the file is no longer what the position remembers: reload from the manifest
};

struct LogEnd {
  LogEndKind kind = LogEndKind::end_of_log;
  LogPosition position;  // behind the last good frame
  // torn: the range that a writer makes unreadable.
  std::uint64_t cut_offset = 0;
  std::uint64_t bytes_cut = 0;
  // damaged: what is missing (last 0: unknown) and a sentence naming file, offset and commits.
  std::uint64_t first_missing = 0;
  std::uint64_t last_missing = 0;
  std::string message;
};

// Not thread-safe. Memory: one buffer of kReadBytes, or of one frame where that is longer.
class LogReader {
 public:
  static constexpr std::size_t kReadBytes = 256u << 10;

  // The position before the first frame of log-<number>, from its head. Errors: as open().
  [[nodiscard]] static Result<LogPosition> start_of(storage::Os& os, const LogPlace& place,
                                                    std::uint64_t number);

  // A reader that goes on from `from`. Errors: missing_file, damaged (head, or a position outside
  // the file), too_old (the file was recycled since), newer_format, foreign_file, those of reading.
  [[nodiscard]] static Result<std::unique_ptr<LogReader>> open(storage::Os& os, LogPlace place,
                                                               const LogPosition& from);

  // The next frame, or nothing when there is none now or the next commit is above `last_commit`.
  // May be called again at any time; nothing is remembered of a place that had no frame. Crosses
  // to the next file by itself. Errors: newer_format, those of reading; the position stays.
  [[nodiscard]] Result<std::optional<FrameView>> next(std::uint64_t last_commit = UINT64_MAX);

  // Whether the last next() found that the file was retired or recycled under the reader.
  [[nodiscard]] bool recycled() const noexcept { return recycled_; }

  // Why next() has nothing: reads the rest of the file (64 MiB at most, in practice) and looks for
  // later files. For recovery, and for a follower that misses a commit known to be written. Under
  // a live writer the answer is a moment's: it may be end_of_log though next() would now have more.
  [[nodiscard]] Result<LogEnd> examine_end();

  // Behind the last frame returned.
  [[nodiscard]] const LogPosition& position() const noexcept { return position_; }
  // The highest commit that any frame read so far knew durable; 0 before the first.
  [[nodiscard]] std::uint64_t known_durable() const noexcept { return known_durable_; }

 private:
  LogReader(storage::Os& os, LogPlace place, const LogPosition& from, OpenLog log);

  Result<std::optional<FrameView>> read_frame();
  Result<std::optional<FrameView>> frame_at(std::uint64_t offset);
  Result<std::span<const std::byte>> view(std::uint64_t offset, std::uint64_t count);
  void forget_buffer() noexcept { buffered_ = 0; }
  [[nodiscard]] bool fits_here(const FrameHeader& frame) const noexcept;
  Result<std::optional<FrameView>> cross_or_end();
  Result<bool> was_recycled();
  void move_to(OpenLog log);
  Result<LogEnd> examine_later_files();
  LogEnd missing(std::uint64_t last, std::string why) const;
  LogEnd describe(const TailScan& tail) const;

  storage::Os& os_;
  LogPlace place_;
  LogPosition position_;
  OpenLog log_;
  std::vector<std::byte> buffer_;
  std::uint64_t buffer_offset_ = 0;
  std::size_t buffered_ = 0;
  std::uint64_t known_durable_ = 0;
  bool after_close_ = false;
  bool recycled_ = false;
};

}  // namespace aeon::wal
