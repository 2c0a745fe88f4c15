// The true neighbours of queries, and how many of them an answer has.
#pragma once

#include "api/cli/bench_ann_load.hpp"

namespace aeon::cli {

struct FoundShare {
  // Of the k nearest, where a row as near as the k-th (to one part in a million) counts as well:
  // between rows of equal distance there is no right choice.
  double recall = 0;
  double by_id = 0;  // of exactly the rows that the truth names
};

class AnnTruth {
 public:
  // From a file. Errors: invalid_argument when it does not fit `base`, `queries` and `k`.
  [[nodiscard]] static Result<AnnTruth> from(const RowTable& table, const VectorTable& base,
                                             const VectorTable& queries, std::uint32_t k);
  // By comparing each query with every row, on `threads` threads.
  [[nodiscard]] static AnnTruth compute(const VectorTable& base, const VectorTable& queries,
                                        std::uint32_t k, Metric metric, std::uint32_t threads);

  // `found` has k rows for each query; kNoRow stands for none.
  [[nodiscard]] FoundShare judge(std::span<const std::uint32_t> found, const VectorTable& base,
                                 const VectorTable& queries, Metric metric) const;

 private:
  std::uint32_t k_ = 0;                // asked for
  std::uint32_t nearest_ = 0;          // rows of each query: k_, or all rows when there are fewer
  std::vector<std::uint32_t> rows_{};  // nearest_ for each query, nearest first
};

}  // namespace aeon::cli
