// The bare guard under load: readers follow one pointer to an object of 64 bytes and read it, while
// writers swap the pointer and free what it led to, under one of several ways to know when that
// may be done.
//
//   none          no guard; two objects that take turns and are never freed: the cost of the loop
//   epoch         storage::EpochDomain
//   the baselines a reader-writer mutex of the standard library, and liburcu-memb where the build
//                 found it
//
// Epochs and RCU free in batches of kFreeBatch, so both pay for the same number of grace periods.
// A freed object is overwritten first, so a reader that was let down reads it and is counted.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "api/cli/pacer.hpp"

namespace aeon::cli {

inline constexpr std::uint64_t kFreeBatch = 64;

inline constexpr std::string_view kNoGuard = "none";
inline constexpr std::string_view kEpochGuard = "epoch";
extern const std::string_view kMutexGuard;
inline constexpr std::string_view kUrcuGuard = "urcu_memb";

struct ClosedFigures {
  std::uint64_t reads = 0;
  std::int64_t ns = 0;
};

// One way. Its reads and writes are called by many threads at once, each thread for itself.
class GuardBench {
 public:
  GuardBench() = default;
  GuardBench(const GuardBench&) = delete;
  GuardBench& operator=(const GuardBench&) = delete;
  virtual ~GuardBench() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  virtual void read_paced(const Schedule& schedule, Latencies& latencies) = 0;
  // Reads without a pause from `start_ns` to `end_ns`, in steady time.
  virtual ClosedFigures read_closed(std::int64_t start_ns, std::int64_t end_ns) = 0;
  virtual void write_paced(const Schedule& schedule, Latencies& latencies) = 0;
  // The most bytes that waited to be freed since the last call.
  [[nodiscard]] virtual std::uint64_t take_retired_peak() = 0;
  // Reads that met a freed object; anything above 0 is an error of the way.
  [[nodiscard]] virtual std::uint64_t bad_reads() const = 0;
};

// All ways of this build.
[[nodiscard]] std::vector<std::unique_ptr<GuardBench>> guard_benches();
// Null where the build found no liburcu-memb.
[[nodiscard]] std::unique_ptr<GuardBench> urcu_guard_bench();

}  // namespace aeon::cli
