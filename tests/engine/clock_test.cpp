// Wall clocks that jump, in any direction and differently in each process: times are what the
// clocks said, and nothing else depends on them.
#include <catch2/catch.hpp>

#include <optional>
#include <random>

#include "engine/palace.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using aeon::test::SimOs;

namespace {

const std::string kDirectory = "/palace";

OpenOptions on(SimOs& os) {
  OpenOptions options;
  options.background = false;
  options.os = &os;
  return options;
}

// Ids and commits rise, lines keep the order of the commits, all are there.
void check(const Palace& palace, const std::vector<Ack>& acks) {
  const Snapshot snapshot = palace.snapshot();
  std::vector<MemoryId> ids;
  REQUIRE(snapshot.list(0, SIZE_MAX, ids).has_value());
  REQUIRE(ids.size() == acks.size());
  Memory memory;
  for (std::size_t i = 0; i < acks.size(); ++i) {
    REQUIRE(ids[i] == acks[i].ids[0]);
    REQUIRE(snapshot.get(ids[i], memory).has_value());
    REQUIRE(memory.version == acks[i].commit);
    REQUIRE(memory.commit_time == acks[i].time);
    REQUIRE((i == 0 || acks[i].commit > acks[i - 1].commit));
  }
  std::vector<Event> events;
  REQUIRE(snapshot.follow(ids[0], SIZE_MAX, events).has_value());
  REQUIRE(events.size() == ids.size() - 1);
  for (std::size_t i = 0; i < events.size(); ++i) REQUIRE(events[i].id == ids[i + 1]);
  REQUIRE(palace.verify()->damage.empty());
}

}  // namespace

TEST_CASE("order and ids do not depend on the clock") {
  const std::uint64_t seed = GENERATE(range<std::uint64_t>(1, 9));
  CAPTURE(seed);
  SimOs os(seed);
  const auto other = os.another_process();
  REQUIRE(Palace::create(kDirectory, {}, on(os)).has_value());
  std::optional<Palace> palaces[2] = {Palace::open(kDirectory, on(os)).value(),
                                      Palace::open(kDirectory, on(*other)).value()};
  std::mt19937_64 random(seed);
  std::vector<Ack> acks;
  for (int i = 0; i < 200; ++i) {
    // Years to and fro, before 1970 too, and now and then it stands still.
    const auto now = static_cast<std::int64_t>(random() % 4'000'000'000'000'000'000);
    if (random() % 4 != 0) os.set_wall_time(now - 1'000'000'000'000'000'000);
    const std::size_t turn = random() % 2;
    NewMemory memory;
    memory.session = "one line";
    memory.content = "text";
    Batch batch;
    batch.remember(std::move(memory));
    const auto level = random() % 4 == 0 ? Durability::sync : Durability::process;
    const auto ack = palaces[turn]->commit(std::move(batch), level);
    REQUIRE(ack.has_value());
    // As the clock stood; it ticks at every look.
    const std::int64_t behind = os.wall_time_ns() - ack->time;
    REQUIRE((behind >= 0 && behind < 1'000'000));
    acks.push_back(*ack);
    if (random() % 16 == 0) REQUIRE(palaces[turn]->checkpoint().has_value());
    if (random() % 32 == 0) {
      palaces[turn].reset();
      palaces[turn] = Palace::open(kDirectory, on(turn == 0 ? os : *other)).value();
    }
  }
  for (auto& palace : palaces) {
    REQUIRE(palace->fresh_snapshot().has_value());
    check(*palace, acks);
  }
  CHECK(palaces[0]->snapshot().state_hash().value() == palaces[1]->snapshot().state_hash().value());
  const auto killed = os.process_death();
  check(Palace::open(kDirectory, on(*killed)).value(), acks);
}

TEST_CASE("a checkpoint under a clock that was never set loses no history") {
  constexpr std::int64_t kToday = 1'750'000'000'000'000'000;
  SimOs os(2);
  os.set_wall_time(kToday);
  Palace palace = Palace::create(kDirectory, {}, on(os)).value();
  const auto commit = [&palace](Batch batch) {
    return palace.commit(std::move(batch), Durability::sync).value();
  };
  NewMemory memory;
  memory.content = "as it was";
  Batch first;
  first.remember(memory);
  const Ack ack = commit(std::move(first));
  REQUIRE(palace.checkpoint().has_value());
  os.set_wall_time(0);  // after a boot, until the network tells the time
  Batch other;
  other.remember(memory);
  commit(std::move(other));
  REQUIRE(palace.checkpoint().has_value());
  os.set_wall_time(kToday + 1'000'000'000);
  memory.content = "as it is";
  Batch next;
  next.supersede(ack.ids[0], memory);
  commit(std::move(next));
  REQUIRE(palace.compact().has_value());
  const auto past = palace.snapshot_at(ack.commit);
  REQUIRE(past.has_value());
  Memory was;
  REQUIRE(past->get(ack.ids[0], was).has_value());
  CHECK(was.content == "as it was");
}
