// The levels of `aeon bench stress`; bench_stress.hpp tells how their rounds go.
#pragma once

#include <array>

#include "api/cli/bench_stress_report.hpp"

namespace aeon::cli {

// The bare guards; `palace` is what upkeep works on beside them.
[[nodiscard]] Status stress_guards(const StressBench& bench, StressPalace& palace,
                                   const StressReport& report);

enum class PalaceRead : std::uint8_t { lookup, recall };
[[nodiscard]] Status stress_palace(PalaceRead kind, const StressBench& bench, StressPalace& palace,
                                   const StressReport& report);

inline constexpr std::array kPhases = {Phase::idle, Phase::inserting, Phase::checkpointing,
                                       Phase::compacting};

// The plan of a phase without its reads: upkeep on `palace`, no writers yet.
[[nodiscard]] CellPlan plan_of(Phase phase, const StressBench& bench, StressPalace& palace,
                               FirstError& errors);

// Reader scaling: reads without a pause on 1, 2, 4 ... threads up to the readers of the bench (at
// least 2), the subjects and counts interleaved. Prints its lines.
struct ScalingSubject {
  std::string_view guard;
  ClosedRead read;
};
[[nodiscard]] Scaling measure_scaling(std::string_view level, const StressBench& bench,
                                      const std::vector<ScalingSubject>& subjects,
                                      const StressReport& report);

}  // namespace aeon::cli
