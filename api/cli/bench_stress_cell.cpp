#include "api/cli/bench_stress_cell.hpp"

#include <algorithm>
#include <thread>

namespace aeon::cli {
namespace {

// Threads are made and warm themselves in this time before the first planned operation.
constexpr std::int64_t kLeadNs = 50'000'000;
constexpr std::int64_t kSampleNs = 50'000'000;

void add(UpkeepFigures& sum, const UpkeepFigures& part) {
  sum.runs += part.runs;
  sum.seconds += part.seconds;
  sum.longest = std::max(sum.longest, part.longest);
}

}  // namespace

Latencies run_cell(const CellPlan& plan, double seconds, Cell& cell) {
  const std::int64_t start = SteadyClock::now() + kLeadNs;
  const std::int64_t end = start + static_cast<std::int64_t>(seconds * 1e9);
  const auto schedule = [&](double rate, std::uint32_t thread, std::uint32_t threads) {
    return Schedule{start, end, rate, static_cast<double>(thread) / threads};
  };
  std::vector<Latencies> reads(plan.readers);
  std::vector<Latencies> writes(plan.writers + 1);  // the last one is upkeep's
  UpkeepFigures upkeep;
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t i = 0; i < plan.readers; ++i) {
      threads.emplace_back(
          [&, i] { plan.read(schedule(plan.read_rate, i, plan.readers), i, reads[i]); });
    }
    for (std::uint32_t i = 0; i < plan.writers; ++i) {
      threads.emplace_back(
          [&, i] { plan.write(schedule(plan.write_rate, i, plan.writers), i, writes[i]); });
    }
    if (plan.upkeep) {
      threads.emplace_back(
          [&] { plan.upkeep(schedule(plan.write_rate, 0, 1), writes.back(), upkeep); });
    }
    const SteadyClock clock(false);
    for (std::int64_t now = start; now < end && !interrupted(); now = SteadyClock::now()) {
      clock.wait_until(std::min(now + kSampleNs, end));
      if (plan.sample) plan.sample(cell);
    }
  }
  Latencies all;
  for (const Latencies& one : reads) all.add(one);
  for (const Latencies& one : writes) cell.writes.add(one);
  cell.reads.add(all);
  add(cell.upkeep, upkeep);
  cell.seconds += seconds;
  return all;
}

ClosedFigures run_closed(std::uint32_t threads, double seconds, const ClosedRead& read) {
  const std::int64_t start = SteadyClock::now() + kLeadNs;
  const std::int64_t end = start + static_cast<std::int64_t>(seconds * 1e9);
  std::vector<ClosedFigures> parts(threads);
  {
    std::vector<std::jthread> running;
    for (std::uint32_t i = 0; i < threads; ++i) {
      running.emplace_back([&, i] { parts[i] = read(start, end, i); });
    }
  }
  ClosedFigures sum;
  for (const ClosedFigures& part : parts) {
    sum.reads += part.reads;
    sum.ns += part.ns;
  }
  return sum;
}

std::uint64_t clock_cost_ns() {
  constexpr int kReadings = 200'000;
  Histogram histogram;
  std::int64_t last = SteadyClock::now();
  for (int i = 0; i < kReadings; ++i) {
    const std::int64_t now = SteadyClock::now();
    histogram.add(static_cast<std::uint64_t>(now - last));
    last = now;
  }
  return histogram.quantile(0.5);
}

}  // namespace aeon::cli
