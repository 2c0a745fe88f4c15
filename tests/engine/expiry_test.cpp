// Memories that end at a time: reads leave them out from that moment, upkeep forgets them.
#include <catch2/catch.hpp>

#include <optional>
#include <thread>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/sim/sim_os.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

constexpr TimeNs kSecond = 1'000'000'000;

OpenOptions on(test::SimOs& os) {
  OpenOptions options;
  options.background = false;
  options.os = &os;
  return options;
}

NewMemory memory(int i, TimeNs expires) {
  NewMemory memory;
  memory.key = fmt::format("key {}", i);
  memory.session = "line";
  memory.content = fmt::format("memory number {}", i);
  memory.embed = false;
  memory.expires = expires;
  memory.vectors.push_back({"v", {1, static_cast<float>(i), 2, 3}, ""});
  return memory;
}

std::vector<MemoryId> found(const Snapshot& snapshot, std::uint32_t k) {
  const std::vector<float> vector = {1, 0, 2, 3};
  Query query;
  query.space = "v";
  query.vector = vector;
  query.k = k;
  Answer answer;
  REQUIRE(snapshot.recall(query, answer).has_value());
  std::vector<MemoryId> ids;
  for (const Hit& hit : answer.hits) ids.push_back(hit.id);
  return ids;
}

std::vector<MemoryId> put(Palace& palace, TimeNs now) {
  Batch batch;
  for (int i = 0; i < 20; ++i) {
    // The nearest ten expire in ten seconds, number 3 in twenty.
    batch.remember(memory(i, i == 3   ? now + 20 * kSecond
                             : i < 10 ? now + 10 * kSecond
                                      : kEndOfTime));
  }
  return palace.commit(std::move(batch), Durability::sync)->ids;
}

}  // namespace

TEST_CASE("what has expired is not read, and forgotten by upkeep") {
  test::SimOs os(1);
  Palace palace =
      Palace::create("/p", {{.name = "v", .dimension = 4, .metric = Metric::l2}}, on(os)).value();
  const TimeNs now = os.wall_time_ns();
  const auto ids = put(palace, now);
  const bool settled = GENERATE(false, true);
  if (settled) REQUIRE(palace.checkpoint().has_value());
  const Snapshot before = palace.snapshot();
  CHECK(found(before, 5) == std::vector<MemoryId>(ids.begin(), ids.begin() + 5));
  os.set_wall_time(now + 10 * kSecond);
  const bool reopened = GENERATE(false, true);
  std::optional<Palace> second;
  if (reopened) second = Palace::open("/p", on(os)).value();
  Palace& reader = reopened ? *second : palace;
  const Snapshot after = reader.snapshot();
  // k are still found, and none of them has expired.
  const std::vector<MemoryId> nearest = {ids[3], ids[10], ids[11], ids[12], ids[13]};
  CHECK(found(after, 5) == nearest);
  CHECK(found(after, 20).size() == 11);
  Memory got;
  CHECK(after.get(ids[0], got).error().code == Errc::unknown_id);
  CHECK(after.find_key("", "key 0").error().code == Errc::unknown_id);
  CHECK(after.find_key("", "key 3").value() == ids[3]);
  std::vector<MemoryId> listed;
  REQUIRE(after.list(0, 100, listed).has_value());
  CHECK(listed.size() == 11);
  std::vector<Event> events;
  REQUIRE(after.timeline("", "line", kBeginningOfTime, kEndOfTime, 100, events).has_value());
  CHECK(events.size() == 11);
  // A snapshot goes by the time at which it was taken, one of the past by none.
  REQUIRE(before.get(ids[0], got).has_value());
  REQUIRE(reader.snapshot_at(after.commit())->get(ids[0], got).has_value());
  // A new version before it is forgotten has its own time.
  Batch revive;
  revive.remember(memory(1, now + 60 * kSecond));
  REQUIRE(reader.commit(std::move(revive)).has_value());
  CHECK(reader.snapshot().get(ids[1], got).has_value());
  CHECK(reader.stats()->memories == 20);
  REQUIRE(reader.maintain(std::chrono::nanoseconds(0)).has_value());
  CHECK(reader.stats()->memories == 12);
  CHECK(reader.snapshot().find_key("", "key 1").value() == ids[1]);
  CHECK(found(reader.snapshot(), 2) == std::vector<MemoryId>{ids[1], ids[3]});
  // A key that was forgotten is free.
  Batch again;
  again.remember(memory(0, kEndOfTime));
  CHECK(reader.commit(std::move(again))->ids[0] > ids.back());
  os.set_wall_time(now + 20 * kSecond);
  CHECK(reader.snapshot().get(ids[3], got).error().code == Errc::unknown_id);
  os.set_wall_time(now + 3600 * kSecond);
  REQUIRE(reader.maintain(std::chrono::nanoseconds(0)).has_value());
  CHECK(reader.stats()->memories == 11);
  const auto report = reader.verify();
  REQUIRE(report.has_value());
  for (const Damage& damage : report->damage) FAIL(damage.file << ": " << damage.what);
}

TEST_CASE("a palace forgets by itself what has expired") {
  const test::TempDirectory scratch;
  Palace palace = Palace::create(scratch / "palace", {{.name = "v", .dimension = 4}}).value();
  const TimeNs now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
  Batch batch;
  for (int i = 0; i < 1500; ++i) batch.remember(memory(i, now + 300'000'000 + i));
  batch.remember(memory(5000, kEndOfTime));
  REQUIRE(palace.commit(std::move(batch)).has_value());
  std::uint64_t memories = 0;
  for (int i = 0; i < 3000 && (memories = palace.stats()->memories) != 1; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  CHECK(memories == 1);
  CHECK(palace.snapshot().find_key("", "key 5000").has_value());
}

TEST_CASE("what expires together with the concept that ends with it is forgotten") {
  test::SimOs os(3);
  Palace palace = Palace::create("/palace", {}, on(os)).value();
  const TimeNs now = os.wall_time_ns();
  NewMemory mentions;
  mentions.content = "a word with Ada";
  mentions.mentions = {"Ada"};
  mentions.expires = now + kSecond;
  NewMemory ada;
  ada.key = "concept:ada";
  ada.kind = kConceptKind;
  ada.content = "Ada";
  Batch batch;
  batch.remember(std::move(ada));
  batch.remember(std::move(mentions));
  const auto ids = palace.commit(std::move(batch), Durability::process)->ids;
  NewMemory dated;
  dated.key = "concept:ada";
  dated.kind = kConceptKind;
  dated.content = "Ada";
  dated.expires = now + 2 * kSecond;
  Batch next;
  next.supersede(ids[0], std::move(dated));
  REQUIRE(palace.commit(std::move(next), Durability::process).has_value());
  os.set_wall_time(now + 3 * kSecond);
  REQUIRE(palace.maintain(std::chrono::nanoseconds(0)).has_value());
  CHECK(palace.stats()->memories == 0);
}
