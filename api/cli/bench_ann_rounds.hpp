// Timed rounds of queries.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "api/cli/bench_ann_load.hpp"

namespace aeon::cli {

struct AnnSetting {
  std::uint32_t threads = 1;
  // One of the two.
  std::optional<float> target_recall{};
  std::optional<float> effort{};
  std::uint32_t batch = 1;  // queries asked together
};

struct RoundFigures {
  double qps = 0;
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
};

struct SettingFigures {
  AnnSetting setting{};
  std::uint32_t passes = 1;  // over all queries, in each round
  double spent_s = 0;        // in all rounds
  std::vector<RoundFigures> rounds{};
  std::vector<std::uint32_t> found{};   // k rows for each query in the last round; kNoRow: none
  std::vector<std::uint64_t> proofs{};  // hashes of `found` of each round
  double rows_scanned = 0;              // a query, in the last round
  bool exact = true;                    // every answer said so
  bool partial = false;                 // an answer said so

  // Of the rounds; a round is {qps, p50, p99, p99.9}.
  [[nodiscard]] double median(double RoundFigures::* figure) const;
  [[nodiscard]] std::size_t distinct_proofs() const;
};

class AnnRounds {
 public:
  // Each round of a setting takes as many passes as fill the seconds that `bench` asks for; one
  // that took more than kMostSeconds altogether gets no further round.
  static constexpr double kMostSeconds = 30;

  AnnRounds(const Palace& palace, const VectorTable& queries, const RowIds& ids,
            const AnnBench& bench);
  // Runs queries of every setting for a short time and plans the passes from it.
  Status warm_up();
  Status run();
  [[nodiscard]] const std::vector<SettingFigures>& figures() const noexcept { return figures_; }

 private:
  struct Pass;
  struct Share;
  Status measure(SettingFigures& figures, Pass& pass) const;
  Status take_queries(const AnnSetting& setting, Pass& pass, Share& share) const;
  // The queries [first, first + answers.size()) of endless passes; `queries` is room for them.
  Status ask(const AnnSetting& setting, std::size_t first, std::span<Query> queries,
             std::span<Answer> answers) const;
  void keep(const Answer& answer, std::size_t number, Pass& pass, Share& share) const;

  const Palace& palace_;
  const VectorTable& queries_;
  const RowIds& ids_;
  std::uint32_t k_;
  double seconds_;
  std::vector<SettingFigures> figures_{};
};

}  // namespace aeon::cli
