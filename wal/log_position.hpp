// A place between two frames of the log: what a reader needs to go on from there, what a writer
// needs to append there, and what the manifest remembers of a checkpoint.
#pragma once

#include <cstdint>
#include <string>

#include "storage/checksum.hpp"
#include "storage/file_identity.hpp"

namespace aeon::wal {

// Where a palace's log files lie and which palace it is.
struct LogPlace {
  std::string directory;
  storage::PalaceUuid palace;
};

// Persisted as it lies here, little-endian (inside records that carry their own checksum).
struct LogPosition {
  std::uint64_t log = 0;        // N of log-N
  std::uint64_t file_salt = 0;  // of that file; a file recycled since has another. 0: take any
  std::uint64_t offset = 0;     // the next frame is here or at the next 4 KiB boundary
  std::uint64_t next_commit = 0;
  storage::Hash128 chain;  // of commit next_commit - 1
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};
static_assert(sizeof(LogPosition) == 48);
static_assert(std::has_unique_object_representations_v<LogPosition>);

}  // namespace aeon::wal
