#include "api/cli/pacer.hpp"

#include <catch2/catch.hpp>

using namespace aeon::cli;

namespace {

// Time that passes only when the test says so.
struct FakeClock {
  std::int64_t time = 0;
  [[nodiscard]] std::int64_t now() const { return time; }
  std::int64_t wait_until(std::int64_t planned) {
    time = std::max(time, planned);
    return time;
  }
};

constexpr Schedule kHundred{.start_ns = 1'000, .end_ns = 101'000, .rate = 1e6};  // one a us

}  // namespace

TEST_CASE("operations run at their planned times") {
  FakeClock clock;
  Latencies latencies;
  pace(clock, kHundred, [&] { return (clock.time += 10) > 0; }, latencies);
  CHECK(latencies.planned.count() == 100);
  CHECK(latencies.planned.max() == 10);
  CHECK(latencies.service.max() == 10);
  CHECK(latencies.unserved == 0);
}

TEST_CASE("what waits behind a stalled operation counts from its planned start") {
  FakeClock clock;
  Latencies latencies;
  int calls = 0;
  const auto stall_once = [&] {
    clock.time += ++calls == 11 ? 50'000 : 10;
    return true;
  };
  pace(clock, kHundred, stall_once, latencies);
  CHECK(latencies.planned.count() == 100);
  CHECK(latencies.planned.max() == 50'000);
  // The stall hit one operation and made about fifty others wait, by 25 us in the middle.
  CHECK(latencies.planned.above(1'000) > 45);
  CHECK(latencies.planned.quantile(0.75) > 20'000);
  CHECK(latencies.service.above(1'000) == 1);
}

TEST_CASE("operations that the end finds unserved count with what they had waited") {
  FakeClock clock;
  Latencies latencies;
  pace(clock, kHundred, [&] { return (clock.time += 10'000) > 0; }, latencies);
  CHECK(latencies.service.count() == 10);
  CHECK(latencies.unserved == 90);
  CHECK(latencies.planned.count() == 100);
  CHECK(latencies.planned.quantile(0.5) > 40'000);
}

TEST_CASE("an operation that fails ends the load") {
  FakeClock clock;
  Latencies latencies;
  pace(clock, kHundred, [] { return false; }, latencies);
  CHECK(latencies.planned.count() == 0);
  CHECK(latencies.unserved == 0);
}

TEST_CASE("threads of one rate are kept out of step") {
  const Schedule half{.start_ns = 0, .end_ns = 10'000, .rate = 1e6, .offset = 0.5};
  CHECK(half.planned(0) == 500);
  CHECK(half.planned(3) == 3'500);
}
