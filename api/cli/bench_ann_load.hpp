// Fills a palace with the rows of a file.
#pragma once

#include <vector>

#include "api/cli/bench_ann.hpp"
#include "api/cli/histogram.hpp"
#include "api/cli/vector_file.hpp"

namespace aeon::cli {

inline constexpr std::uint32_t kNoRow = 0xffff'ffff;

// Which row of the base became which memory.
class RowIds {
 public:
  void add(std::span<const MemoryId> ids, std::span<const std::uint32_t> rows);
  // kNoRow for an id that was not added.
  [[nodiscard]] std::uint32_t row(MemoryId id) const noexcept {
    return id < row_of_.size() ? row_of_[id] : kNoRow;
  }

 private:
  std::vector<std::uint32_t> row_of_{};
};

// The last tenth of the rows, at most kMaxSingles, is inserted by one thread, one row a commit,
// whatever the batch: what one insert costs when the palace is full.
struct LoadFigures {
  static constexpr std::uint32_t kMaxSingles = 5000;
  double seconds = 0;  // from before the first commit to after the last
  std::uint64_t commits = 0;
  double single_mean_us = 0;
  Histogram single_ns;
};

// Errors: those of the commits, naming the rows.
[[nodiscard]] Result<LoadFigures> load_rows(Palace& palace, const VectorTable& base,
                                            const AnnBench& bench, RowIds& ids);

}  // namespace aeon::cli
