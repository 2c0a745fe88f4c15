#include "wal/log_salvage.hpp"

#include <algorithm>
#include <array>

#include "storage/codec.hpp"
#include "wal/frame.hpp"
#include "wal/log_file.hpp"

namespace aeon::wal {

namespace {

Result<std::vector<std::byte>> read_whole(const storage::File& file) {
  AEON_ASSIGN(const std::uint64_t size, file.size());
  std::vector<std::byte> bytes(size);
  AEON_ASSIGN(const std::size_t got, file.read_at(bytes, 0));
  bytes.resize(got);
  return bytes;
}

// Without the salt a header proves nothing by itself; its payload does.
bool may_be_header(const FrameHeader& frame) {
  return frame.magic == kFrameMagic && frame.version <= storage::kFormatVersion &&
         frame.version != 0 && frame.flags == 0 && frame.commit != 0 &&
         (frame.kind == static_cast<std::uint16_t>(FrameKind::commit) ||
          frame.kind == static_cast<std::uint16_t>(FrameKind::close));
}

}  // namespace

Result<LogSalvage> salvage_log(storage::Os& os, const LogPlace& place, std::uint64_t number,
                               std::uint64_t salt) {
  LogSalvage found;
  const std::string path = log_path(place.directory, number);
  AEON_ASSIGN(const auto file, os.open_file(path, storage::OpenMode::read));
  AEON_ASSIGN(const std::vector<std::byte> bytes, read_whole(*file));
  const auto head = decode_head(std::span(bytes).first(std::min(bytes.size(), kHeadBytes)), path,
                                place.palace, number);
  if (head) {
    found.head_holds = true;
    salt = head->file_salt;
  } else if (head.error().code != Errc::damaged) {
    return std::unexpected(head.error());
  }
  std::uint64_t end = kFirstFrameOffset;
  for (std::uint64_t at = kFirstFrameOffset; at + kFrameHeaderBytes <= bytes.size();) {
    const auto frame = storage::load<FrameHeader>(bytes.data() + at);
    const bool is_header =
        frame.magic == kFrameMagic &&
        (salt != 0 ? frame_header_verifies(bytes.data() + at, salt, at) : may_be_header(frame));
    const bool fits = is_header && frame.payload_bytes <= kMaxPayloadBytes &&
                      at + frame_bytes(frame.payload_bytes) <= bytes.size();
    if (!fits) {
      at += kFrameAlignment;
      continue;
    }
    const auto payload = std::span(bytes).subspan(at + kFrameHeaderBytes, frame.payload_bytes);
    const bool whole = payload_digest(payload, frame.payload_salt) == frame.payload_digest;
    if (salt != 0 || whole) {
      found.highest = std::max({found.highest, frame.commit, frame.durable});
    }
    if (!whole) {
      at += kFrameAlignment;
      continue;
    }
    if (frame.kind == static_cast<std::uint16_t>(FrameKind::commit)) {
      found.frames.push_back(
          {commit_header_of(frame), std::string(storage::as_view(payload)), number, at});
    }
    at += frame_bytes(frame.payload_bytes);
    end = at;
  }
  if (!head || (head->flags & kHeadZeroFilled) == 0) return found;
  const auto is_set = [](std::byte byte) { return byte != std::byte{0}; };
  const auto from = std::find_if(
      bytes.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(end, bytes.size())),
      bytes.end(), is_set);
  if (from == bytes.end()) return found;
  found.strange_from = static_cast<std::uint64_t>(from - bytes.begin());
  found.strange_to =
      static_cast<std::uint64_t>(bytes.rend() - std::find_if(bytes.rbegin(), bytes.rend(), is_set));
  return found;
}

std::optional<storage::PalaceUuid> palace_of_log(storage::Os& os, const std::string& directory,
                                                 std::uint64_t number) {
  const std::string path = log_path(directory, number);
  const auto file = os.open_file(path, storage::OpenMode::read);
  if (!file) return std::nullopt;
  std::array<std::byte, kHeadBytes> bytes;
  const auto got = (*file)->read_at(bytes, 0);
  if (!got || *got != bytes.size()) return std::nullopt;
  const storage::PalaceUuid palace = storage::load<LogHead>(bytes.data()).palace;
  const auto head = decode_head(bytes, path, palace, number);
  return head ? std::optional(head->palace) : std::nullopt;
}

}  // namespace aeon::wal
