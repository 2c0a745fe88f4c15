#include "wal/padding.hpp"

#include <algorithm>

#include "wal/frame.hpp"

namespace aeon::wal {

namespace {

constexpr std::uint64_t kPieceBytes = 1u << 16;

class GapCheck {
 public:
  GapCheck(const OpenLog& log, std::vector<StrayByte>& found) : log_(log), found_(found) {}

  // Looks at [from, to) of the file.
  Status gap(std::uint64_t from, std::uint64_t to) {
    for (to = std::min(to, log_.end); from < to; from += kPieceBytes) {
      buffer_.resize(std::min(kPieceBytes, to - from));
      AEON_ASSIGN(const std::size_t got, log_.file->read_at(buffer_, from));
      const auto bytes = std::span(buffer_).first(got);
      const auto stray =
          std::ranges::find_if(bytes, [](std::byte byte) { return byte != std::byte{0}; });
      if (stray == bytes.end()) continue;
      found_.push_back(
          {log_.head.number, from + static_cast<std::uint64_t>(stray - bytes.begin())});
      return {};
    }
    return {};
  }

 private:
  const OpenLog& log_;
  std::vector<StrayByte>& found_;
  std::vector<std::byte> buffer_;
};

}  // namespace

Result<std::vector<StrayByte>> find_stray_bytes(storage::Os& os, const LogPlace& place,
                                                const LogPosition& start,
                                                std::span<const FrameSpan> frames) {
  std::vector<StrayByte> found;
  std::uint64_t from = start.offset;
  const std::uint64_t last = frames.empty() ? start.log : frames.back().log;
  for (std::uint64_t number = start.log; number <= last; ++number, from = kFirstFrameOffset) {
    AEON_ASSIGN(const OpenLog log, open_log(os, place, number, storage::OpenMode::read));
    const auto end = std::ranges::find_if(
        frames, [number](const FrameSpan& frame) { return frame.log != number; });
    const auto here = frames.first(static_cast<std::size_t>(end - frames.begin()));
    frames = frames.subspan(here.size());
    if ((log.head.flags & kHeadZeroFilled) == 0) continue;
    GapCheck check(log, found);
    AEON_TRY(check.gap(kHeadBytes, kFirstFrameOffset));
    for (const FrameSpan& frame : here) {
      AEON_TRY(check.gap(from, frame.from));
      from = frame.to;
    }
    if (number != last) AEON_TRY(check.gap(from, log.end));
  }
  return found;
}

}  // namespace aeon::wal
