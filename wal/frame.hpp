// The bytes of a log file: its head (page 0) and its frames. Byte tables and the reasons are in
// format.md; this is the codec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "storage/checksum.hpp"
#include "storage/file_identity.hpp"
#include "storage/result.hpp"
#include "wal/commit_header.hpp"

namespace aeon::wal {

inline constexpr std::uint64_t kHeadMagic = 0x31'676f'6c2d'6e6561ULL;  // "aen-log1" in the file
inline constexpr std::uint32_t kFrameMagic = 0x6d72'4661;              // "aFrm" in the file
inline constexpr std::uint64_t kBoundary = storage::kPageBytes;  // a group after a sync starts here
inline constexpr std::uint64_t kFirstFrameOffset = storage::kPageBytes;
inline constexpr std::uint64_t kFrameAlignment = 8;
// The longest payload of one commit. Larger things go to blob files, which commits name.
inline constexpr std::uint32_t kMaxPayloadBytes = 16u << 20;

[[nodiscard]] constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t to) noexcept {
  return (value + to - 1) & ~(to - 1);
}

// Bits of LogHead::flags. Unknown bits are refused as a newer format.
inline constexpr std::uint16_t kHeadZeroFilled = 1;  // no stale bytes: zero where never written

struct LogHead {
  std::uint64_t magic = kHeadMagic;
  std::uint16_t version = storage::kFormatVersion;
  std::uint16_t flags = 0;
  std::uint32_t reserved = 0;
  storage::PalaceUuid palace;
  std::uint64_t number = 0;        // N of log-N
  std::uint64_t file_salt = 0;     // random, never 0; seeds every frame's sum
  std::uint64_t file_bytes = 0;    // head included; a multiple of kBoundary
  std::uint64_t first_commit = 0;  // of the first frame; all before it is durable elsewhere
  std::uint64_t epoch = 0;
  Hash128 chain;  // of commit first_commit - 1
  std::int64_t created_ns = 0;
  std::uint64_t head_sum = 0;  // over all before it
};
inline constexpr std::size_t kHeadBytes = 104;
static_assert(sizeof(LogHead) == kHeadBytes);
static_assert(std::is_trivially_copyable_v<LogHead>);
static_assert(std::has_unique_object_representations_v<LogHead>);

// Fills magic, version and sum; `page` receives the head and zeros.
void encode_head(const LogHead& head, std::span<std::byte, storage::kPageBytes> page) noexcept;

// Checks untrusted bytes of `path`. Errors: damaged (too short, sum, number, impossible sizes),
// newer_format, foreign_file (another palace).
[[nodiscard]] Result<LogHead> decode_head(std::span<const std::byte> bytes, std::string_view path,
                                          storage::PalaceUuid palace, std::uint64_t number);

// Persisted: never reuse a number. 0 is invalid.
enum class FrameKind : std::uint16_t {
  commit = 1,
  close = 2,  // everything before it is durable and the palace was closed; carries no commit
};

struct FrameHeader {
  std::uint32_t magic = kFrameMagic;
  std::uint16_t version = storage::kFormatVersion;
  std::uint16_t kind = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t flags = 0;  // zero; an unknown bit is a newer format
  std::uint64_t commit = 0;
  std::uint64_t epoch = 0;
  std::int64_t time_ns = 0;
  std::uint64_t author = 0;
  std::uint32_t kinds = 0;
  std::uint32_t operations = 0;
  std::uint64_t payload_salt = 0;
  Hash128 payload_digest;
  Hash128 chain;
  std::uint64_t durable = 0;    // the highest commit known durable when this was written
  std::uint64_t frame_sum = 0;  // over all before it, seeded by (file salt, offset of the frame)
};
inline constexpr std::size_t kFrameHeaderBytes = 112;
static_assert(sizeof(FrameHeader) == kFrameHeaderBytes);
static_assert(std::is_trivially_copyable_v<FrameHeader>);
static_assert(std::has_unique_object_representations_v<FrameHeader>);

// Bytes that a frame takes in the file, padding included.
[[nodiscard]] constexpr std::uint64_t frame_bytes(std::uint64_t payload_bytes) noexcept {
  return align_up(kFrameHeaderBytes + payload_bytes, kFrameAlignment);
}

// The complete header, sum included, of a frame at `offset`. For a close frame `header` holds the
// last commit and its chain value beside the payload's salt and digest.
[[nodiscard]] FrameHeader make_frame_header(FrameKind kind, const CommitHeader& header,
                                            std::uint64_t durable, std::uint64_t file_salt,
                                            std::uint64_t offset) noexcept;

// Whether these kFrameHeaderBytes are a header written to this place of this file.
[[nodiscard]] bool frame_header_verifies(const std::byte* bytes, std::uint64_t file_salt,
                                         std::uint64_t offset) noexcept;

[[nodiscard]] CommitHeader commit_header_of(const FrameHeader& frame) noexcept;

}  // namespace aeon::wal
