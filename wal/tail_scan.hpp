// What lies in a log file behind the last good frame. Every 8-byte-aligned place is tried as a
// frame header; a header that verifies was written to this very place of this very file, so it
// tells what the writer knew when it wrote it, whatever happened to the frames before it.
#pragma once

#include <cstdint>

#include "storage/os.hpp"
#include "storage/result.hpp"
#include "wal/log_file.hpp"

namespace aeon::wal {

struct TailScan {
  // Frames of this file whose headers verify.
  std::uint64_t frames = 0;
  std::uint64_t first_frame = 0;  // offset
  std::uint64_t frames_end = 0;   // the greatest end of those frames, within the file
  std::uint64_t max_durable = 0;  // the highest commit that one of them knew durable
  // Bytes that are not zero; empty when from == to.
  std::uint64_t nonzero_from = 0;
  std::uint64_t nonzero_to = 0;
};

// Scans [from, log.end). `from` is 8-aligned. Reads in large pieces; memory is bounded. Errors: of
// reading.
[[nodiscard]] Result<TailScan> scan_tail(const OpenLog& log, std::uint64_t from);

}  // namespace aeon::wal
