// An open palace that nobody uses costs no processor time: its threads sleep in the kernel.
#include <catch2/catch.hpp>

#include <sys/resource.h>

#include <chrono>
#include <thread>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

struct Usage {
  double cpu_s;
  long switches;
};

Usage usage() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return {seconds(used.ru_utime) + seconds(used.ru_stime), used.ru_nvcsw + used.ru_nivcsw};
}

Result<Ack> remember(Palace& palace) {
  NewMemory memory;
  memory.content = std::string(2000, 'x');
  Batch batch;
  batch.remember(std::move(memory));
  return palace.commit(std::move(batch), Durability::process);
}

}  // namespace

TEST_CASE("idle palaces use no processor") {
  constexpr int kPalaces = 4;
  constexpr int kSeconds = 3;
  const test::TempDirectory scratch;
  OpenOptions options;
  options.checkpoint_bytes = 1 << 20;
  std::vector<Palace> palaces;
  // Two palaces, each opened twice, after work that leaves a kept lock, spares and a checkpoint.
  for (int i = 0; i < kPalaces; ++i) {
    const std::string directory = scratch / std::to_string(i % 2);
    palaces.push_back(
        (i < 2 ? Palace::create(directory, {}, options) : Palace::open(directory, options))
            .value());
    for (int n = 0; n < 1000; ++n) REQUIRE(remember(palaces.back()).has_value());
  }
  // Until what was asked for is done: the work of an idle palace comes to an end.
  std::uint64_t settled = 0;
  for (int still = 0; still < 20; ++still) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::uint64_t now = 0;
    for (const Palace& palace : palaces) now += palace.stats()->settled;
    if (now != settled) still = 0;
    settled = now;
  }
  REQUIRE(settled > 0);
  const Usage before = usage();
  std::this_thread::sleep_for(std::chrono::seconds(kSeconds));
  const Usage after = usage();
  const double cpu_ms = (after.cpu_s - before.cpu_s) * 1e3;
  WARN(kPalaces << " idle palaces for " << kSeconds << " s: " << cpu_ms << " ms of processor time, "
                << after.switches - before.switches << " context switches");
  // A thread that spins would take 3,000 ms; one that polls every millisecond switches 3,000 times.
  CHECK(cpu_ms < 150);
  CHECK(after.switches - before.switches < 300);
}
