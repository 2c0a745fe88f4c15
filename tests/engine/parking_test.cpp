// Readers go on whatever another thread was in the middle of: a writer, a checkpoint, a merge and a
// stored payload are parked before each of their calls to the system and at random instructions,
// and every time the reads must come to their end before the parked thread is let go. (A read that
// waited would wait for ever; the test's time limit would tell.) Then a reader is parked, and
// writers and other readers go on.
#include <catch2/catch.hpp>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <map>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/support/parking.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

constexpr std::uint32_t kDimension = 16;
constexpr std::uint64_t kReads = 1000;  // beside each parked thread

std::uint64_t trials() {
  const char* const asked = std::getenv("AEON_PARKS");
  return asked == nullptr ? 100 : std::strtoull(asked, nullptr, 10);
}

Batch one_memory(std::uint64_t number) {
  NewMemory memory;
  memory.key = fmt::format("key {}", number % 50);
  memory.content = memory.key;
  NewVector vector{"v", std::vector<float>(kDimension, 1), ""};
  vector.values[number % kDimension] = static_cast<float>(number % 97);
  memory.vectors.push_back(std::move(vector));
  Batch batch;
  batch.remember(std::move(memory));
  return batch;
}

struct Stage {
  Stage() {
    OpenOptions options;
    options.background = false;  // the roles do all the work
    options.os = &os;
    auto made = Palace::create(scratch.path() + "/palace",
                               {{.name = "v", .dimension = kDimension, .model = ""}}, options);
    REQUIRE(made.has_value());
    palace.emplace(std::move(*made));
    for (std::uint64_t i = 0; i < 60; ++i) REQUIRE(commit(i));
    (void)read(kReads);  // the reading thread is warm from here on
  }
  bool commit(std::uint64_t number, Durability level = Durability::process) {
    return palace->commit(one_memory(number), level).has_value();
  }
  // Takes no lock and allocates nothing, so that it may run beside a thread parked anywhere.
  std::uint64_t read(std::uint64_t count) {
    std::uint64_t done = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      vector[i % kDimension] = static_cast<float>(i % 7);
      query.space = "v";
      query.vector = vector;
      query.k = 5;
      const Snapshot snapshot = palace->snapshot();
      done += snapshot.find_key("", "key 7").has_value() && snapshot.recall(query, answer) &&
                      answer.hits.size() == 5
                  ? 1
                  : 0;
    }
    return done;
  }

  test::ParkingPlace place;
  test::ParkingOs os{place};
  const test::TempDirectory scratch;
  std::optional<Palace> palace;
  std::vector<float> vector = std::vector<float>(kDimension, 1);
  Query query;
  Answer answer;
};

// What is parked; each does something every time.
struct Role {
  const char* name;
  std::function<bool(Stage& stage, std::uint64_t number)> act;
};
const std::vector<Role>& roles() {
  static const std::vector<Role> all = {
      {"writer",
       [](Stage& stage, std::uint64_t number) { return stage.commit(number, Durability::sync); }},
      {"checkpoint",
       [](Stage& stage, std::uint64_t number) {
         return stage.commit(number) && stage.palace->checkpoint().has_value();
       }},
      {"merge",
       [](Stage& stage, std::uint64_t number) {
         return stage.commit(number) && stage.palace->compact().has_value();
       }},
      {"payload",
       [](Stage& stage, std::uint64_t /*number*/) {
         return stage.palace->store_payload(ContentType::text, "some words").has_value();
       }},
  };
  return all;
}

// Parks the role before its n-th call, for every n there is.
std::uint64_t park_at_every_call(Stage& stage, const Role& role,
                                 std::map<std::string_view, std::uint64_t>& places) {
  std::uint64_t failures = 0;
  for (std::uint64_t call = 1;; ++call) {
    std::atomic<bool> ended{false};
    bool acted = false;
    std::thread thread([&] {
      stage.os.watch(call);
      acted = role.act(stage, call);
      const bool met = stage.os.parked();
      stage.os.watch(0);
      ended.store(!met);
      if (!met) stage.place.park();  // it made fewer calls: no more places
    });
    stage.place.await();
    const bool parked = !ended.load();
    const std::uint64_t read = parked ? stage.read(kReads) : kReads;
    stage.place.release();
    thread.join();
    failures += read != kReads || !acted ? 1 : 0;
    if (!parked) return failures;
    ++places[stage.os.where()];
  }
}

struct Turns {
  std::atomic<std::uint64_t> acts{0};
  std::uint64_t reads = 0;
  std::uint64_t failures = 0;
};

void park_at_instructions(const Role& role, std::mt19937_64& random, std::uint64_t count,
                          Turns& turns) {
  Stage stage;
  std::atomic<bool> stop{false};
  std::thread thread([&] {
    while (!stop.load()) turns.failures += role.act(stage, turns.acts.fetch_add(1)) ? 0 : 1;
  });
  for (std::uint64_t trial = 0; trial < count; ++trial) {
    // Anywhere in a turn that has begun since the last trial.
    for (const std::uint64_t acts = turns.acts.load(); turns.acts.load() == acts;) {
      std::this_thread::yield();
    }
    for (volatile std::uint64_t spin = random() % 200'000; spin > 0;) spin = spin - 1;
    test::park_by_signal(thread.native_handle(), stage.place);
    stage.place.await();
    turns.reads += stage.read(kReads);
    stage.place.release();
  }
  stop.store(true);
  thread.join();
  const auto report = stage.palace->verify();
  turns.failures += report.has_value() && report->damage.empty() ? 0 : 1;
}

}  // namespace

TEST_CASE("readers go on while a role is parked before any of its calls to the system") {
  for (const Role& role : roles()) {
    Stage stage;
    std::map<std::string_view, std::uint64_t> places;
    CHECK(park_at_every_call(stage, role, places) == 0);
    std::string list;
    std::uint64_t count = 0;
    for (const auto& [name, times] : places) {
      fmt::format_to(std::back_inserter(list), " {} {}", times, name);
      count += times;
    }
    fmt::print("{} parked at {} calls:{}\n", role.name, count, list);
    CHECK(count >= 3);
  }
}

TEST_CASE("readers go on while a role is parked at a random instruction") {
  const std::uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  for (const Role& role : roles()) {
    std::mt19937_64 random(seed);
    Turns turns;
    // A new palace now and then: reads slow down as versions gather.
    for (std::uint64_t left = trials(); left > 0;) {
      const std::uint64_t part = std::min<std::uint64_t>(left, 50);
      park_at_instructions(role, random, part, turns);
      left -= part;
    }
    fmt::print("{} parked at {} instructions in {} turns: {} reads\n", role.name, trials(),
               turns.acts.load(), turns.reads);
    CHECK(turns.failures == 0);
    CHECK(turns.reads == trials() * kReads);
  }
}

TEST_CASE(
    "writers and other readers go on while a reader is parked, and what it holds is bounded") {
  Stage stage;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> reads{0};
  Palace& palace = *stage.palace;
  std::thread reader([&] {
    Query query;
    const std::vector<float> vector(kDimension, 2);
    query.space = "v";
    query.vector = vector;
    Answer answer;
    while (!stop.load()) {
      (void)palace.recall(query, answer);
      // Most of this is inside a guard.
      for (int i = 0; i < 1000; ++i) {
        (void)palace.snapshot();
        reads.fetch_add(1);
      }
    }
  });
  while (reads.load() < 10'000) std::this_thread::yield();  // warm: it is not inside malloc
  const std::uint64_t seed = std::random_device{}();
  std::mt19937_64 random(seed);
  std::uint64_t most_retired = 0;
  std::uint64_t held = 0;
  std::uint64_t guarded = 0;
  std::uint64_t failures = 0;
  for (std::uint64_t trial = 0; trial < trials(); ++trial) {
    // The guard of the last trial is over.
    for (const std::uint64_t last = reads.load(); reads.load() == last;) std::this_thread::yield();
    for (volatile std::uint64_t spin = random() % 20'000; spin > 0;) spin = spin - 1;
    test::park_by_signal(reader.native_handle(), stage.place);
    stage.place.await();
    for (std::uint64_t i = 0; i < 3; ++i) failures += stage.commit(trial * 3 + i) ? 0 : 1;
    failures += palace.checkpoint() ? 0 : 1;
    failures += palace.compact() ? 0 : 1;
    failures += stage.read(kReads) == kReads ? 0 : 1;
    const auto stats = palace.stats();
    if (stats.has_value()) {
      most_retired = std::max(most_retired, stats->retired_objects);
      held += stats->snapshots == 1 ? 1 : 0;
      guarded += stats->oldest_reader_epochs > 0 ? 1 : 0;
    }
    stage.place.release();
  }
  stop.store(true);
  reader.join();
  INFO("seed " << seed);
  fmt::print(
      "a reader parked {} times, {} of them with a snapshot, {} inside a guard: at most {} "
      "views wait\n",
      trials(), held, guarded, most_retired);
  CHECK(failures == 0);
  CHECK(held > 0);
  // A checkpoint and a merge publish few views; none of an earlier trial may still wait.
  CHECK(most_retired <= 8);
  const auto stats = palace.stats();
  REQUIRE(stats.has_value());
  CHECK(stats->retired_objects == 0);
  CHECK(stats->snapshots == 0);
}
