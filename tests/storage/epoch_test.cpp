#include "storage/epoch.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include <pthread.h>

using aeon::storage::EpochDomain;
using aeon::storage::EpochStats;

namespace {

struct Counted {
  explicit Counted(std::atomic<int>& freed) : freed_(freed) {}
  ~Counted() { freed_.fetch_add(1); }
  std::atomic<int>& freed_;
};

// Runs `work` on its own thread to the end.
template <typename Work>
void elsewhere(Work work) {
  std::thread(work).join();
}

}  // namespace

TEST_CASE("what nobody reads is freed by the next reclaim") {
  std::atomic<int> freed{0};
  EpochDomain domain;
  domain.retire(new Counted(freed), 100);
  domain.retire(new Counted(freed), 20);
  REQUIRE(domain.stats().retired_objects == 2);
  REQUIRE(domain.stats().retired_bytes == 120);
  REQUIRE(freed == 0);
  REQUIRE(domain.try_reclaim() == 2);
  REQUIRE(freed == 2);
  const EpochStats stats = domain.stats();
  REQUIRE(stats.retired_objects == 0);
  REQUIRE(stats.retired_bytes == 0);
  REQUIRE(stats.freed_objects == 2);
  REQUIRE(stats.open_guards == 0);
  REQUIRE(domain.try_reclaim() == 0);
}

TEST_CASE("a guard holds back what was retired since, and only that") {
  std::atomic<int> freed{0};
  EpochDomain domain;
  domain.retire(new Counted(freed));
  domain.try_reclaim();
  REQUIRE(freed == 1);
  {
    const auto guard = domain.enter();
    for (std::uint64_t round = 1; round <= 5; ++round) {
      domain.retire(new Counted(freed));
      REQUIRE(domain.try_reclaim() == 0);
      REQUIRE(domain.stats().oldest_guard_epochs == round);
    }
    REQUIRE(domain.stats().open_guards == 1);
    REQUIRE(domain.stats().retired_objects == 5);
  }
  REQUIRE(domain.try_reclaim() == 5);
  REQUIRE(freed == 6);
}

TEST_CASE("a guard that began after the retirement was stamped doesn't hold it back") {
  std::atomic<int> freed{0};
  EpochDomain domain;
  std::optional<std::thread> old_reader;
  std::atomic<int> stage{0};
  old_reader.emplace([&] {
    const auto guard = domain.enter();
    stage = 1;
    while (stage != 2) std::this_thread::yield();
  });
  while (stage != 1) std::this_thread::yield();
  domain.retire(new Counted(freed));
  REQUIRE(domain.try_reclaim() == 0);
  const auto young = domain.enter();
  stage = 2;
  old_reader->join();
  REQUIRE(domain.try_reclaim() == 1);
}

TEST_CASE("guards nest: the inner one's end protects nothing less") {
  std::atomic<int> freed{0};
  EpochDomain domain;
  {
    const auto outer = domain.enter();
    {
      const auto inner = domain.enter();
    }
    domain.retire(new Counted(freed));
    {
      const auto inner = domain.enter();
    }
    REQUIRE(domain.try_reclaim() == 0);
    REQUIRE(domain.stats().open_guards == 1);
  }
  REQUIRE(domain.try_reclaim() == 1);
}

TEST_CASE("a domain frees what is left when it dies, and what its deleters retire") {
  std::atomic<int> freed{0};
  struct Chain {
    EpochDomain& domain;
    std::atomic<int>& freed;
    int left;
    ~Chain() {
      ++freed;
      if (left > 0) domain.retire(new Chain{domain, freed, left - 1});
    }
  };
  {
    EpochDomain domain;
    domain.retire(new Chain{domain, freed, 3});
  }
  REQUIRE(freed == 4);
}

TEST_CASE("guards of one domain hold nothing back in another") {
  std::atomic<int> freed{0};
  EpochDomain first;
  EpochDomain second;
  const auto guard = first.enter();
  first.retire(new Counted(freed));
  second.retire(new Counted(freed));
  {
    const auto other = second.enter();
    REQUIRE(second.try_reclaim() == 0);
    REQUIRE(second.stats().open_guards == 1);
  }
  REQUIRE(second.try_reclaim() == 1);
  REQUIRE(first.try_reclaim() == 0);
}

TEST_CASE("a thread that reads many domains, living and dead, keeps few slots") {
  elsewhere([] {
    std::uint64_t slots = 0;
    for (int round = 0; round < 1000; ++round) {
      std::atomic<int> freed{0};
      EpochDomain first;
      EpochDomain second;
      {
        const auto a = first.enter();
        const auto b = second.enter();
        const auto c = first.enter();
        first.retire(new Counted(freed));
        REQUIRE(first.try_reclaim() == 0);
      }
      REQUIRE(first.try_reclaim() == 1);
      if (round == 0) slots = first.stats().slots;
      REQUIRE(first.stats().slots == slots);
    }
  });
}

TEST_CASE("threads come and go: their slots are used again and their garbage is freed") {
  std::atomic<int> freed{0};
  EpochDomain domain;
  std::uint64_t slots = 0;
  for (int round = 0; round < 300; ++round) {
    elsewhere([&] {
      const auto guard = domain.enter();
      domain.retire(new Counted(freed));
    });
    if (round == 0) slots = domain.stats().slots;
  }
  REQUIRE(domain.stats().slots == slots);
  REQUIRE(domain.stats().retired_objects == 300);
  REQUIRE(domain.try_reclaim() == 300);
  REQUIRE(freed == 300);
}

TEST_CASE("a thread that is ended inside nested guards holds nothing back any more") {
  static std::atomic<int> freed{0};
  static EpochDomain domain;
  const auto end_inside = [](void*) -> void* {
    const auto outer = domain.enter();
    const auto inner = domain.enter();
    domain.retire(new Counted(freed));
    pthread_exit(nullptr);
  };
  std::uint64_t slots = 0;
  for (int round = 1; round <= 20; ++round) {
    pthread_t thread{};
    REQUIRE(pthread_create(&thread, nullptr, end_inside, nullptr) == 0);
    pthread_join(thread, nullptr);
    REQUIRE(domain.try_reclaim() == 1);
    REQUIRE(freed == round);
    REQUIRE(domain.stats().open_guards == 0);
    if (round == 1) slots = domain.stats().slots;
    REQUIRE(domain.stats().slots == slots);
  }
}

TEST_CASE("a guard taken while a thread's storage is torn down still protects") {
  static std::atomic<int> freed{0};
  static EpochDomain domain;
  static std::size_t reclaimed_inside;
  struct Late {
    ~Late() {
      const auto guard = domain.enter();
      domain.retire(new Counted(freed));
      reclaimed_inside = domain.try_reclaim();
    }
  };
  elsewhere([] {
    thread_local Late late;  // made before the thread's first guard, so destroyed after its slots
    static_cast<void>(&late);
    const auto guard = domain.enter();
  });
  REQUIRE(reclaimed_inside == 0);
  REQUIRE(domain.try_reclaim() == 1);
  REQUIRE(freed == 1);
}

namespace {

constexpr std::uint64_t kAlive = 0x616c697665ULL;

// A deleter poisons instead of freeing, so that a reader who was let down sees it whatever the
// allocator does; the memory is used again like freed memory would be.
struct Cell {
  std::atomic<std::uint64_t> mark{kAlive};
  std::uint64_t payload[6] = {};
};

struct Stage {
  static constexpr std::size_t kPlaces = 8;
  EpochDomain domain;
  std::array<std::atomic<Cell*>, kPlaces> places{};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> bad{0};
  std::atomic<std::uint64_t> reads{0};
};

void read_until_stopped(Stage& stage, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uint64_t bad = 0;
  std::uint64_t reads = 0;
  while (!stage.stop.load(std::memory_order_relaxed) || reads < 100) {
    const auto outer = stage.domain.enter();
    const Cell* const cell =
        stage.places[random() % Stage::kPlaces].load(std::memory_order_acquire);
    for (std::uint64_t look = random() % 8 + 1; look > 0; --look) {
      const auto inner = stage.domain.enter();
      bad += cell->mark.load(std::memory_order_relaxed) != kAlive;
      for (const std::uint64_t word : cell->payload) bad += word != cell->payload[0];
      if (look % 4 == 0) std::this_thread::yield();
    }
    ++reads;
  }
  stage.bad += bad;
  stage.reads += reads;
}

void replace_cells(Stage& stage, std::uint64_t seed, int rounds) {
  std::mt19937_64 random(seed);
  for (int round = 0; round < rounds; ++round) {
    auto* const fresh = new Cell;
    for (std::uint64_t& word : fresh->payload) word = static_cast<std::uint64_t>(round);
    Cell* const old = stage.places[random() % Stage::kPlaces].exchange(fresh);
    stage.domain.retire(
        old,
        [](void* p) noexcept {
          auto* const cell = static_cast<Cell*>(p);
          cell->mark.store(0xdead, std::memory_order_relaxed);
          for (std::size_t i = 0; i < 6; ++i) cell->payload[i] = 0xdead + i;
          delete cell;
        },
        sizeof(Cell));
    if (random() % 4 == 0) stage.domain.try_reclaim();
  }
}

}  // namespace

TEST_CASE("readers never meet a freed object while writers replace and reclaim") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    INFO("seed " << seed);
    Stage stage;
    for (auto& place : stage.places) place = new Cell;
    std::vector<std::thread> readers;
    for (std::uint64_t i = 0; i < 3; ++i) {
      readers.emplace_back([&, i] { read_until_stopped(stage, seed * 100 + i); });
    }
    std::vector<std::thread> writers;
    for (std::uint64_t i = 0; i < 2; ++i) {
      writers.emplace_back([&, i] { replace_cells(stage, seed * 1000 + i, 5000); });
    }
    // Short-lived readers beside the long-lived ones.
    for (std::uint64_t i = 0; i < 50; ++i) {
      elsewhere([&] {
        const auto guard = stage.domain.enter();
        const Cell* const cell = stage.places[i % Stage::kPlaces].load(std::memory_order_acquire);
        stage.bad += cell->mark.load(std::memory_order_relaxed) != kAlive;
      });
    }
    for (auto& writer : writers) writer.join();
    stage.stop = true;
    for (auto& reader : readers) reader.join();
    REQUIRE(stage.bad == 0);
    REQUIRE(stage.reads >= 300);
    stage.domain.try_reclaim();
    REQUIRE(stage.domain.stats().freed_objects == 10'000);
    for (auto& place : stage.places) delete place.load();
  }
}
