// Explores one protocol of a damaged build and succeeds when the damage is found, and found again
// by the schedule's name.
#include <string_view>

#include <fmt/format.h>

#include "tests/sim/protocols.hpp"

using namespace aeon::test;

namespace {

// 0 when nothing was found.
int show_found(const Protocol& protocol, Machine::Stores stores, const Exploration& found) {
  if (found.failure.empty()) return 0;
  const Exploration again = replay(protocol.scenario, stores, found.schedule);
  fmt::print("{}: {} (schedule {}, {})\n", protocol.name, found.failure, found.schedules,
             found.schedule);
  return again.failure == found.failure ? 1 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  for (const Protocol& protocol : protocols()) {
    if (argc != 2 || protocol.name != argv[1]) continue;
    for (const Machine::Stores stores : {Machine::Stores::at_once, Machine::Stores::buffered}) {
      int shown = show_found(protocol, stores, explore_all(protocol.scenario, stores, 2, 30'000));
      if (shown == 0) {
        shown = show_found(protocol, stores,
                           explore_by_chance(protocol.scenario, stores, 3, 1, 30'000));
      }
      if (shown != 0) return shown == 1 ? 0 : 1;
    }
    fmt::print("{}: the damage was not found\n", protocol.name);
    return 1;
  }
  fmt::print("usage: mutant PROTOCOL\n");
  return 2;
}
