#include "wal/log_writer.hpp"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "storage/codec.hpp"

namespace aeon::wal {

using storage::OpenMode;
using storage::Os;

namespace {

constexpr std::size_t kGroupBytesKept = 4u << 20;  // a larger buffer is given back after its group
constexpr std::size_t kZeroBytes = 64u << 10;

Status refuse_end(const LogEnd& end) {
  if (end.kind == LogEndKind::damaged) return fail(Errc::damaged, end.message);
  if (end.kind == LogEndKind::recycled) {
    return fail(Errc::too_old, "the log file was recycled; start from the newest manifest");
  }
  return {};
}

// Whoever made the file may have died between naming it and syncing the directory. Once it holds a
// frame that was done.
Status settle_name(Os& os, const LogPlace& place, const LogPosition& position) {
  if (position.offset != kFirstFrameOffset) return {};
  return os.sync_directory(place.directory);
}

}  // namespace

PreparedCommit PreparedCommit::prepare(std::span<const std::byte> payload, std::uint64_t salt,
                                       std::int64_t time_ns, std::uint64_t author,
                                       std::uint32_t kinds, std::uint32_t operations) noexcept {
  PreparedCommit commit;
  commit.payload = payload;
  commit.header.time_ns = time_ns;
  commit.header.author = author;
  commit.header.kinds = kinds;
  commit.header.operations = operations;
  commit.header.payload_bytes =
      static_cast<std::uint32_t>(std::min<std::size_t>(payload.size(), UINT32_MAX));
  commit.header.payload_salt = salt;
  commit.header.payload_digest = payload_digest(payload, salt);
  return commit;
}

Result<std::unique_ptr<LogWriter>> LogWriter::open(Os& os, LogPlace place, const LogEnd& end) {
  AEON_TRY(refuse_end(end));
  AEON_TRY(remove_leftovers(os, place.directory));
  AEON_ASSIGN(OpenLog log, open_log(os, place, end.position.log, OpenMode::read_write));
  if (log.head.file_salt != end.position.file_salt) {
    return fail(Errc::too_old, fmt::format("{}: recycled since; start from the newest manifest",
                                           log_path(place.directory, end.position.log)));
  }
  AEON_TRY(settle_name(os, place, end.position));
  std::unique_ptr<LogWriter> writer(
      new LogWriter(os, std::move(place), end.position, std::move(log)));
  if (end.kind == LogEndKind::torn) AEON_TRY(writer->cut(end.cut_offset, end.bytes_cut));
  return writer;
}

// What a reader found may be in the page cache only, so nothing of this file counts as durable.
LogWriter::LogWriter(Os& os, LogPlace place, const LogPosition& position, OpenLog log)
    : os_(os),
      place_(std::move(place)),
      position_(position),
      log_(std::move(log)),
      epoch_(log_.head.epoch),
      durable_(log_.head.first_commit - 1),
      unsynced_from_(position.offset) {}

bool LogWriter::may_hold_stale_bytes() const noexcept {
  return (log_.head.flags & kHeadZeroFilled) == 0;
}

void LogWriter::set_epoch(std::uint64_t epoch) noexcept {
  assert(epoch >= epoch_);
  epoch_ = epoch;
}

std::uint64_t LogWriter::next_start() const noexcept {
  return fenced_ ? align_up(position_.offset, kBoundary) : position_.offset;
}

Status LogWriter::refuse_if_poisoned() const {
  if (!poison_) return {};
  return fail(Errc::read_only,
              fmt::format("the log takes no more writes since this failed: {}; reopen the palace",
                          poison_->message),
              poison_->os_errno);
}

Status LogWriter::poisoned_by(Error error) {
  poison_ = error;
  return std::unexpected(std::move(error));
}

Status LogWriter::append(std::span<PreparedCommit* const> group, Urgency urgency) {
  AEON_TRY(refuse_if_poisoned());
  std::uint64_t bytes = 0;
  for (const PreparedCommit* commit : group) {
    if (commit->payload.size() > kMaxPayloadBytes) {
      return fail(Errc::too_large,
                  fmt::format("a commit of {} bytes is over the limit of {}; put large values "
                              "into blobs or commit in parts",
                              commit->payload.size(), kMaxPayloadBytes));
    }
    bytes += frame_bytes(commit->payload.size());
  }
  if (group.empty()) return {};
  AEON_TRY(make_room(bytes, urgency));
  const std::uint64_t start = next_start();
  const LogPosition before = position_;
  group_.clear();
  group_.reserve(bytes);
  for (PreparedCommit* commit : group) {
    commit->header.commit = position_.next_commit;
    commit->header.epoch = epoch_;
    commit->header.chain = next_chain(position_.chain, commit->header);
    commit->log = position_.log;
    commit->offset = start + group_.size();
    lay_out(FrameKind::commit, commit->header, commit->payload, start);
    position_.chain = commit->header.chain;
    ++position_.next_commit;
  }
  Status written = write_group(start);
  if (!written) {
    position_ = before;
    return written;
  }
  counters_.commits += group.size();
  return {};
}

// Appends one frame to the group buffer, whose first byte goes to file offset `start`.
void LogWriter::lay_out(FrameKind kind, CommitHeader& header, std::span<const std::byte> payload,
                        std::uint64_t start) {
  const std::size_t at = group_.size();
  const FrameHeader frame =
      make_frame_header(kind, header, durable_, log_.head.file_salt, start + at);
  storage::Encoder encoder(group_);
  encoder.fixed(frame);
  encoder.raw(storage::as_view(payload));
  group_.resize(at + frame_bytes(payload.size()));
}

Status LogWriter::write_group(std::uint64_t start) {
  assert(start + group_.size() <= log_.end);
  unsynced_ = true;
  Status written = log_.file->write_at(storage::as_bytes(group_), start);
  if (!written) return poisoned_by(std::move(written).error());
  position_.offset = start + group_.size();
  fenced_ = false;
  ++counters_.groups;
  counters_.bytes += group_.size();
  if (group_.capacity() > kGroupBytesKept) std::string().swap(group_);
  return {};
}

void LogWriter::begin_sync() noexcept {
  if (!unsynced_ || poison_) return;
  log_.file->begin_sync(unsynced_from_, position_.offset - unsynced_from_);
}

Status LogWriter::sync() {
  AEON_TRY(refuse_if_poisoned());
  if (!unsynced_) return {};
  Status synced = log_.file->sync();
  ++counters_.syncs;
  if (!synced) return poisoned_by(std::move(synced).error());
  unsynced_ = false;
  unsynced_from_ = position_.offset;
  fenced_ = true;
  durable_ = last_commit();
  return {};
}

Status LogWriter::append_close(std::span<const std::byte> payload) {
  assert(payload.size() <= kMaxPayloadBytes);
  // First, so that the close frame itself says that everything before it is durable: whatever goes
  // missing later is known to have been acknowledged.
  AEON_TRY(sync());
  AEON_TRY(make_room(frame_bytes(payload.size()), Urgency::reclaiming));
  PreparedCommit close =
      PreparedCommit::prepare(payload, os_.random_u64(), os_.wall_time_ns(), 0, 0, 0);
  close.header.commit = last_commit();
  close.header.epoch = epoch_;
  close.header.chain = position_.chain;
  const std::uint64_t start = next_start();
  group_.clear();
  lay_out(FrameKind::close, close.header, payload, start);
  AEON_TRY(write_group(start));
  return sync();
}

Status LogWriter::make_room(std::uint64_t bytes, Urgency urgency) {
  if (next_start() + bytes <= log_.end) return {};
  return rotate_for(bytes, urgency, FileSource::any);
}

Status LogWriter::rotate(Urgency urgency, FileSource source) {
  AEON_TRY(refuse_if_poisoned());
  return rotate_for(0, urgency, source);
}

std::uint64_t LogWriter::next_file_bytes() const noexcept {
  return wal::next_file_bytes(log_.head.file_bytes);
}

Status LogWriter::rotate_for(std::uint64_t bytes, Urgency urgency, FileSource source) {
  auto next = NextLog::secure(os_, place_, position_.log + 1, kFirstFrameOffset + bytes,
                              next_file_bytes(), urgency, source);
  if (!next) {
    Error error = std::move(next).error();
    // A device that reports errors is not one to go on writing to.
    if (error.code == Errc::io_error) return poisoned_by(std::move(error));
    return std::unexpected(std::move(error));
  }
  Status synced = sync();
  if (!synced) {
    next->release();
    return synced;
  }
  return install(std::move(*next));
}

Status LogWriter::install(NextLog next) {
  LogHead head;
  head.number = position_.log + 1;
  head.file_salt = os_.random_u64() | 1;
  head.first_commit = position_.next_commit;
  head.epoch = epoch_;
  head.chain = position_.chain;
  head.created_ns = os_.wall_time_ns();
  auto installed = next.install(head);
  if (!installed) {
    Error error = std::move(installed).error();
    if (error.code == Errc::io_error) return poisoned_by(std::move(error));
    return std::unexpected(std::move(error));
  }
  // From here on the new name is there, durable or not, so there is no way back.
  Status synced = os_.sync_directory(place_.directory);
  if (!synced) return poisoned_by(std::move(synced).error());
  log_ = std::move(*installed);
  position_.log = head.number;
  position_.file_salt = head.file_salt;
  position_.offset = kFirstFrameOffset;
  unsynced_from_ = kFirstFrameOffset;
  ++counters_.rotations;
  return {};
}

// Zeros over every byte that could verify under this file's salt, durable before anything is
// appended: no later reader can take remains of a lost group for news.
Status LogWriter::cut(std::uint64_t offset, std::uint64_t bytes) {
  assert(offset >= position_.offset && offset + bytes <= log_.end);
  const std::vector<std::byte> zeros(std::min<std::uint64_t>(bytes, kZeroBytes));
  for (std::uint64_t done = 0; done < bytes; done += zeros.size()) {
    const auto piece = std::span(zeros).first(std::min<std::uint64_t>(zeros.size(), bytes - done));
    Status written = log_.file->write_at(piece, offset + done);
    if (!written) return poisoned_by(std::move(written).error());
  }
  unsynced_ = true;
  return sync();
}

Status LogWriter::skip_to(const LogPosition& position, std::uint64_t durable) {
  AEON_TRY(refuse_if_poisoned());
  if (position == position_) {
    note_durable(durable);
    return {};
  }
  assert(position.log >= position_.log && position.next_commit >= position_.next_commit);
  if (position.log != position_.log || position.file_salt != position_.file_salt) {
    AEON_ASSIGN(OpenLog log, open_log(os_, place_, position.log, OpenMode::read_write));
    if (log.head.file_salt != position.file_salt) {
      return fail(Errc::too_old, fmt::format("{}: recycled since; start from the newest manifest",
                                             log_path(place_.directory, position.log)));
    }
    AEON_TRY(settle_name(os_, place_, position));
    log_ = std::move(log);
    durable_ = std::max(durable_, log_.head.first_commit - 1);
    epoch_ = std::max(epoch_, log_.head.epoch);
  }
  position_ = position;
  unsynced_from_ = position.offset;
  fenced_ = true;  // the other process may have synced up to here
  unsynced_ = true;
  note_durable(durable);
  return {};
}

// Another process synced up to commit `durable`: where that is all there is, the sectors up to here
// are acknowledged.
void LogWriter::note_durable(std::uint64_t durable) noexcept {
  durable_ = std::max(durable_, std::min(durable, last_commit()));
  if (durable_ < last_commit()) return;
  fenced_ = true;
  unsynced_ = false;
}

Status LogWriter::skip_to(const LogEnd& end, std::uint64_t durable) {
  AEON_TRY(refuse_end(end));
  AEON_TRY(skip_to(end.position, durable));
  if (end.kind != LogEndKind::torn) return {};
  fenced_ = true;
  return cut(end.cut_offset, end.bytes_cut);
}

}  // namespace aeon::wal
