// Spare log files: complete, unused, waiting to become the next log file (log_file.hpp tells the
// whole story; retire_log, prepare_spare and discard_spares are declared there).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/os.hpp"
#include "storage/result.hpp"

namespace aeon::wal {

struct Spare {
  std::string path;
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
};

[[nodiscard]] std::string spare_path(const std::string& directory, std::uint64_t number);

// A name that none of them has.
[[nodiscard]] std::string free_spare_path(const std::string& directory,
                                          const std::vector<Spare>& spares);

// The spares present, smallest first.
[[nodiscard]] Result<std::vector<Spare>> list_spares(storage::Os& os, const std::string& directory);

// A new file of `bytes` zeros at `path`, not synced. On an error nothing is left at `path`.
[[nodiscard]] Result<std::unique_ptr<storage::File>> make_zero_filled(storage::Os& os,
                                                                      const std::string& path,
                                                                      std::uint64_t bytes);

}  // namespace aeon::wal
