#include "tests/sim/explore.hpp"

#include <algorithm>
#include <random>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace aeon::test {

namespace {

// Follows a path of choices; where it ends, goes on with the free one and makes the path longer.
class PathChooser : public Chooser {
 public:
  explicit PathChooser(unsigned preemptions) : preemptions_(preemptions) {}

  std::size_t choose(std::span<const Choice> options, bool free) override {
    if (at_ == path_.size()) {
      path_.push_back({0, free || spent_ < preemptions_ ? options.size() : 1});
    }
    const std::size_t chosen = std::min(path_[at_++].chosen, options.size() - 1);
    if (!free && chosen != 0) ++spent_;
    return chosen;
  }
  // To the next path within the bound; false when there is none.
  bool advance() {
    at_ = 0;
    spent_ = 0;
    while (!path_.empty() && path_.back().chosen + 1 >= path_.back().options) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().chosen;
    return true;
  }
  void follow(std::istream& choices) {
    for (std::size_t chosen = 0; choices >> chosen;) path_.push_back({chosen, chosen + 1});
  }
  [[nodiscard]] std::string name() const {
    std::vector<std::size_t> choices;
    for (const Point& point : path_) choices.push_back(point.chosen);
    while (!choices.empty() && choices.back() == 0)
      choices.pop_back();  // what replay() does anyway
    return fmt::format("choices {}", fmt::join(choices, " "));
  }

 private:
  struct Point {
    std::size_t chosen;
    std::size_t options;
  };
  const unsigned preemptions_;
  std::vector<Point> path_;
  std::size_t at_ = 0;
  unsigned spent_ = 0;
};

// Leaves a thread at one step in four.
class CoinChooser : public Chooser {
 public:
  explicit CoinChooser(std::uint64_t seed) : random_(seed) {}
  std::size_t choose(std::span<const Choice> options, bool free) override {
    if (!free && random_() % 4 != 0) return 0;
    return random_() % options.size();
  }

 private:
  std::mt19937_64 random_;
};

class PriorityChooser : public Chooser {
 public:
  PriorityChooser(std::uint64_t seed, unsigned depth, std::uint64_t steps) : random_(seed) {
    for (std::uint64_t& priority : priorities_) priority = 1000 + random_() % 1'000'000;
    for (unsigned i = 1; i < depth; ++i) changes_.push_back(random_() % std::max(steps, 1UL));
  }
  std::size_t choose(std::span<const Choice> options, bool /*free*/) override {
    std::size_t best = highest(options);
    const auto change = std::ranges::find(changes_, step_++);
    if (change != changes_.end()) {
      priority(options[best]) = static_cast<std::uint64_t>(change - changes_.begin());
      best = highest(options);
    }
    return best;
  }

 private:
  std::uint64_t& priority(const Choice& choice) {
    return priorities_[2 * choice.thread + (choice.drain ? 1 : 0)];
  }
  std::size_t highest(std::span<const Choice> options) {
    const auto best = std::ranges::max_element(
        options, {}, [this](const Choice& choice) { return priority(choice); });
    return static_cast<std::size_t>(best - options.begin());
  }

  std::mt19937_64 random_;
  std::array<std::uint64_t, 2 * kMostThreads> priorities_;
  std::vector<std::uint64_t> changes_;
  std::uint64_t step_ = 0;
};

// True when the schedule failed.
bool run_one(const Scenario& scenario, Machine::Stores stores, Chooser& chooser,
             Exploration& exploration) {
  Machine machine(chooser, stores);
  scenario(machine);
  ++exploration.schedules;
  exploration.steps += machine.steps();
  exploration.failure = machine.failure();
  return !exploration.failure.empty();
}

constexpr std::uint64_t kTypicalSteps = 100;

bool run_seed(const Scenario& scenario, Machine::Stores stores, std::uint64_t seed, unsigned depth,
              Exploration& exploration) {
  CoinChooser coin(seed);
  PriorityChooser priorities(seed, depth, kTypicalSteps);
  const bool failed = seed % 2 == 0 ? run_one(scenario, stores, coin, exploration)
                                    : run_one(scenario, stores, priorities, exploration);
  if (failed) exploration.schedule = fmt::format("seed {} {}", seed, depth);
  return failed;
}

}  // namespace

Exploration explore_all(const Scenario& scenario, Machine::Stores stores, unsigned preemptions,
                        std::uint64_t most_schedules) {
  Exploration exploration;
  PathChooser chooser(preemptions);
  while (exploration.schedules < most_schedules) {
    if (run_one(scenario, stores, chooser, exploration)) {
      exploration.schedule = chooser.name();
      return exploration;
    }
    if (!chooser.advance()) {
      exploration.complete = true;
      return exploration;
    }
  }
  return exploration;
}

Exploration explore_by_chance(const Scenario& scenario, Machine::Stores stores, unsigned depth,
                              std::uint64_t seed, std::uint64_t count) {
  Exploration exploration;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (run_seed(scenario, stores, seed + i, depth, exploration)) break;
  }
  return exploration;
}

Exploration replay(const Scenario& scenario, Machine::Stores stores, const std::string& schedule) {
  Exploration exploration;
  std::istringstream words(schedule);
  std::string kind;
  words >> kind;
  if (kind == "seed") {
    std::uint64_t seed = 0;
    unsigned depth = 0;
    words >> seed >> depth;
    run_seed(scenario, stores, seed, depth, exploration);
    return exploration;
  }
  PathChooser chooser(0);
  chooser.follow(words);
  run_one(scenario, stores, chooser, exploration);
  return exploration;
}

}  // namespace aeon::test
