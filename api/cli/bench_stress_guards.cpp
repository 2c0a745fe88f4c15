#include <algorithm>

#include <fmt/format.h>

#include "api/cli/bench_stress_levels.hpp"

namespace aeon::cli {
namespace {

constexpr std::string_view kLevel = "guard";
constexpr std::size_t kInserting = 1;  // in kPhases

class GuardLevel {
 public:
  GuardLevel(const StressBench& bench, StressPalace& palace, const StressReport& report)
      : bench_(bench), palace_(palace), report_(report), cells_(kPhases.size()) {
    for (auto& cells : cells_) cells = std::vector<Cell>(guards_.size());
  }

  Status run() {
    std::vector<std::string_view> names;
    for (const auto& guard : guards_) names.push_back(guard->name());
    report_.baselines(names);
    for (std::uint32_t round = 0; round < bench_.rounds; ++round) AEON_TRY(run_round());
    for (std::size_t phase = 0; phase < kPhases.size(); ++phase) {
      for (std::size_t guard = 0; guard < guards_.size(); ++guard) {
        report_.cell(kLevel, guards_[guard]->name(), kPhases[phase], plan(phase, guard),
                     cells_[phase][guard]);
      }
    }
    scale();
    judge_latencies();
    return check_reads();
  }

 private:
  CellPlan plan(std::size_t phase, std::size_t at) {
    CellPlan plan = plan_of(kPhases[phase], bench_, palace_, errors_);
    GuardBench& guard = *guards_[at];
    plan.read_rate = bench_.guard_rate;
    plan.read = [&guard](const Schedule& schedule, std::uint32_t /*thread*/, Latencies& latencies) {
      guard.read_paced(schedule, latencies);
    };
    plan.writers = kPhases[phase] == Phase::idle ? 0 : bench_.writers;
    plan.write_rate = bench_.swap_rate;
    plan.write = [&guard](const Schedule& schedule, std::uint32_t /*thread*/,
                          Latencies& latencies) { guard.write_paced(schedule, latencies); };
    return plan;
  }

  Status run_round() {
    for (std::size_t phase = 0; phase < kPhases.size(); ++phase) {
      for (std::size_t guard = 0; guard < guards_.size() && !interrupted(); ++guard) {
        Cell& cell = cells_[phase][guard];
        run_cell(plan(phase, guard), bench_.seconds / bench_.rounds, cell);
        cell.retired_bytes = std::max(cell.retired_bytes, guards_[guard]->take_retired_peak());
        AEON_TRY(errors_.status());
      }
    }
    return {};
  }

  [[nodiscard]] std::size_t find(std::string_view name) const {
    const auto found = std::ranges::find(guards_, name, [](const auto& g) { return g->name(); });
    return static_cast<std::size_t>(found - guards_.begin());
  }

  void scale() {
    std::vector<ScalingSubject> subjects;
    for (const auto& guard : guards_) {
      subjects.push_back({guard->name(), [&guard = *guard](std::int64_t start, std::int64_t end,
                                                           std::uint32_t /*thread*/) {
                            return guard.read_closed(start, end);
                          }});
    }
    const Scaling scaling = measure_scaling(kLevel, bench_, subjects, report_);
    const std::size_t epoch = find(kEpochGuard);
    const std::size_t urcu = find(kUrcuGuard);
    for (std::size_t at = 0; at < 2; ++at) {  // one and two threads
      const double ns = scaling.ns_per_read(epoch, at);
      report_.target({.name = at == 0 ? "guard_ns_one_thread" : "guard_ns_two_threads",
                      .value = ns,
                      .limit = 2});
      if (urcu == guards_.size()) continue;
      report_.target(
          {.name = at == 0 ? "guard_ns_above_urcu_one_thread" : "guard_ns_above_urcu_two_threads",
           .value = ns - scaling.ns_per_read(urcu, at),
           .limit = 2});
    }
    report_.target({.name = "guard_two_threads_over_one",
                    .value = scaling.over_one(epoch, 1),
                    .limit = 1.8,
                    .at_least = true});
  }

  void judge_latencies() const {
    const Cell& epoch = cells_[kInserting][find(kEpochGuard)];
    const Cell& mutex = cells_[kInserting][find(kMutexGuard)];
    judge_histogram("plan", epoch.reads.planned, mutex.reads.planned);
    judge_histogram("start", epoch.reads.service, mutex.reads.service);
  }

  void judge_histogram(std::string_view from, const Histogram& epoch,
                       const Histogram& mutex) const {
    const auto net = [this](const Histogram& histogram, double q) {
      return static_cast<double>(report_.net(histogram.quantile(q)));
    };
    report_.target({.name = "guard_p99_ns",
                    .from = from,
                    .value = net(epoch, 0.99),
                    .limit = 30,
                    .reads = epoch.count()});
    report_.target({.name = "guard_p999_ns",
                    .from = from,
                    .value = net(epoch, 0.999),
                    .limit = 100,
                    .reads = epoch.count()});
    // A guard faster than the clock can tell counts as 1 ns.
    report_.target({.name = "mutex_p99_over_guard_p99",
                    .from = from,
                    .value = net(mutex, 0.99) / std::max(1.0, net(epoch, 0.99)),
                    .limit = 10,
                    .at_least = true,
                    .reads = epoch.count()});
  }

  [[nodiscard]] Status check_reads() const {
    for (const auto& guard : guards_) {
      if (guard->bad_reads() == 0) continue;
      return fail(Errc::damaged, fmt::format("{} reads under the guard \"{}\" met a freed object",
                                             guard->bad_reads(), guard->name()));
    }
    return {};
  }

  const StressBench& bench_;
  StressPalace& palace_;
  const StressReport& report_;
  std::vector<std::unique_ptr<GuardBench>> guards_ = guard_benches();
  std::vector<std::vector<Cell>> cells_;  // of each phase, of each guard
  FirstError errors_;
};

}  // namespace

Status stress_guards(const StressBench& bench, StressPalace& palace, const StressReport& report) {
  return GuardLevel(bench, palace, report).run();
}

}  // namespace aeon::cli
