// The places of a log that carry nothing: the rest of a head's page, and what lies between frames.
// In a zero-filled file they are zero; another byte there harmed no commit and is damage all the
// same.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/os.hpp"
#include "storage/result.hpp"
#include "wal/log_file.hpp"
#include "wal/log_position.hpp"

namespace aeon::wal {

// A frame without its padding.
struct FrameSpan {
  std::uint64_t log = 0;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

struct StrayByte {
  std::uint64_t log = 0;
  std::uint64_t offset = 0;
};

// The first stray byte of each gap. `frames` are all that a reader found from `start` on, in order.
// What lies before `start` is stale, what lies behind the last frame is LogReader::examine_end()'s
// to judge. Errors: those of opening and reading.
[[nodiscard]] Result<std::vector<StrayByte>> find_stray_bytes(storage::Os& os,
                                                              const LogPlace& place,
                                                              const LogPosition& start,
                                                              std::span<const FrameSpan> frames);

}  // namespace aeon::wal
