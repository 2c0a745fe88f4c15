#include "api/cli/bench_stress_report.hpp"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "api/cli/bench_machine.hpp"
#include "api/cli/command.hpp"
#include "simd/kernels.hpp"

namespace aeon::cli {
namespace {

// A commit slower than this is called a stall.
constexpr std::uint64_t kStallNs = 10'000'000;

struct NamedQuantile {
  const char* name;
  double q;
};
constexpr NamedQuantile kQuantiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};

}  // namespace

double Scaling::ns_per_read(std::size_t subject, std::size_t at) const {
  const ClosedFigures& of = figures[subject][at];
  return of.reads == 0 ? 0 : static_cast<double>(of.ns) / static_cast<double>(of.reads);
}

double Scaling::reads_per_s(std::size_t subject, std::size_t at) const {
  const double ns = ns_per_read(subject, at);
  return ns > 0 ? threads[at] * 1e9 / ns : 0;
}

double Scaling::over_one(std::size_t subject, std::size_t at) const {
  const double one = reads_per_s(subject, 0);
  return one > 0 ? reads_per_s(subject, at) / one : 0;
}

StressReport::StressReport(const StressBench& bench, std::string directory,
                           const std::function<void(const std::string&)>& print)
    : bench_(bench),
      directory_(std::move(directory)),
      print_(print),
      simd_(simd::kernel_choice().name),
      clock_ns_(clock_cost_ns()) {}

void StressReport::finish(api::JsonLine line) const {
  line.add("clock_ns", clock_ns_).add("rounds", bench_.rounds).add("directory", directory_);
  line.add("data", "gaussian").add("dimension", bench_.dimension);
  line.add("precision", "int8+float16").add("rows", bench_.rows).add("k", bench_.k);
  line.add("content_bytes", bench_.content_bytes);
  line.add("durability", durability_name(bench_.durability)).add("cores", cores());
  add_machine(line, simd_);
  print_(std::move(line).finish());
}

void StressReport::baselines(const std::vector<std::string_view>& guards) const {
  std::vector<std::string> names;
  bool urcu = false;
  for (const std::string_view name : guards) {
    api::append_json_string(names.emplace_back(), name);
    urcu = urcu || name == kUrcuGuard;
  }
  api::JsonLine line;
  line.add("bench", "stress_guards").add_raw("guards", api::json_array(names));
  if (!urcu) line.add("absent", fmt::format("{}: this build found no liburcu-dev", kUrcuGuard));
  finish(std::move(line));
}

void StressReport::cell(std::string_view level, std::string_view guard, Phase phase,
                        const CellPlan& plan, const Cell& cell) const {
  api::JsonLine line;
  line.add("bench", "stress").add("level", level);
  if (!guard.empty()) line.add("guard", guard);
  const std::uint32_t threads = plan.readers + plan.writers + (plan.upkeep ? 1 : 0);
  line.add("phase", phase_name(phase)).add("readers", plan.readers).add("writers", plan.writers);
  line.add("oversubscribed", threads > cores()).add("seconds", cell.seconds);
  line.add("reads_per_s_each", plan.read_rate).add("reads", cell.reads.planned.count());
  line.add("unserved", cell.reads.unserved);
  for (const auto& [name, q] : kQuantiles) {
    line.add(fmt::format("{}_ns", name), net(cell.reads.planned.quantile(q)));
  }
  for (const auto& [name, q] : kQuantiles) {
    line.add(fmt::format("from_start_{}_ns", name), net(cell.reads.service.quantile(q)));
  }
  if (const Latencies& writes = cell.writes; writes.planned.count() > 0) {
    line.add("writes_per_s_each", plan.write_rate).add("writes", writes.planned.count());
    line.add("writes_unserved", writes.unserved);
    for (const auto& [name, q] : kQuantiles) {
      line.add(fmt::format("write_{}_ns", name), net(writes.planned.quantile(q)));
    }
    line.add("write_from_start_max_ns", net(writes.service.max()));
    line.add("write_stalls_over_10_ms", writes.planned.above(kStallNs));
  }
  if (cell.upkeep.runs > 0) {
    line.add("upkeep_runs", cell.upkeep.runs).add("upkeep_s", cell.upkeep.seconds);
    line.add("upkeep_longest_s", cell.upkeep.longest);
  }
  if (!guard.empty()) line.add("retired_bytes_peak", cell.retired_bytes);
  if (cell.last_rows > 0) {
    line.add("retired_objects_peak", cell.retired_objects).add("tail_bytes_peak", cell.tail_bytes);
    line.add("first_rows", cell.first_rows).add("last_rows", cell.last_rows);
  }
  finish(std::move(line));
}

void StressReport::scaling(std::string_view level, std::string_view guard, const Scaling& scaling,
                           std::size_t subject, std::size_t at) const {
  const std::uint32_t threads = scaling.threads[at];
  api::JsonLine line;
  line.add("bench", "stress_scaling").add("level", level);
  if (!guard.empty()) line.add("guard", guard);
  line.add("threads", threads).add("oversubscribed", threads > cores());
  line.add("reads", scaling.figures[subject][at].reads);
  line.add("reads_per_s", scaling.reads_per_s(subject, at));
  line.add("over_one", scaling.over_one(subject, at));
  line.add("ns_per_read", scaling.ns_per_read(subject, at));
  finish(std::move(line));
}

void StressReport::target(const Target& target) const {
  api::JsonLine line;
  line.add("bench", "stress_target").add("target", target.name);
  if (!target.from.empty()) line.add("from", target.from);
  line.add("value", target.value).add(target.at_least ? "at_least" : "at_most", target.limit);
  line.add("met", target.at_least ? target.value >= target.limit : target.value <= target.limit);
  if (target.merged > 0) line.add("merged", target.merged);
  if (target.reads > 0) line.add("reads", target.reads);
  line.add("readers", bench_.readers).add("writers", bench_.writers);
  finish(std::move(line));
}

}  // namespace aeon::cli
