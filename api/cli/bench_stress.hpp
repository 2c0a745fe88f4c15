// Do readers wait? Open-loop reads at three levels (the bare epoch guard, a memory by id, whole
// recall) while the palace is idle, takes inserts, checkpoints, compacts; figures for each.
//
// The rounds interleave: each visits every phase, and in it every way to guard, so that all see the
// same weather of the machine. The bare guards have writers of their own (see bench_guards.hpp);
// in the phases of upkeep a palace is checkpointed or compacted beside them. The target for recall
// compares rounds alone and rounds with one thread that inserts, checkpoints and compacts in turn:
// each round of load is measured against the mean of the rounds alone before and after it, so that
// growth of the palace does not count as waiting.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/palace.hpp"

namespace aeon::cli {

struct StressBench {
  std::vector<std::string> levels = {"guard", "lookup", "recall"};
  std::uint32_t readers = 1;
  std::uint32_t writers = 1;
  double seconds = 4;  // of each phase of each level, over all rounds; in_turn: four times that
  std::uint32_t rounds = 4;
  // Reads a second, each thread.
  double guard_rate = 100'000;
  double lookup_rate = 10'000;
  double recall_rate = 400;
  // Writes a second, each thread.
  double swap_rate = 10'000;  // of guarded pointers
  double insert_rate = 200;
  std::uint32_t rows = 20'000;  // in the palace at the start
  std::uint32_t dimension = 384;
  std::uint32_t content_bytes = 256;
  std::uint32_t k = 10;
  std::uint32_t upkeep_ms = 50;  // rest between two checkpoints or compactions
  Durability durability = Durability::process;
};

// Makes palaces below `directory` and removes them again. Each line of figures is given to `print`
// as soon as it is known. Errors: those of the palace; damaged when a guard let a reader see what
// was freed.
[[nodiscard]] Status bench_stress(const std::string& directory, const StressBench& bench,
                                  const std::function<void(const std::string&)>& print);

}  // namespace aeon::cli
