// What can still be read of a log file, whatever is damaged in it: every commit whose payload fits
// its digest, found by looking at every place where a frame may begin. For repair; readers stop at
// the first hole (log_reader.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/os.hpp"
#include "storage/result.hpp"
#include "wal/commit_header.hpp"
#include "wal/log_position.hpp"

namespace aeon::wal {

struct SalvagedFrame {
  CommitHeader header;
  std::string payload;
  std::uint64_t log = 0;
  std::uint64_t offset = 0;
};

struct LogSalvage {
  std::vector<SalvagedFrame> frames;  // commits, by offset
  // The highest commit that a readable header of the file proves to have been made; 0: none.
  std::uint64_t highest = 0;
  // Bytes behind the last frame that are not zero in a file that has no stale ones; empty when from
  // == to.
  std::uint64_t strange_from = 0;
  std::uint64_t strange_to = 0;
  bool head_holds = false;
};

// Reads log-<number>. Where its head is damaged headers can't be told by the file's salt: `salt` is
// what is known of it from elsewhere, or 0; then a frame counts when its payload fits the digest,
// and frames of an older use of the file may be among them. Errors: those of reading.
[[nodiscard]] Result<LogSalvage> salvage_log(storage::Os& os, const LogPlace& place,
                                             std::uint64_t number, std::uint64_t salt);

// The palace that the log file's head names, if the head verifies.
[[nodiscard]] std::optional<storage::PalaceUuid> palace_of_log(storage::Os& os,
                                                               const std::string& directory,
                                                               std::uint64_t number);

}  // namespace aeon::wal
