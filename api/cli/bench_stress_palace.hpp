// A palace of made-up rows, and what the bench lets loose on it: readers, inserting threads, and a
// thread that checkpoints and compacts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/cli/bench_machine.hpp"
#include "api/cli/bench_stress.hpp"
#include "api/cli/first_error.hpp"
#include "api/cli/pacer.hpp"

namespace aeon::cli {

enum class Phase : std::uint8_t { idle, inserting, checkpointing, compacting, in_turn };
[[nodiscard]] std::string_view phase_name(Phase phase);

struct UpkeepFigures {
  std::uint64_t runs = 0;
  double seconds = 0;
  double longest = 0;
};

class StressPalace {
 public:
  // Rows are on the device and settled. `directory` must not exist.
  [[nodiscard]] static Result<StressPalace> make(const std::string& directory,
                                                 const StressBench& bench);

  // One thread's reads; state that stays warm between them. Not thread-safe.
  class Reader {
   public:
    Reader(const StressPalace& palace, std::uint64_t seed, FirstError& errors);
    bool look_up();  // a memory of the first rows, by id
    bool recall();   // the k nearest of a vector
   private:
    bool check(const Status& status, bool as_expected);
    const StressPalace& palace_;
    FirstError& errors_;
    std::uint64_t random_;
    Memory memory_;
    Answer answer_;
  };

  // A thread's inserts along a schedule; making the next one, about a microsecond, counts in.
  void insert(const Schedule& schedule, std::uint64_t seed, Latencies& latencies,
              FirstError& errors);
  // Commits a batch, checkpoints (or compacts), rests; again until `end_ns`.
  void keep_up(Phase phase, std::int64_t end_ns, UpkeepFigures& figures, FirstError& errors);
  // In turn: inserts along a slice of the schedule, checkpoints, inserts, compacts.
  void work_in_turn(const Schedule& schedule, std::uint64_t seed, Latencies& latencies,
                    UpkeepFigures& figures, FirstError& errors);

  [[nodiscard]] Result<Stats> stats() const { return palace_.stats(); }
  [[nodiscard]] Status close() { return palace_.close(); }

 private:
  StressPalace(Palace palace, const StressBench& bench)
      : palace_(std::move(palace)), bench_(bench) {}
  Status fill();
  void insert_from(BatchSource& source, const Schedule& schedule, Latencies& latencies,
                   FirstError& errors);
  bool run_upkeep(bool compact, UpkeepFigures& figures, FirstError& errors);

  Palace palace_;
  StressBench bench_;
  std::vector<MemoryId> ids_;
  std::vector<std::vector<float>> queries_;
};

}  // namespace aeon::cli
