// The loops of a GuardBench around one way `Way`, made for each so that its guard is inlined as it
// would be in a program. A Way has
//
//   struct Thread { explicit Thread(Way&); };  made by each thread, its life is the loop
//   std::uint64_t read(Thread&);               the object's check number, read inside a guard
//   void write(Thread&);                       puts a new object in place of the old one
#pragma once

#include <atomic>

#include "api/cli/bench_guards.hpp"

namespace aeon::cli {

struct alignas(64) GuardedObject {
  static constexpr std::uint64_t kAlive = 0x0a11'fe00'0a11'fe00;
  static constexpr std::uint64_t kFreed = 0xdead'dead'dead'dead;
  // Relaxed: the way under test orders it.
  std::atomic<std::uint64_t> check{kAlive};

  [[nodiscard]] std::uint64_t read() const noexcept {
    return check.load(std::memory_order_relaxed);
  }
};

inline void free_object(GuardedObject* object) noexcept {
  object->check.store(GuardedObject::kFreed, std::memory_order_relaxed);
  delete object;
}

// The largest of what many threads saw.
class Peak {
 public:
  void see(std::uint64_t value) noexcept {
    std::uint64_t known = peak_.load(std::memory_order_relaxed);  // relaxed: a figure for people
    while (known < value && !peak_.compare_exchange_weak(known, value, std::memory_order_relaxed)) {
    }
  }
  std::uint64_t take() noexcept { return peak_.exchange(0, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> peak_{0};
};

template <typename Way>
class GuardBenchOf final : public GuardBench {
 public:
  explicit GuardBenchOf(std::string_view name) : name_(name) {}

  [[nodiscard]] std::string_view name() const override { return name_; }

  void read_paced(const Schedule& schedule, Latencies& latencies) override {
    typename Way::Thread thread(way_);
    std::uint64_t bad = 0;
    const auto read = [&] {
      bad += way_.read(thread) != GuardedObject::kAlive;
      return true;
    };
    pace(SteadyClock(true), schedule, read, latencies);
    bad_.fetch_add(bad, std::memory_order_relaxed);  // relaxed: a figure, read after the threads
  }

  ClosedFigures read_closed(std::int64_t start_ns, std::int64_t end_ns) override {
    constexpr std::uint64_t kReads = 1024;  // between two looks at the clock
    typename Way::Thread thread(way_);
    std::uint64_t bad = 0;
    ClosedFigures figures;
    const std::int64_t begun = SteadyClock(true).wait_until(start_ns);
    for (std::int64_t now = begun; now < end_ns && !interrupted(); now = SteadyClock::now()) {
      for (std::uint64_t i = 0; i < kReads; ++i) {
        bad += way_.read(thread) != GuardedObject::kAlive;
      }
      figures.reads += kReads;
    }
    figures.ns = SteadyClock::now() - begun;
    bad_.fetch_add(bad, std::memory_order_relaxed);
    return figures;
  }

  void write_paced(const Schedule& schedule, Latencies& latencies) override {
    typename Way::Thread thread(way_);
    const auto write = [&] {
      way_.write(thread);
      return true;
    };
    pace(SteadyClock(false), schedule, write, latencies);
  }

  [[nodiscard]] std::uint64_t take_retired_peak() override { return way_.retired_peak.take(); }
  [[nodiscard]] std::uint64_t bad_reads() const override {
    return bad_.load(std::memory_order_relaxed);
  }

 private:
  std::string_view name_;  // a constant
  Way way_;
  std::atomic<std::uint64_t> bad_{0};
};

}  // namespace aeon::cli
