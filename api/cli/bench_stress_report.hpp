// The lines that `aeon bench stress` prints: JSON, one object each.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "api/cli/bench_stress.hpp"
#include "api/cli/bench_stress_cell.hpp"
#include "api/json_line.hpp"

namespace aeon::cli {

// Reads without a pause on growing numbers of threads.
struct Scaling {
  std::vector<std::uint32_t> threads;
  std::vector<std::vector<ClosedFigures>> figures;  // of each subject, of each number of threads

  [[nodiscard]] double ns_per_read(std::size_t subject, std::size_t at) const;  // of one thread
  [[nodiscard]] double reads_per_s(std::size_t subject, std::size_t at) const;
  [[nodiscard]] double over_one(std::size_t subject, std::size_t at) const;
};

class StressReport {
 public:
  StressReport(const StressBench& bench, std::string directory,
               const std::function<void(const std::string&)>& print);

  [[nodiscard]] std::uint64_t clock_ns() const noexcept { return clock_ns_; }
  // `ns` without the reading of the clock that it holds.
  [[nodiscard]] std::uint64_t net(std::uint64_t ns) const noexcept {
    return ns > clock_ns_ ? ns - clock_ns_ : 0;
  }

  void baselines(const std::vector<std::string_view>& guards) const;
  // `guard`: how the bare guard is made; empty for the other levels.
  void cell(std::string_view level, std::string_view guard, Phase phase, const CellPlan& plan,
            const Cell& cell) const;
  void scaling(std::string_view level, std::string_view guard, const Scaling& scaling,
               std::size_t subject, std::size_t at) const;
  // A figure of the design beside its limit. `from`: what latencies count from, or empty.
  struct Target {
    std::string_view name;
    std::string_view from = {};
    double value = 0;
    double limit = 0;
    bool at_least = false;    // else at most
    double merged = 0;        // the same from the figures of all rounds together; 0: none
    std::uint64_t reads = 0;  // that the value rests on; 0: not counted
  };
  void target(const Target& target) const;

 private:
  void finish(api::JsonLine line) const;
  const StressBench& bench_;
  std::string directory_;
  const std::function<void(const std::string&)>& print_;
  std::string simd_;
  std::uint64_t clock_ns_;
};

}  // namespace aeon::cli
