// What making and mending copies of a palace reports.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model.hpp"

namespace aeon {

// A copy that Palace::backup() made or brought up to date.
struct BackupReport {
  CommitNumber commit = 0;         // the newest commit that the copy holds
  CommitNumber before = 0;         // and held before; 0: it is new
  std::uint64_t files_linked = 0;  // settled files that share their bytes with the palace
  std::uint64_t files_copied = 0;  // settled files that could not be linked
  std::uint64_t bytes_copied = 0;  // of them
  std::uint64_t files_kept = 0;    // settled files that the copy had already
  std::uint64_t commits = 0;       // taken over through the log
};

// What Palace::repair() saved, and what it did not.
struct RepairReport {
  std::uint64_t memories = 0;
  std::uint64_t vectors = 0;
  std::uint64_t edges = 0;
  // One for each loss: where (the file is empty where more than one place has a part in it) and
  // which memories or commits. Empty: everything was saved.
  std::vector<Damage> losses{};
};

}  // namespace aeon
