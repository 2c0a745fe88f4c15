// The explorer on small programs whose outcome is known, then on the library's protocols.
#include <catch2/catch.hpp>

#include <cstdlib>

#include <fmt/format.h>

#include "tests/sim/explore.hpp"
#include "tests/sim/protocols.hpp"
#include "tests/sim/sim_atomics.hpp"

using namespace aeon::test;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// Each thread says that it is here, then looks for the other: with a fence one sees the other.
void store_buffering(Machine& machine, bool fenced) {
  SimAtomic<int> here[2];
  int seen[2] = {};
  for (int self = 0; self < 2; ++self) {
    machine.spawn([&, self] {
      here[self].store(1, kRelaxed);
      if (fenced) Machine::current()->fence();
      seen[self] = here[1 - self].load(kRelaxed);
    });
  }
  machine.run();
  if (seen[0] + seen[1] == 0) machine.fail("neither saw the other");
}

void message_passing(Machine& machine, std::memory_order store, std::memory_order load) {
  Plain<int> message("message");
  SimAtomic<int> ready{0};
  machine.spawn([&] {
    message.set(7);
    ready.store(1, store);
  });
  machine.spawn([&] {
    if (ready.load(load) == 1 && message.get() != 7) machine.fail("an old message");
  });
  machine.run();
}

// Three threads count, by load and store or in one step.
void count_to_three(Machine& machine, bool at_once) {
  SimAtomic<int> count{0};
  for (int i = 0; i < 3; ++i) {
    machine.spawn([&] {
      if (at_once) {
        count.fetch_add(1, kRelaxed);
      } else {
        count.store(count.load(kRelaxed) + 1, kRelaxed);
      }
    });
  }
  machine.run();
  if (count.load(kRelaxed) != 3) machine.fail("a step was lost");
}

Exploration all(const Scenario& scenario, Machine::Stores stores, unsigned preemptions = 2) {
  return explore_all(scenario, stores, preemptions, 100'000);
}

std::uint64_t schedules_by_chance() {
  const char* const asked = std::getenv("AEON_SCHEDULES");
  return asked == nullptr ? 10'000 : std::strtoull(asked, nullptr, 10);
}

}  // namespace

TEST_CASE("the explorer finds what only a store buffer breaks") {
  const auto bare = [](Machine& machine) { store_buffering(machine, false); };
  const auto fenced = [](Machine& machine) { store_buffering(machine, true); };
  CHECK(all(bare, Machine::Stores::at_once).complete);
  const Exploration found = all(bare, Machine::Stores::buffered);
  CHECK(found.failure == "neither saw the other");
  CHECK(replay(bare, Machine::Stores::buffered, found.schedule).failure == found.failure);
  CHECK(all(fenced, Machine::Stores::buffered, 4).complete);
  const Exploration chance = explore_by_chance(bare, Machine::Stores::buffered, 3, 1, 1000);
  CHECK(chance.failure == found.failure);
  CHECK(replay(bare, Machine::Stores::buffered, chance.schedule).failure == found.failure);
}

TEST_CASE("the explorer finds a release or an acquire that is missing") {
  const auto passing = [](std::memory_order store, std::memory_order load) {
    return all([=](Machine& machine) { message_passing(machine, store, load); },
               Machine::Stores::buffered);
  };
  const Exploration sound = passing(std::memory_order_release, std::memory_order_acquire);
  CHECK(sound.failure.empty());
  CHECK(sound.complete);
  CHECK(passing(kRelaxed, std::memory_order_acquire).failure ==
        "message: thread 2 reads it unordered with thread 1");
  CHECK_FALSE(passing(std::memory_order_release, kRelaxed).failure.empty());
}

TEST_CASE("the explorer finds an interleaving that loses a step") {
  const auto split = [](Machine& machine) { count_to_three(machine, false); };
  const auto at_once = [](Machine& machine) { count_to_three(machine, true); };
  CHECK_FALSE(all(split, Machine::Stores::at_once).failure.empty());
  CHECK_FALSE(explore_by_chance(split, Machine::Stores::at_once, 2, 1, 1000).failure.empty());
  CHECK(all(at_once, Machine::Stores::buffered, 4).complete);
  // Without a preemption nothing is lost where stores are seen at once.
  CHECK(all(split, Machine::Stores::at_once, 0).complete);
}

TEST_CASE("the library's protocols hold under every schedule that is tried") {
  std::uint64_t schedules = 0;
  std::uint64_t steps = 0;
  for (const Protocol& protocol : protocols()) {
    for (const Machine::Stores stores : {Machine::Stores::at_once, Machine::Stores::buffered}) {
      const bool buffered = stores == Machine::Stores::buffered;
      const std::uint64_t chances = schedules_by_chance();
      const Exploration depth = explore_all(protocol.scenario, stores, 2, chances);
      const Exploration chance = explore_by_chance(protocol.scenario, stores, 3, 1, chances);
      for (const Exploration& tried : {depth, chance}) {
        INFO(protocol.name << (buffered ? ", stores buffered: " : ", stores at once: ")
                           << tried.schedule);
        CHECK(tried.failure == "");
        schedules += tried.schedules;
        steps += tried.steps;
      }
      fmt::print("{:<32} {:<9} {:>7} schedules{} depth first, {} by chance\n", protocol.name,
                 buffered ? "buffered" : "at once", depth.schedules, depth.complete ? " (all)" : "",
                 chance.schedules);
    }
  }
  fmt::print("{} schedules of {} steps\n", schedules, schedules == 0 ? 0 : steps / schedules);
}

TEST_CASE("a snapshot that loads the view before the commit number is found out") {
  const Exploration found = all(snapshot_in_the_wrong_order(), Machine::Stores::at_once);
  CHECK(found.failure == "a snapshot lacks a commit");
}
