#include "wal/frame.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>

#include <fmt/format.h>

#include "storage/codec.hpp"

namespace aeon::wal {

namespace {

std::uint64_t sum_of(const std::byte* bytes, std::size_t count, std::uint64_t file_salt,
                     std::uint64_t offset) noexcept {
  return storage::hash64(std::span(bytes, count), storage::place_seed(file_salt, offset));
}

std::unexpected<Error> bad_head(std::string_view path, std::string_view what) {
  return fail(Errc::damaged,
              fmt::format("{}: {}; restore this file from a copy or run repair", path, what));
}

}  // namespace

void encode_head(const LogHead& head, std::span<std::byte, storage::kPageBytes> page) noexcept {
  LogHead filled = head;
  filled.magic = kHeadMagic;
  filled.version = storage::kFormatVersion;
  const auto bytes = std::as_bytes(std::span(&filled, 1));
  filled.head_sum = sum_of(bytes.data(), offsetof(LogHead, head_sum), filled.file_salt, 0);
  std::ranges::fill(page, std::byte{0});
  std::ranges::copy(bytes, page.begin());
}

Result<LogHead> decode_head(std::span<const std::byte> bytes, std::string_view path,
                            storage::PalaceUuid palace, std::uint64_t number) {
  if (bytes.size() < kHeadBytes) return bad_head(path, "too short for the head of a log file");
  const auto head = storage::load<LogHead>(bytes.data());
  if (head.magic != kHeadMagic) return bad_head(path, "not a log file (wrong magic)");
  if (head.head_sum != sum_of(bytes.data(), offsetof(LogHead, head_sum), head.file_salt, 0)) {
    return bad_head(path, "the head of the log file does not match its checksum");
  }
  if (head.version > storage::kFormatVersion || (head.flags & ~kHeadZeroFilled) != 0) {
    return fail(Errc::newer_format,
                fmt::format("{}: written by a newer version of Aeon (format {}); use that version",
                            path, head.version));
  }
  if (!(head.palace == palace)) {
    return fail(Errc::foreign_file, fmt::format("{}: belongs to another palace", path));
  }
  if (head.version == 0 || head.number != number || head.file_salt == 0 || head.first_commit == 0 ||
      head.file_bytes % kBoundary != 0 || head.file_bytes < kFirstFrameOffset) {
    return bad_head(path, "the head of the log file contradicts its name or itself");
  }
  return head;
}

FrameHeader make_frame_header(FrameKind kind, const CommitHeader& header, std::uint64_t durable,
                              std::uint64_t file_salt, std::uint64_t offset) noexcept {
  assert(offset >= kFirstFrameOffset && offset % kFrameAlignment == 0);
  assert(header.payload_bytes <= kMaxPayloadBytes);
  FrameHeader frame;
  frame.kind = static_cast<std::uint16_t>(kind);
  frame.payload_bytes = header.payload_bytes;
  frame.commit = header.commit;
  frame.epoch = header.epoch;
  frame.time_ns = header.time_ns;
  frame.author = header.author;
  frame.kinds = header.kinds;
  frame.operations = header.operations;
  frame.payload_salt = header.payload_salt;
  frame.payload_digest = header.payload_digest;
  frame.chain = header.chain;
  frame.durable = durable;
  frame.frame_sum = sum_of(std::as_bytes(std::span(&frame, 1)).data(),
                           offsetof(FrameHeader, frame_sum), file_salt, offset);
  return frame;
}

bool frame_header_verifies(const std::byte* bytes, std::uint64_t file_salt,
                           std::uint64_t offset) noexcept {
  if (storage::load<std::uint32_t>(bytes) != kFrameMagic) return false;
  return storage::load<std::uint64_t>(bytes + offsetof(FrameHeader, frame_sum)) ==
         sum_of(bytes, offsetof(FrameHeader, frame_sum), file_salt, offset);
}

CommitHeader commit_header_of(const FrameHeader& frame) noexcept {
  CommitHeader header;
  header.commit = frame.commit;
  header.epoch = frame.epoch;
  header.time_ns = frame.time_ns;
  header.author = frame.author;
  header.kinds = frame.kinds;
  header.operations = frame.operations;
  header.payload_bytes = frame.payload_bytes;
  header.payload_salt = frame.payload_salt;
  header.payload_digest = frame.payload_digest;
  header.chain = frame.chain;
  return header;
}

}  // namespace aeon::wal
