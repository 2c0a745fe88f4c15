// Recall against queries a second of a palace that was filled by ordinary commits: no call that
// trains, rebuilds or settles anything comes between the last acknowledgement and the first query.
//
// Every round visits every setting, so that all see the same weather of the machine, and every
// query takes part in every round. The share of the true neighbours is judged on the very answers
// that were timed.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "engine/palace.hpp"

namespace aeon::cli {

// The order in which the rows of the base are inserted.
enum class RowOrder : std::uint8_t { given, shuffled, reversed };

inline constexpr std::array kBenchTargets = {0.9F, 0.95F, 0.99F, 1.0F};

struct AnnBench {
  std::string base;       // .fbin
  std::string query;      // .fbin
  std::string truth;      // .ibin; empty: found by comparing everything
  std::string directory;  // where to make a palace; empty: the system's for temporary files
  bool keep = false;      // leave the palace there
  bool step = false;      // a round for each line of standard input, instead of `rounds`
  std::uint32_t k = 10;
  std::vector<std::uint32_t> threads = {1};      // that query
  std::vector<float> target_recall{};            // neither this nor effort: kBenchTargets
  std::vector<float> effort{};                   // as well as, or instead of, targets
  std::vector<std::uint32_t> query_batch = {1};  // queries of one recall_batch; 1: recall
  Metric metric = Metric::cosine;
  Precision precision = Precision::float16;
  Durability durability = Durability::process;
  std::uint32_t batch = 256;  // rows a commit, but for the last rows: see LoadFigures
  std::uint32_t loaders = 0;  // threads that insert; 0: as many as query
  RowOrder order = RowOrder::given;
  std::uint64_t seed = 1;  // of the shuffled order
  std::uint32_t rounds = 5;
  double seconds = 0.5;  // of each setting in each round, at least; whole passes over the queries
};

[[nodiscard]] std::uint32_t loaders_of(const AnnBench& bench);

// Prints one JSON line for each setting. Errors: those of the files and of the palace.
[[nodiscard]] Status bench_ann(const AnnBench& bench,
                               const std::function<void(const std::string&)>& print);

}  // namespace aeon::cli
