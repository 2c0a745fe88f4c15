#include <algorithm>

#include "api/cli/bench_stress_levels.hpp"

namespace aeon::cli {
namespace {

// The rounds of the target last longer, so that their P99.9 rests on more than one read.
constexpr double kInTurnTimes = 4;

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

class PalaceLevel {
 public:
  PalaceLevel(PalaceRead kind, const StressBench& bench, StressPalace& palace,
              const StressReport& report)
      : kind_(kind),
        bench_(bench),
        palace_(palace),
        report_(report),
        name_(kind == PalaceRead::lookup ? "lookup" : "recall") {}

  Status run() {
    std::vector<Cell> cells(kPhases.size());
    for (std::uint32_t round = 0; round < bench_.rounds; ++round) {
      for (std::size_t phase = 0; phase < kPhases.size() && !interrupted(); ++phase) {
        AEON_TRY(run_one(kPhases[phase], bench_.seconds / bench_.rounds, cells[phase]));
      }
    }
    for (std::size_t phase = 0; phase < kPhases.size(); ++phase) {
      report_.cell(name_, "", kPhases[phase], plan(kPhases[phase]), cells[phase]);
    }
    AEON_TRY(scale());
    return kind_ == PalaceRead::recall ? compare_in_turn() : Status{};
  }

 private:
  bool read(StressPalace::Reader& reader) const {
    return kind_ == PalaceRead::lookup ? reader.look_up() : reader.recall();
  }

  void sample(Cell& cell) {
    const auto stats = palace_.stats();
    if (!stats) return errors_.note(stats.error());
    cell.retired_objects = std::max(cell.retired_objects, stats->retired_objects);
    cell.tail_bytes = std::max(cell.tail_bytes, stats->tail_bytes);
    if (cell.first_rows == 0) cell.first_rows = stats->memories;
    cell.last_rows = stats->memories;
  }

  CellPlan plan(Phase phase) {
    CellPlan plan = plan_of(phase, bench_, palace_, errors_);
    plan.read_rate = kind_ == PalaceRead::lookup ? bench_.lookup_rate : bench_.recall_rate;
    plan.read = [this](const Schedule& schedule, std::uint32_t thread, Latencies& latencies) {
      StressPalace::Reader reader(palace_, thread + 1, errors_);
      if (!read(reader)) return;  // also warms the thread
      pace(SteadyClock(true), schedule, [&] { return read(reader); }, latencies);
    };
    plan.write_rate = bench_.insert_rate;
    if (phase == Phase::in_turn) {
      plan.upkeep = [this](const Schedule& schedule, Latencies& writes, UpkeepFigures& figures) {
        palace_.work_in_turn(schedule, ++seed_, writes, figures, errors_);
      };
    } else if (phase != Phase::idle) {
      plan.writers = bench_.writers;
      plan.write = [this](const Schedule& schedule, std::uint32_t thread, Latencies& latencies) {
        palace_.insert(schedule, thread + 1000, latencies, errors_);
      };
    }
    plan.sample = [this](Cell& cell) { sample(cell); };
    return plan;
  }

  Status run_one(Phase phase, double seconds, Cell& cell, Latencies* reads = nullptr) {
    Latencies seen = run_cell(plan(phase), seconds, cell);
    if (reads != nullptr) *reads = std::move(seen);
    return errors_.status();
  }

  Status scale() {
    const ClosedRead closed = [this](std::int64_t start, std::int64_t end, std::uint32_t thread) {
      StressPalace::Reader reader(palace_, thread + 1, errors_);
      ClosedFigures figures;
      if (!read(reader)) return figures;
      const std::int64_t begun = SteadyClock(true).wait_until(start);
      while (SteadyClock::now() < end && !interrupted() && read(reader)) ++figures.reads;
      figures.ns = SteadyClock::now() - begun;
      return figures;
    };
    const Scaling scaling = measure_scaling(name_, bench_, {{"", closed}}, report_);
    report_.target({.name = kind_ == PalaceRead::lookup ? "lookup_two_threads_over_one"
                                                        : "recall_two_threads_over_one",
                    .value = scaling.over_one(0, 1),
                    .limit = 1.8,
                    .at_least = true});
    return errors_.status();
  }

  // Alone, load, alone, load, ... alone.
  Status compare_in_turn() {
    std::vector<Latencies> alone(bench_.rounds + 1);
    std::vector<Latencies> loaded(bench_.rounds);
    const double seconds = kInTurnTimes * bench_.seconds / bench_.rounds;
    Cell quiet;
    Cell load;
    for (std::uint32_t round = 0; round < bench_.rounds; ++round) {
      AEON_TRY(run_one(Phase::idle, seconds, quiet, &alone[round]));
      AEON_TRY(run_one(Phase::in_turn, seconds, load, &loaded[round]));
      if (interrupted()) return {};
    }
    AEON_TRY(run_one(Phase::idle, seconds, quiet, &alone.back()));
    report_.cell(name_, "", Phase::idle, plan(Phase::idle), quiet);
    report_.cell(name_, "", Phase::in_turn, plan(Phase::in_turn), load);
    for (const bool from_plan : {true, false}) {
      judge("recall_p99_in_turn_over_alone", 0.99, 1.5, from_plan, alone, loaded);
      judge("recall_p999_in_turn_over_alone", 0.999, 2, from_plan, alone, loaded);
    }
    return {};
  }

  void judge(std::string_view name, double q, double limit, bool from_plan,
             const std::vector<Latencies>& alone, const std::vector<Latencies>& loaded) const {
    const auto histogram = [&](const Latencies& latencies) -> const Histogram& {
      return from_plan ? latencies.planned : latencies.service;
    };
    const auto at = [&](const Histogram& reads) {
      return std::max(1.0, static_cast<double>(report_.net(reads.quantile(q))));
    };
    std::vector<double> ratios;
    Histogram all_alone;
    Histogram all_loaded;
    for (std::size_t i = 0; i < loaded.size(); ++i) {
      const double beside = (at(histogram(alone[i])) + at(histogram(alone[i + 1]))) / 2;
      ratios.push_back(at(histogram(loaded[i])) / beside);
      all_loaded.add(histogram(loaded[i]));
    }
    for (const Latencies& one : alone) all_alone.add(histogram(one));
    report_.target({.name = name,
                    .from = from_plan ? "plan" : "start",
                    .value = median(ratios),
                    .limit = limit,
                    .merged = at(all_loaded) / at(all_alone),
                    .reads = all_loaded.count()});
  }

  PalaceRead kind_;
  const StressBench& bench_;
  StressPalace& palace_;
  const StressReport& report_;
  std::string_view name_;
  std::uint64_t seed_ = 0;
  FirstError errors_;
};

}  // namespace

Status stress_palace(PalaceRead kind, const StressBench& bench, StressPalace& palace,
                     const StressReport& report) {
  return PalaceLevel(kind, bench, palace, report).run();
}

}  // namespace aeon::cli
