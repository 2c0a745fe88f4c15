// Readers, writers and checkpoints at once in one process. Every batch holds two memories that
// belong together; a snapshot shows both or neither, in every index, and says the same twice.
#include <catch2/catch.hpp>

#include <atomic>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

constexpr std::uint32_t kDimension = 16;

std::vector<float> direction(std::uint64_t number) {
  std::mt19937_64 random(number);
  std::normal_distribution<float> normal;
  std::vector<float> values(kDimension);
  for (float& value : values) value = normal(random);
  return values;
}

Batch twins(int writer, std::uint64_t number) {
  Batch batch;
  for (const char* half : {"left", "right"}) {
    NewMemory memory;
    memory.key = fmt::format("{}-{}-{}", writer, number, half);
    memory.content = memory.key;
    memory.session = fmt::format("writer {}", writer);
    memory.vectors.push_back({"v", direction(number * 8 + static_cast<std::uint64_t>(writer)), ""});
    batch.remember(std::move(memory));
  }
  batch.link({.from = {0, 0}, .to = {0, 1}, .type = "twin"});
  return batch;
}

// What one snapshot says of a pair, through keys, records, vectors, edges and lines.
bool whole_or_absent(const Snapshot& snapshot, int writer, std::uint64_t number) {
  const auto left = snapshot.find_key("", fmt::format("{}-{}-left", writer, number));
  const auto right = snapshot.find_key("", fmt::format("{}-{}-right", writer, number));
  if (left.has_value() != right.has_value()) return false;
  if (!left) return true;
  Memory memory;
  if (!snapshot.get(*left, memory) || !snapshot.get(*right, memory)) return false;
  std::vector<Edge> edges;
  if (!snapshot.neighbours(*left, Direction::out, "twin", 4, edges) || edges.size() != 1) {
    return false;
  }
  std::vector<Event> events;
  if (!snapshot.follow(*left, 1, events) || events.size() != 1 || events[0].id != *right) {
    return false;
  }
  const auto vector = direction(number * 8 + static_cast<std::uint64_t>(writer));
  Query query;
  query.space = "v";
  query.vector = vector;
  query.k = 2;
  Answer answer;
  Answer again;
  if (!snapshot.recall(query, answer) || !snapshot.recall(query, again)) return false;
  const auto same = [](const Hit& a, const Hit& b) { return a.id == b.id && a.score == b.score; };
  if (!std::ranges::equal(answer.hits, again.hits, same)) return false;
  return answer.hits.size() == 2 && answer.hits[0].id == *left && answer.hits[1].id == *right;
}

}  // namespace

TEST_CASE("snapshots are whole while writers write and checkpoints settle") {
  constexpr int kWriters = 3;
  constexpr std::uint64_t kPairs = 150;
  const test::TempDirectory scratch;
  auto palace = Palace::create(scratch.path() + "/palace",
                               {{.name = "v", .dimension = kDimension, .model = ""}});
  REQUIRE(palace.has_value());
  std::atomic<std::uint64_t> written[kWriters] = {};
  std::atomic<int> writing = kWriters;
  std::atomic<std::uint64_t> failures = 0;
  std::atomic<std::uint64_t> looks = 0;
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (std::uint64_t number = 1; number <= kPairs; ++number) {
        const Durability level = number % 16 == 0 ? Durability::sync : Durability::process;
        const auto ack = palace->commit(twins(writer, number), level);
        // Own commits are seen at once.
        if (!ack || palace->snapshot().commit() < ack->commit ||
            !palace->snapshot().find_key("", fmt::format("{}-{}-left", writer, number))) {
          failures.fetch_add(1);
        }
        written[writer].store(number);
      }
      writing.fetch_sub(1);
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      std::mt19937_64 random(static_cast<std::uint64_t>(reader));
      while (writing.load() > 0) {
        const int writer = static_cast<int>(random() % kWriters);
        const std::uint64_t newest = written[writer].load();
        const Snapshot snapshot = palace->snapshot();
        const std::uint64_t number = newest + 2 - random() % std::min<std::uint64_t>(newest + 2, 5);
        if (!whole_or_absent(snapshot, writer, number)) failures.fetch_add(1);
        looks.fetch_add(1);
      }
    });
  }
  threads.emplace_back([&] {
    while (writing.load() > 0) {
      if (!palace->checkpoint()) failures.fetch_add(1);
    }
  });
  for (std::thread& thread : threads) thread.join();
  CHECK(failures.load() == 0);
  CHECK(looks.load() > 0);
  const Snapshot snapshot = palace->snapshot();
  for (int writer = 0; writer < kWriters; ++writer) {
    for (std::uint64_t number = 1; number <= kPairs; ++number) {
      REQUIRE(snapshot.find_key("", fmt::format("{}-{}-right", writer, number)).has_value());
      REQUIRE(whole_or_absent(snapshot, writer, number));
    }
  }
  const auto report = palace->verify();
  REQUIRE(report.has_value());
  CHECK(report->damage.empty());
}

TEST_CASE("a held snapshot says the same after everything else has changed") {
  const test::TempDirectory scratch;
  auto palace = Palace::create(scratch.path() + "/palace",
                               {{.name = "v", .dimension = kDimension, .model = ""}});
  REQUIRE(palace.has_value());
  std::vector<MemoryId> ids;
  for (std::uint64_t number = 1; number <= 40; ++number) {
    const auto ack = palace->commit(twins(0, number), Durability::process);
    REQUIRE(ack.has_value());
    ids.insert(ids.end(), ack->ids.begin(), ack->ids.end());
    if (number == 20) REQUIRE(palace->checkpoint().has_value());
  }
  const Snapshot held = palace->snapshot();
  const std::uint64_t hash = held.state_hash().value();
  for (const MemoryId id : ids) {
    Batch batch;
    batch.forget(id);
    REQUIRE(palace->commit(std::move(batch), Durability::process).has_value());
    if (id % 10 == 0) REQUIRE(palace->compact().has_value());
  }
  CHECK(palace->snapshot().state_hash().value() != hash);
  CHECK(held.state_hash().value() == hash);
  CHECK(palace->snapshot_at(held.commit())->state_hash().value() == hash);
  CHECK_FALSE(palace->snapshot_at(held.commit() + 100000).has_value());
}
