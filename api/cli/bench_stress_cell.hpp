// One cell of the stress table: a kind of read under one kind of load, run for a while in each
// round, its figures added up over the rounds.
#pragma once

#include <functional>
#include <vector>

#include "api/cli/bench_guards.hpp"
#include "api/cli/bench_stress_palace.hpp"
#include "api/cli/pacer.hpp"

namespace aeon::cli {

struct Cell {
  Latencies reads;
  Latencies writes;
  UpkeepFigures upkeep;
  double seconds = 0;
  std::uint64_t retired_bytes = 0;    // the most seen; guards only
  std::uint64_t retired_objects = 0;  // the most seen; palaces only
  std::uint64_t tail_bytes = 0;       // the most seen; palaces only
  std::uint64_t first_rows = 0;       // of the palace; 0: none takes part
  std::uint64_t last_rows = 0;
};

// What the threads of a cell do. Each call is one thread's whole part.
struct CellPlan {
  std::uint32_t readers = 1;
  double read_rate = 1;  // each reader
  std::function<void(const Schedule&, std::uint32_t thread, Latencies&)> read;
  std::uint32_t writers = 0;
  double write_rate = 1;
  std::function<void(const Schedule&, std::uint32_t thread, Latencies&)> write;
  // Beside the writers, at their rate; empty: none.
  std::function<void(const Schedule&, Latencies& writes, UpkeepFigures&)> upkeep;
  // Called now and then while the others work; empty: never.
  std::function<void(Cell&)> sample;
};

// Runs the plan's threads for `seconds`, adds what they saw to `cell`, and returns the reads alone.
Latencies run_cell(const CellPlan& plan, double seconds, Cell& cell);

// Reads without a pause, for so many seconds, on so many threads; thread-nanoseconds.
using ClosedRead =
    std::function<ClosedFigures(std::int64_t start_ns, std::int64_t end_ns, std::uint32_t thread)>;
ClosedFigures run_closed(std::uint32_t threads, double seconds, const ClosedRead& read);

// What one reading of the clock costs, in ns: the median of many.
[[nodiscard]] std::uint64_t clock_cost_ns();

}  // namespace aeon::cli
