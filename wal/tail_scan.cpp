#include "wal/tail_scan.hpp"

#include <algorithm>
#include <cassert>
#include <vector>

#include "storage/codec.hpp"
#include "wal/frame.hpp"

namespace aeon::wal {

namespace {

constexpr std::size_t kPieceBytes = 1u << 20;
constexpr std::size_t kBlockBytes = 512;

bool all_zero(const std::byte* bytes, std::size_t count) noexcept {
  std::uint64_t any = 0;
  for (std::size_t i = 0; i + 8 <= count; i += 8) any |= storage::load<std::uint64_t>(bytes + i);
  for (std::size_t i = count & ~std::size_t{7}; i < count; ++i) {
    any |= static_cast<std::uint64_t>(bytes[i]);
  }
  return any == 0;
}

class Scanner {
 public:
  explicit Scanner(const OpenLog& log) : log_(log) {}

  // `bytes` starts at file offset `at` and holds `count` places to try, followed by what a header
  // at the last of them needs, as far as the file goes.
  void piece(std::span<const std::byte> bytes, std::uint64_t at, std::size_t count) {
    for (std::size_t block = 0; block < count; block += kBlockBytes) {
      const std::size_t length = std::min(kBlockBytes, count - block);
      if (all_zero(bytes.data() + block, length)) continue;
      note_nonzero(bytes.subspan(block, length), at + block);
      for (std::size_t i = block; i < block + length; i += kFrameAlignment) {
        if (i + kFrameHeaderBytes <= bytes.size()) try_header(bytes.data() + i, at + i);
      }
    }
  }
  [[nodiscard]] const TailScan& found() const noexcept { return found_; }

 private:
  void note_nonzero(std::span<const std::byte> block, std::uint64_t at) {
    const auto is_set = [](std::byte b) { return b != std::byte{0}; };
    if (found_.nonzero_to == 0) {
      const auto first = std::ranges::find_if(block, is_set);
      found_.nonzero_from = at + static_cast<std::uint64_t>(first - block.begin());
    }
    std::size_t end = block.size();
    while (!is_set(block[end - 1])) --end;
    found_.nonzero_to = at + end;
  }

  void try_header(const std::byte* bytes, std::uint64_t offset) {
    if (!frame_header_verifies(bytes, log_.head.file_salt, offset)) return;
    const auto frame = storage::load<FrameHeader>(bytes);
    if (found_.frames++ == 0) found_.first_frame = offset;
    const std::uint64_t end = std::min(log_.end, offset + frame_bytes(frame.payload_bytes));
    found_.frames_end = std::max(found_.frames_end, end);
    found_.max_durable = std::max(found_.max_durable, frame.durable);
  }

  const OpenLog& log_;
  TailScan found_;
};

}  // namespace

Result<TailScan> scan_tail(const OpenLog& log, std::uint64_t from) {
  assert(from % kFrameAlignment == 0);
  Scanner scanner(log);
  std::vector<std::byte> buffer(std::min<std::uint64_t>(kPieceBytes + kFrameHeaderBytes,
                                                        log.end > from ? log.end - from : 0));
  for (std::uint64_t at = from; at < log.end; at += kPieceBytes) {
    const std::uint64_t want = std::min<std::uint64_t>(buffer.size(), log.end - at);
    AEON_ASSIGN(const std::size_t got, log.file->read_at(std::span(buffer).first(want), at));
    scanner.piece(std::span(buffer).first(got), at, std::min(got, kPieceBytes));
    if (got < want) break;
  }
  return scanner.found();
}

}  // namespace aeon::wal
