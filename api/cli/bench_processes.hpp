// What it costs to share a palace between processes: turns at the log, the time until others see a
// commit, and the memory of many readers.
#pragma once

#include <functional>
#include <string>

#include "engine/palace.hpp"

namespace aeon::cli {

struct ProcessBench {
  double seconds = 1;  // of each measurement of a round
  std::uint32_t rounds = 5;
  std::uint32_t readers = 8;
  std::uint32_t rows = 50'000;      // in the palace that readers read
  std::uint32_t tail_rows = 5'000;  // of them not settled
  std::uint32_t dimension = 384;
  std::uint32_t content_bytes = 1024;
  std::uint32_t sights = 500;  // commits that another process waits for
};

// Makes palaces below `directory` and removes them again; one line of figures for each part goes to
// `print`. The caller has one thread. Errors: those of the palace and of starting processes.
[[nodiscard]] Status bench_processes(const std::string& directory, const ProcessBench& bench,
                                     const std::function<void(const std::string&)>& print);

}  // namespace aeon::cli
