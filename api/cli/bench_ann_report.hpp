// The lines that `aeon bench ann` prints: JSON, one object each.
#pragma once

#include <string>

#include "api/cli/bench_ann_rounds.hpp"
#include "api/cli/bench_ann_truth.hpp"

namespace aeon::cli {

// What holds for every setting of a run.
struct AnnFigures {
  std::string dataset{};  // the base's file name without its endings
  std::string palace{};   // its directory
  std::uint32_t rows = 0;
  std::uint32_t dimension = 0;
  std::uint32_t queries = 0;
  bool truth_given = false;
  LoadFigures load{};
  // Of this process after the last round, with the queries but without the base.
  std::uint64_t rss_bytes = 0;
  std::uint64_t rss_anonymous_bytes = 0;  // without what is mapped from files
  // After close and open; the log's tail is recovered as the load left it.
  double open_ms = 0;
  double first_query_us = 0;
  // After a checkpoint at the very end.
  std::uint64_t segment_bytes = 0;
  std::uint64_t log_bytes = 0;
  std::string simd{};
};

// "text50k-384" of "/data/text50k-384.base.fbin".
[[nodiscard]] std::string dataset_name(const std::string& base);
// Sets rss_bytes and rss_anonymous_bytes.
void read_resident(AnnFigures& figures);

[[nodiscard]] std::string ready_line(const AnnBench& bench, const AnnFigures& figures);
[[nodiscard]] std::string round_line(std::size_t round);
[[nodiscard]] std::string setting_line(const AnnBench& bench, const AnnFigures& figures,
                                       const SettingFigures& setting, const FoundShare& share);

}  // namespace aeon::cli
