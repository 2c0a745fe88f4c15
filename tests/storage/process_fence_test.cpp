#include "storage/process_fence.hpp"

#include <atomic>
#include <cstdint>
#include <thread>

#include <catch2/catch.hpp>

using namespace aeon::storage;

namespace {

// The two sides of the race, on cache lines of their own.
struct Race {
  alignas(64) std::atomic<int> frequent{0};
  alignas(64) std::atomic<int> rare{0};
  alignas(64) std::atomic<int> started{0};
  alignas(64) std::atomic<int> finished{0};
  int frequent_saw = 0;
};

void run_frequent_side(Race& race, int rounds, bool asymmetric) {
  for (int round = 1; round <= rounds; ++round) {
    for (int spins = 1; race.started.load(std::memory_order_acquire) != round; ++spins) {
      if (spins % 10'000 == 0) std::this_thread::yield();
    }
    race.frequent.store(round, std::memory_order_relaxed);
    light_fence(asymmetric);
    race.frequent_saw = race.rare.load(std::memory_order_relaxed);
    race.finished.store(round, std::memory_order_release);
  }
}

// Rounds in which neither side saw the other's store.
int count_both_blind(int rounds, bool asymmetric) {
  Race race;
  int blind = 0;
  std::thread frequent([&] { run_frequent_side(race, rounds, asymmetric); });
  for (int round = 1; round <= rounds; ++round) {
    race.started.store(round, std::memory_order_release);
    for (volatile int delay = round % 64; delay > 0;) delay = delay - 1;
    race.rare.store(round, std::memory_order_relaxed);
    heavy_fence(asymmetric);
    const int rare_saw = race.frequent.load(std::memory_order_relaxed);
    while (race.finished.load(std::memory_order_acquire) != round) std::this_thread::yield();
    blind += rare_saw != round && race.frequent_saw != round;
  }
  frequent.join();
  return blind;
}

}  // namespace

TEST_CASE("a fence raised for the process orders a store and a load of another thread") {
  REQUIRE(has_process_fence() == has_process_fence());
  REQUIRE(count_both_blind(3000, has_process_fence()) == 0);
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
TEST_CASE("under the thread sanitizer both sides run a fence that it can see") {
  REQUIRE_FALSE(has_process_fence());
}
#endif
#endif

TEST_CASE("where the kernel raises no fence both sides run one themselves") {
  REQUIRE(count_both_blind(3000, false) == 0);
}
