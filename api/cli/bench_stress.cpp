#include "api/cli/bench_stress.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "api/cli/bench_machine.hpp"
#include "api/cli/bench_stress_levels.hpp"
#include "storage/os.hpp"

namespace aeon::cli {
namespace {

// Of the time of a phase, for each number of threads.
constexpr double kScalingShare = 0.25;

std::vector<std::uint32_t> thread_counts(std::uint32_t most) {
  std::vector<std::uint32_t> counts;
  for (std::uint32_t count = 1; count < most; count *= 2) counts.push_back(count);
  counts.push_back(most);
  return counts;
}

Status run_level(const std::string& level, const std::string& directory, const StressBench& bench,
                 const StressReport& report) {
  AEON_ASSIGN(StressPalace palace, StressPalace::make(directory, bench));
  if (level == "guard") {
    AEON_TRY(stress_guards(bench, palace, report));
  } else {
    const PalaceRead kind = level == "lookup" ? PalaceRead::lookup : PalaceRead::recall;
    AEON_TRY(stress_palace(kind, bench, palace, report));
  }
  return palace.close();
}

}  // namespace

CellPlan plan_of(Phase phase, const StressBench& bench, StressPalace& palace, FirstError& errors) {
  CellPlan plan;
  plan.readers = bench.readers;
  if (phase == Phase::checkpointing || phase == Phase::compacting) {
    plan.upkeep = [phase, &palace, &errors](const Schedule& schedule, Latencies& /*writes*/,
                                            UpkeepFigures& figures) {
      palace.keep_up(phase, schedule.end_ns, figures, errors);
    };
  }
  return plan;
}

Scaling measure_scaling(std::string_view level, const StressBench& bench,
                        const std::vector<ScalingSubject>& subjects, const StressReport& report) {
  Scaling scaling;
  scaling.threads = thread_counts(std::max(2U, bench.readers));
  scaling.figures.assign(subjects.size(), std::vector<ClosedFigures>(scaling.threads.size()));
  for (std::uint32_t round = 0; round < bench.rounds && !interrupted(); ++round) {
    for (std::size_t at = 0; at < scaling.threads.size(); ++at) {
      for (std::size_t subject = 0; subject < subjects.size(); ++subject) {
        const ClosedFigures part =
            run_closed(scaling.threads[at], kScalingShare * bench.seconds / bench.rounds,
                       subjects[subject].read);
        scaling.figures[subject][at].reads += part.reads;
        scaling.figures[subject][at].ns += part.ns;
      }
    }
  }
  for (std::size_t subject = 0; subject < subjects.size(); ++subject) {
    for (std::size_t at = 0; at < scaling.threads.size(); ++at) {
      report.scaling(level, subjects[subject].guard, scaling, subject, at);
    }
  }
  return scaling;
}

Status bench_stress(const std::string& directory, const StressBench& bench,
                    const std::function<void(const std::string&)>& print) {
  storage::Os& os = storage::real_os();
  const Scratch scratch(fmt::format("{}/aeon-stress-{}", directory, os.process_id()));
  AEON_TRY(os.make_directory(scratch.path()));
  const StressReport report(bench, directory, print);
  for (const std::string& level : bench.levels) {
    if (interrupted()) break;
    const Scratch place(scratch.path() + "/" + level);
    AEON_TRY(run_level(level, place.path(), bench, report));
  }
  return {};
}

}  // namespace aeon::cli
