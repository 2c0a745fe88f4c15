#include "engine/upkeep.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <new>
#include <semaphore>

using namespace aeon::engine;
using std::chrono::nanoseconds;

namespace {

constexpr std::chrono::hours kForEver{1};

}  // namespace

TEST_CASE("a task that is asked runs a slice, however often it is asked before") {
  std::binary_semaphore begun{0};
  std::binary_semaphore go{0};
  std::binary_semaphore done{0};
  int slices = 0;
  Upkeep upkeep({[&]() -> Upkeep::Again {
                   begun.release();
                   go.acquire();
                   return std::nullopt;
                 },
                 [&]() -> Upkeep::Again {
                   ++slices;
                   done.release();
                   return std::nullopt;
                 }});
  upkeep.ask(0);
  begun.acquire();
  for (int i = 0; i < 5; ++i) upkeep.ask(1);
  go.release();
  done.acquire();
  upkeep.ask(0);  // behind all that was asked for
  begun.acquire();
  CHECK(slices == 1);
  go.release();
}

TEST_CASE("slices of two tasks alternate, and an asking within a slice is not lost") {
  std::binary_semaphore begun{0};
  std::binary_semaphore go{0};
  std::binary_semaphore done{0};
  std::string order;
  Upkeep* self = nullptr;
  Upkeep upkeep({[&]() -> Upkeep::Again {
                   order += 'a';
                   if (order.size() == 1) {
                     begun.release();
                     go.acquire();
                   }
                   return order.size() < 5 ? Upkeep::Again(nanoseconds::zero()) : std::nullopt;
                 },
                 [&]() -> Upkeep::Again {
                   order += 'b';
                   if (order.size() < 6) self->ask(1);
                   if (order.size() >= 6) done.release();
                   return std::nullopt;
                 }});
  self = &upkeep;
  upkeep.ask(0);
  begun.acquire();
  upkeep.ask(1);
  go.release();
  done.acquire();
  CHECK(order == "ababab");
}

TEST_CASE("a task that rests is not run before, whoever asks; one that runs out of memory rests") {
  std::atomic<int> slices = 0;
  std::counting_semaphore<> probe{0};
  Upkeep upkeep({[&]() -> Upkeep::Again {
                   ++slices;
                   return kForEver;
                 },
                 [&]() -> Upkeep::Again {
                   ++slices;
                   throw std::bad_alloc();
                 },
                 [&]() -> Upkeep::Again {
                   probe.release();
                   return std::nullopt;
                 }});
  for (int i = 0; i < 3; ++i) {
    upkeep.ask(0);
    upkeep.ask(2);
    probe.acquire();
    CHECK(slices == 1);
  }
  for (int i = 0; i < 3; ++i) {
    upkeep.ask(1);
    upkeep.ask(2);
    probe.acquire();
  }
  CHECK(slices >= 2);
}

TEST_CASE("a rest ends by itself") {
  std::binary_semaphore done{0};
  int slices = 0;
  Upkeep upkeep({[&]() -> Upkeep::Again {
    if (++slices < 3) return nanoseconds(1'000'000);
    done.release();
    return std::nullopt;
  }});
  upkeep.ask(0);
  done.acquire();
  CHECK(slices == 3);
}

TEST_CASE("after a stop nothing runs, and asking is harmless") {
  std::atomic<int> slices = 0;
  std::binary_semaphore begun{0};
  Upkeep upkeep({[&]() -> Upkeep::Again {
    ++slices;
    begun.release();
    return nanoseconds::zero();
  }});
  upkeep.ask(0);
  begun.acquire();
  upkeep.stop();
  const int before = slices;
  for (int i = 0; i < 3; ++i) upkeep.ask(0);
  upkeep.stop();
  CHECK(slices == before);
}
