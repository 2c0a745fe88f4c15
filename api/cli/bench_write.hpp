// How fast a palace takes commits, beside how fast its disk could at best: rounds of raw syncs and
// rounds of commits alternate, so that both see the same weather.
#pragma once

#include <string>
#include <vector>

#include "engine/palace.hpp"

namespace aeon::cli {

struct WriteBench {
  std::uint32_t threads = 1;
  std::uint32_t batch = 1;        // memories a commit
  std::uint32_t dimension = 384;  // 0: no vectors
  std::uint32_t content_bytes = 1024;
  std::uint32_t rounds = 5;
  double seconds = 5;  // of commits, over all rounds
  Durability durability = Durability::sync;
};

struct WriteFigures {
  std::size_t raw_bytes = 0;  // of one raw write
  std::uint64_t commits = 0;
  double commit_seconds = 0;
  std::uint64_t raw_syncs = 0;
  double raw_seconds = 0;
  std::vector<double> latencies_us;      // of commits; sorted
  std::vector<double> raw_latencies_us;  // sorted
  std::string simd;
};

// Makes a fresh palace below `directory`, fills it, and removes it again. Errors: those of the
// palace and of the files beside it.
[[nodiscard]] Result<WriteFigures> bench_write(const std::string& directory,
                                               const WriteBench& bench);

}  // namespace aeon::cli
