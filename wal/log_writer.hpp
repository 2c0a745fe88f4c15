// Appends groups of commits to the log.
//
// A group is one write; unsynced groups are packed one behind another, and after a sync the next
// group starts at the next 4 KiB boundary, so that no acknowledged sector is ever written again and
// a torn write cannot reach it. When a group does not fit in the file the whole group goes to the
// next one; the old file is synced before the new one gets its name, so the order of files is an
// order of durability.
//
// Failure has two shapes. A refusal (too_large, disk_full while space for the next file is sought)
// leaves everything as it was and the writer usable. Any failed write or sync of a log file poisons
// the writer for good: what the device holds is unknown then, the kernel may have dropped the
// pages, and a second sync would lie. A poisoned writer answers read_only with the first reason;
// the next open reads back what the device really kept.
//
// Between processes the append lock says whose turn it is (the engine holds it); skip_to() takes
// over where another process' writer stopped.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "storage/os.hpp"
#include "storage/result.hpp"
#include "wal/commit_header.hpp"
#include "wal/log_file.hpp"
#include "wal/log_position.hpp"
#include "wal/log_reader.hpp"

namespace aeon::wal {

// A commit on its way into the log. prepare() fills everything but number, epoch and chain, in the
// caller's thread; append() fills those and the place.
struct PreparedCommit {
  std::span<const std::byte> payload;  // must outlive append()
  CommitHeader header;
  std::uint64_t log = 0;
  std::uint64_t offset = 0;

  // `salt` is random. payload.size() may be above kMaxPayloadBytes; append() refuses it then.
  static PreparedCommit prepare(std::span<const std::byte> payload, std::uint64_t salt,
                                std::int64_t time_ns, std::uint64_t author, std::uint32_t kinds,
                                std::uint32_t operations) noexcept;
};

// Not thread-safe: one leader at a time. Between processes every call but the getters is made under
// the append lock, sync() too: a sector must not be written again while another syncs it.
class LogWriter {
 public:
  struct Counters {
    std::uint64_t commits = 0;
    std::uint64_t groups = 0;
    std::uint64_t bytes = 0;  // frames with their padding
    std::uint64_t syncs = 0;  // of log files, for commits
    std::uint64_t rotations = 0;
  };

  // A writer that goes on at `end`, which a reader's examine_end() returned. A torn tail is cut
  // durably before this returns: nothing of it verifies afterwards. Errors: damaged (the end is
  // damaged: nothing may be appended over missing commits), too_old (recycled), those of the
  // system. The caller holds the append lock.
  [[nodiscard]] static Result<std::unique_ptr<LogWriter>> open(storage::Os& os, LogPlace place,
                                                               const LogEnd& end);

  // Appends the group as commits position().next_commit and up, in the order given, and fills in
  // each one's header, log and offset. Survives the death of the process on return; power loss
  // only after sync(). Errors: too_large, disk_full and others while making the next file (nothing
  // happened, all commits are as before); io_error and the like (poisoned); read_only (poisoned
  // before).
  [[nodiscard]] Status append(std::span<PreparedCommit* const> group, Urgency urgency);

  // Lets the device begin with what sync() will wait for; there is time for other work meanwhile.
  void begin_sync() noexcept;

  // On success every commit appended so far, by this process or another, survives power loss.
  // Costs one fdatasync, or nothing when nothing was appended since the last. Errors: any failure
  // poisons.
  [[nodiscard]] Status sync();

  // Syncs, appends a close frame with `payload` and syncs again.
  [[nodiscard]] Status append_close(std::span<const std::byte> payload);

  // Starts the next log file now. With FileSource::fresh it holds no stale bytes; an error is a
  // refusal, as in append(). Everything before is durable on return.
  [[nodiscard]] Status rotate(Urgency urgency, FileSource source);

  // Goes on at `position`, to which this process' reader has caught up after another process
  // appended; `durable` is the highest commit known durable. Opens a file only when the log number
  // changed. For a clean handover; after the death of a writer use skip_to(LogEnd).
  [[nodiscard]] Status skip_to(const LogPosition& position, std::uint64_t durable);
  // The same with a torn tail cut first. Errors: as open().
  [[nodiscard]] Status skip_to(const LogEnd& end, std::uint64_t durable);

  // Behind the last frame. A reader that starts here reads the next frame.
  [[nodiscard]] const LogPosition& position() const noexcept { return position_; }
  [[nodiscard]] std::uint64_t last_commit() const noexcept { return position_.next_commit - 1; }
  [[nodiscard]] std::uint64_t durable_commit() const noexcept { return durable_; }
  // The size that the next log file should have.
  [[nodiscard]] std::uint64_t next_file_bytes() const noexcept;
  // Whether more than half of the current file is used.
  [[nodiscard]] bool past_half() const noexcept { return position_.offset > log_.end / 2; }
  // Whether the current file may hold bytes of an older log behind its frames.
  [[nodiscard]] bool may_hold_stale_bytes() const noexcept;
  // The error that poisoned this writer, if one did.
  [[nodiscard]] const std::optional<Error>& poison() const noexcept { return poison_; }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  // Goes into every later commit. Never lower than before.
  void set_epoch(std::uint64_t epoch) noexcept;

 private:
  LogWriter(storage::Os& os, LogPlace place, const LogPosition& position, OpenLog log);

  [[nodiscard]] std::uint64_t next_start() const noexcept;
  Status refuse_if_poisoned() const;
  Status poisoned_by(Error error);
  Status make_room(std::uint64_t bytes, Urgency urgency);
  Status rotate_for(std::uint64_t bytes, Urgency urgency, FileSource source);
  Status install(NextLog next);
  Status cut(std::uint64_t offset, std::uint64_t bytes);
  void note_durable(std::uint64_t durable) noexcept;
  void lay_out(FrameKind kind, CommitHeader& header, std::span<const std::byte> payload,
               std::uint64_t start);
  Status write_group(std::uint64_t start);

  storage::Os& os_;
  LogPlace place_;
  LogPosition position_;
  OpenLog log_;
  std::uint64_t epoch_ = 0;
  std::uint64_t durable_ = 0;
  std::uint64_t unsynced_from_;  // where this writer began to write after the last sync
  bool fenced_ = true;           // the next group starts at a boundary
  bool unsynced_ = true;         // the log may hold frames that power loss would take
  std::string group_;
  std::optional<Error> poison_;
  Counters counters_;
};

}  // namespace aeon::wal
