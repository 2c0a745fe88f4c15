#include "wal/log_reader.hpp"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "storage/codec.hpp"

namespace aeon::wal {

using storage::OpenMode;
using storage::Os;

Result<LogPosition> LogReader::start_of(Os& os, const LogPlace& place, std::uint64_t number) {
  AEON_ASSIGN(const OpenLog log, open_log(os, place, number, OpenMode::read));
  return LogPosition{number, log.head.file_salt, kFirstFrameOffset, log.head.first_commit,
                     log.head.chain};
}

Result<std::unique_ptr<LogReader>> LogReader::open(Os& os, LogPlace place,
                                                   const LogPosition& from) {
  AEON_ASSIGN(OpenLog log, open_log(os, place, from.log, OpenMode::read));
  const std::string path = log_path(place.directory, from.log);
  if (from.file_salt != 0 && from.file_salt != log.head.file_salt) {
    return fail(Errc::too_old,
                fmt::format("{}: recycled since; start from the newest manifest", path));
  }
  if (from.offset < kFirstFrameOffset || from.offset % kFrameAlignment != 0 ||
      from.offset > log.head.file_bytes || from.next_commit < log.head.first_commit) {
    return fail(Errc::damaged,
                fmt::format("{}: offset {} before commit {} is no place in this file; run repair",
                            path, from.offset, from.next_commit));
  }
  return std::unique_ptr<LogReader>(new LogReader(os, std::move(place), from, std::move(log)));
}

LogReader::LogReader(Os& os, LogPlace place, const LogPosition& from, OpenLog log)
    : os_(os), place_(std::move(place)), position_(from), log_(std::move(log)) {
  position_.file_salt = log_.head.file_salt;
}

Result<std::optional<FrameView>> LogReader::next(std::uint64_t last_commit) {
  if (position_.next_commit > last_commit) return std::optional<FrameView>();
  AEON_ASSIGN(std::optional<FrameView> frame, read_frame());
  if (frame) return frame;
  // What the buffer held may be from before the frame was written.
  forget_buffer();
  AEON_ASSIGN(frame, read_frame());
  if (!frame) {
    AEON_ASSIGN(frame, cross_or_end());
  }
  if (!frame) forget_buffer();
  return frame;
}

// The frame at the position or at the next boundary, if one of them holds it.
Result<std::optional<FrameView>> LogReader::read_frame() {
  AEON_ASSIGN(std::optional<FrameView> frame, frame_at(position_.offset));
  const std::uint64_t boundary = align_up(position_.offset, kBoundary);
  if (!frame && boundary != position_.offset) {
    AEON_ASSIGN(frame, frame_at(boundary));
  }
  if (!frame) return frame;
  position_.offset = frame->offset + frame_bytes(frame->payload.size());
  known_durable_ = std::max(known_durable_, frame->durable);
  after_close_ = frame->kind == FrameKind::close;
  if (!after_close_) {
    position_.next_commit = frame->header.commit + 1;
    position_.chain = frame->header.chain;
  }
  return frame;
}

Result<std::optional<FrameView>> LogReader::frame_at(std::uint64_t offset) {
  if (offset + kFrameHeaderBytes > log_.end) return std::optional<FrameView>();
  AEON_ASSIGN(const auto head_bytes, view(offset, kFrameHeaderBytes));
  if (head_bytes.size() < kFrameHeaderBytes ||
      !frame_header_verifies(head_bytes.data(), log_.head.file_salt, offset)) {
    return std::optional<FrameView>();
  }
  const auto frame = storage::load<FrameHeader>(head_bytes.data());
  if (frame.version > storage::kFormatVersion || frame.flags != 0) {
    return fail(Errc::newer_format,
                fmt::format("{} offset {}: written by a newer version of Aeon; use that version",
                            log_path(place_.directory, position_.log), offset));
  }
  // The length is only believed once it is known to lie within the file.
  if (!fits_here(frame) || frame.payload_bytes > kMaxPayloadBytes ||
      offset + frame_bytes(frame.payload_bytes) > log_.end) {
    return std::optional<FrameView>();
  }
  AEON_ASSIGN(const auto bytes, view(offset, kFrameHeaderBytes + frame.payload_bytes));
  if (bytes.size() < kFrameHeaderBytes + frame.payload_bytes) return std::optional<FrameView>();
  const auto payload = bytes.subspan(kFrameHeaderBytes);
  if (payload_digest(payload, frame.payload_salt) != frame.payload_digest) {
    return std::optional<FrameView>();
  }
  return FrameView{static_cast<FrameKind>(frame.kind),
                   commit_header_of(frame),
                   payload,
                   frame.durable,
                   position_.log,
                   offset};
}

bool LogReader::fits_here(const FrameHeader& frame) const noexcept {
  switch (static_cast<FrameKind>(frame.kind)) {
    case FrameKind::commit:
      return frame.commit == position_.next_commit &&
             follows(position_.chain, commit_header_of(frame));
    case FrameKind::close:
      return frame.commit + 1 == position_.next_commit && frame.chain == position_.chain;
  }
  return false;
}

// [offset, offset + count) of the file, less where it ends before. Valid until the next call.
Result<std::span<const std::byte>> LogReader::view(std::uint64_t offset, std::uint64_t count) {
  const bool inside = offset >= buffer_offset_ && offset + count <= buffer_offset_ + buffered_;
  if (!inside) {
    const std::uint64_t want =
        std::min(std::max<std::uint64_t>(count, kReadBytes), log_.end - offset);
    if (buffer_.size() < want) buffer_.resize(want);
    buffered_ = 0;
    AEON_ASSIGN(buffered_, log_.file->read_at(std::span(buffer_).first(want), offset));
    buffer_offset_ = offset;
  }
  const std::uint64_t skip = offset - buffer_offset_;
  const std::uint64_t have = buffered_ - std::min<std::uint64_t>(buffered_, skip);
  return std::span<const std::byte>(buffer_).subspan(skip, std::min(count, have));
}

// Nothing more in this file: either the next file goes on from here, or this is the end for now.
Result<std::optional<FrameView>> LogReader::cross_or_end() {
  const std::uint64_t following = position_.log + 1;
  if (os_.exists(log_path(place_.directory, following))) {
    auto next_log = open_log(os_, place_, following, OpenMode::read);
    // A bad head is examine_end()'s to report; a failure to read is not.
    if (!next_log && next_log.error().code != Errc::damaged &&
        next_log.error().code != Errc::missing_file) {
      return std::unexpected(std::move(next_log).error());
    }
    // Since the next file is there this one is complete, and may have got frames since we looked.
    forget_buffer();
    AEON_ASSIGN(std::optional<FrameView> frame, read_frame());
    if (frame) return frame;
    if (next_log && next_log->head.first_commit == position_.next_commit &&
        next_log->head.chain == position_.chain) {
      move_to(std::move(*next_log));
      return next();
    }
  }
  AEON_ASSIGN(recycled_, was_recycled());
  return std::optional<FrameView>();
}

Result<bool> LogReader::was_recycled() {
  std::byte salt[sizeof(std::uint64_t)];
  AEON_ASSIGN(const std::size_t got, log_.file->read_at(salt, offsetof(LogHead, file_salt)));
  const bool other =
      got == sizeof salt && storage::load<std::uint64_t>(salt) != log_.head.file_salt;
  return other || !os_.exists(log_path(place_.directory, position_.log));
}

void LogReader::move_to(OpenLog log) {
  log_ = std::move(log);
  position_.log = log_.head.number;
  position_.file_salt = log_.head.file_salt;
  position_.offset = kFirstFrameOffset;
  after_close_ = false;
  forget_buffer();
}

Result<LogEnd> LogReader::examine_end() {
  AEON_ASSIGN(recycled_, was_recycled());
  LogEnd end{LogEndKind::recycled, position_, 0, 0, 0, 0, {}};
  if (recycled_) return end;
  forget_buffer();
  AEON_ASSIGN(const TailScan tail, scan_tail(log_, position_.offset));
  AEON_ASSIGN(end, examine_later_files());
  if (end.kind != LogEndKind::damaged) end = describe(tail);
  if (end.kind == LogEndKind::clean_close || end.kind == LogEndKind::end_of_log) return end;
  // Under a live writer the hole may have been filled while we looked behind it.
  const LogPosition before = position_;
  const bool after_close = after_close_;
  AEON_ASSIGN(const std::optional<FrameView> frame, read_frame());
  forget_buffer();
  if (!frame) return end;
  position_ = before;
  after_close_ = after_close;
  return LogEnd{LogEndKind::end_of_log, position_, 0, 0, 0, 0, {}};
}

// damaged when later files say that commits are missing here, else whatever.
Result<LogEnd> LogReader::examine_later_files() {
  AEON_ASSIGN(const auto numbers, list_logs(os_, place_.directory));
  const auto later = std::ranges::upper_bound(numbers, position_.log);
  if (later == numbers.end()) return LogEnd{};
  const std::string path = log_path(place_.directory, position_.log + 1);
  if (*later != position_.log + 1) return missing(0, fmt::format("{} does not exist", path));
  auto next_log = open_log(os_, place_, *later, OpenMode::read);
  if (!next_log && next_log.error().code == Errc::damaged) {
    return missing(0, next_log.error().message);
  }
  if (!next_log) return std::unexpected(std::move(next_log).error());
  const LogHead& head = next_log->head;
  if (head.first_commit == position_.next_commit && head.chain == position_.chain) return LogEnd{};
  const std::uint64_t last = std::max(head.first_commit, position_.next_commit + 1) - 1;
  return missing(last, fmt::format("{} begins with commit {}", path, head.first_commit));
}

LogEnd LogReader::missing(std::uint64_t last, std::string why) const {
  const std::string range = last == 0 ? fmt::format("{} and later", position_.next_commit)
                                      : fmt::format("{} to {}", position_.next_commit, last);
  return LogEnd{
      LogEndKind::damaged,
      position_,
      0,
      0,
      position_.next_commit,
      last,
      fmt::format("{} offset {}: acknowledged commits {} are damaged or missing ({}); "
                  "restore the file from a copy or run repair",
                  log_path(place_.directory, position_.log), position_.offset, range, why)};
}

LogEnd LogReader::describe(const TailScan& tail) const {
  if (tail.max_durable >= position_.next_commit) {
    return missing(tail.max_durable,
                   fmt::format("the frame at offset {} follows them", tail.first_frame));
  }
  if (log_.end < log_.head.file_bytes) {
    return missing(0,
                   fmt::format("the file ends at {} of {} bytes", log_.end, log_.head.file_bytes));
  }
  LogEnd end{
      after_close_ ? LogEndKind::clean_close : LogEndKind::end_of_log, position_, 0, 0, 0, 0, {}};
  std::uint64_t from = tail.frames != 0 ? tail.first_frame : UINT64_MAX;
  std::uint64_t to = tail.frames_end;
  if ((log_.head.flags & kHeadZeroFilled) != 0 && tail.nonzero_to != 0) {
    from = std::min(from, tail.nonzero_from);
    to = std::max(to, tail.nonzero_to);
  }
  if (to == 0) return end;
  end.kind = LogEndKind::torn;
  end.cut_offset = from;
  end.bytes_cut = to - from;
  return end;
}

}  // namespace aeon::wal
