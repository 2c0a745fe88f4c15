// Runs a scenario under many schedules, until one fails.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tests/sim/schedule.hpp"

namespace aeon::test {

// Makes its objects, spawns its threads, calls run() and looks at what came out; the same every
// time but for what the machine chooses.
using Scenario = std::function<void(Machine& machine)>;

struct Exploration {
  std::uint64_t schedules = 0;
  std::uint64_t steps = 0;  // of all schedules
  bool complete = false;    // there are no more within the bound
  std::string failure;      // what went wrong, empty when nothing did
  std::string schedule;     // the one that failed, for replay(): choices or a seed
};

// Depth first over all schedules in which a thread that could go on is left, or a store is let out
// early, at most `preemptions` times.
[[nodiscard]] Exploration explore_all(const Scenario& scenario, Machine::Stores stores,
                                      unsigned preemptions, std::uint64_t most_schedules);
// `count` schedules each by chance: a coin at every step, and random priorities that change
// `depth - 1` times (probabilistic concurrency testing).
[[nodiscard]] Exploration explore_by_chance(const Scenario& scenario, Machine::Stores stores,
                                            unsigned depth, std::uint64_t seed,
                                            std::uint64_t count);
// One schedule again, as `Exploration::schedule` names it.
[[nodiscard]] Exploration replay(const Scenario& scenario, Machine::Stores stores,
                                 const std::string& schedule);

}  // namespace aeon::test
