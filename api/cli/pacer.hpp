// Open-loop load: operations are planned at a fixed rate, whatever the earlier ones took.
//
// A loop that starts an operation when the last one is done asks the least just when the answer is
// slow: one stall of a second counts as one slow operation instead of the thousand that would have
// waited through it (coordinated omission). Here the n-th operation is planned for start + n / rate
// and its latency counts from then. Operations that the end of the schedule finds unserved count
// with what they had waited by then. The time from the real start is kept beside it: it leaves out
// the waiting of a thread that the machine did not run.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

#include "api/cli/histogram.hpp"
#include "api/cli/interrupt.hpp"

namespace aeon::cli {

// The real clock, in nanoseconds, as the pacer needs it.
class SteadyClock {
 public:
  // A thread wakes up to this much late, so a wait that must be exact ends in a spin.
  static constexpr std::int64_t kSpinNs = 200'000;

  explicit SteadyClock(bool exact) : exact_(exact) {}

  static std::int64_t now() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  // Waits until `planned` and returns the time then.
  std::int64_t wait_until(std::int64_t planned) const {
    const std::int64_t spin = exact_ ? kSpinNs : 0;
    std::int64_t time = now();
    if (planned - time > spin) {
      const std::chrono::nanoseconds wake(planned - spin);
      std::this_thread::sleep_until(std::chrono::steady_clock::time_point(wake));
      time = now();
    }
    while (time < planned) time = now();
    return time;
  }

 private:
  bool exact_;
};

struct Schedule {
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;  // nothing is planned from here on
  double rate = 0;          // operations a second, above 0
  double offset = 0;        // in intervals; keeps threads of one rate out of step

  [[nodiscard]] std::int64_t planned(std::uint64_t n) const noexcept {
    return start_ns + static_cast<std::int64_t>((static_cast<double>(n) + offset) * 1e9 / rate);
  }
};

// In nanoseconds, one clock reading included.
struct Latencies {
  Histogram planned;  // from the planned start
  Histogram service;  // from the real start; without the unserved
  std::uint64_t unserved = 0;

  void add(const Latencies& other) noexcept {
    planned.add(other.planned);
    service.add(other.service);
    unserved += other.unserved;
  }
};

// Runs `operation`, which returns whether to go on, along the schedule.
template <typename Clock, typename Operation>
void pace(Clock&& clock, const Schedule& schedule, Operation&& operation, Latencies& latencies) {
  std::uint64_t n = 0;
  for (; !interrupted(); ++n) {
    const std::int64_t planned = schedule.planned(n);
    if (planned >= schedule.end_ns) return;
    const std::int64_t begun = clock.wait_until(planned);
    if (begun >= schedule.end_ns) break;
    if (!operation()) return;
    const std::int64_t done = clock.now();
    latencies.planned.add(static_cast<std::uint64_t>(std::max(done - planned, std::int64_t{0})));
    latencies.service.add(static_cast<std::uint64_t>(std::max(done - begun, std::int64_t{0})));
  }
  for (; !interrupted(); ++n) {
    const std::int64_t planned = schedule.planned(n);
    if (planned >= schedule.end_ns) return;
    const std::int64_t waited = clock.now() - planned;
    latencies.planned.add(static_cast<std::uint64_t>(std::max(waited, std::int64_t{0})));
    ++latencies.unserved;
  }
}

}  // namespace aeon::cli
