// The change feed and the history of memories: whatever a feed told is what the model saw change,
// whether it comes from the log or from what was settled, and who came late is told the same.
#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <set>

#include "engine/palace.hpp"
#include "tests/model/batch_maker.hpp"
#include "tests/model/model.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using aeon::test::Model;
using aeon::test::SimOs;

namespace {

const std::string kDirectory = "/palace";

OpenOptions on(SimOs& os, bool read_only = false) {
  OpenOptions options;
  options.read_only = read_only;
  options.background = false;
  options.os = &os;
  return options;
}

// What a commit changed, from the two models around it. `next` edges come by themselves.
struct Changed {
  std::set<MemoryId> wrote;
  std::set<MemoryId> forgot;
  friend bool operator==(const Changed&, const Changed&) = default;
};

Changed changed(const Model& before, const Model& after) {
  Changed changes;
  for (const auto& [id, memory] : after.memories) {
    const test::ModelMemory* old = before.find(id);
    if (old == nullptr || old->memory.version != memory->memory.version) changes.wrote.insert(id);
  }
  for (const auto& [id, memory] : before.memories) {
    if (after.find(id) == nullptr) changes.forgot.insert(id);
  }
  return changes;
}

Changed told(const CommitChanges& commit) {
  Changed changes;
  for (const Change& change : commit.changes) {
    if (change.kind == Change::Kind::wrote) changes.wrote.insert(change.id);
    if (change.kind == Change::Kind::forgot) changes.forgot.insert(change.id);
  }
  return changes;
}

std::string text(const CommitChanges& commit) {
  std::string text;
  for (const Change& change : commit.changes) {
    text += std::to_string(static_cast<int>(change.kind)) + ":" + std::to_string(change.id) + ">" +
            std::to_string(change.to) + "(" + change.type + ") ";
  }
  return text;
}

std::vector<CommitChanges> drain(ChangeFeed& feed) {
  std::vector<CommitChanges> all;
  CommitChanges changes;
  for (;;) {
    const auto found = feed.next(changes);
    INFO((found ? std::string() : found.error().message));
    REQUIRE(found.has_value());
    if (!*found) return all;
    REQUIRE(changes.commit.commit == feed.position());
    all.push_back(changes);
  }
}

}  // namespace

TEST_CASE("a feed tells what every commit changed, early or late, from the log or settled") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    SimOs os(seed);
    test::BatchMaker maker(seed, {.memories = 20, .refused_in = 0, .large_in = 20, .erase_in = 0});
    auto palace = Palace::create(kDirectory, maker.spaces(), on(os));
    REQUIRE(palace.has_value());
    Batch batch;
    const auto made_spaces = palace->snapshot().spaces().value();
    for (const SpaceSpec& spec : made_spaces) batch.create_space(spec);
    Model model;
    REQUIRE(model.apply(batch, 1, 0).has_value());
    std::map<CommitNumber, Changed> truth;
    auto reader = Palace::open(kDirectory, on(os, true));
    REQUIRE(reader.has_value());
    auto early = reader->changes_after(0);
    auto own = palace->changes_after(0);
    REQUIRE(early.has_value());
    REQUIRE(own.has_value());
    std::vector<CommitChanges> from_log;
    std::vector<CommitChanges> from_own;
    std::mt19937_64 random(seed);
    for (int step = 0; step < 60; ++step) {
      batch = maker.next(model);
      const Batch copy = batch;
      const auto ack = palace->commit(std::move(batch), Durability::process);
      if (ack) {
        Model next = model;
        REQUIRE(next.apply(copy, ack->commit, ack->time).has_value());
        truth[ack->commit] = changed(model, next);
        model = std::move(next);
      }
      if (random() % 12 == 0) REQUIRE(palace->checkpoint().has_value());
      if (random() % 30 == 0) REQUIRE(palace->compact().has_value());
      model.commit = palace->snapshot().commit();
      for (auto& change : drain(*own)) from_own.push_back(std::move(change));
      if (random() % 8 != 0) continue;
      for (auto& change : drain(*early)) from_log.push_back(std::move(change));
    }
    for (auto& change : drain(*early)) from_log.push_back(std::move(change));
    REQUIRE(palace->compact().has_value());
    auto late = palace->changes_after(0);
    REQUIRE(late.has_value());
    const std::vector<CommitChanges> settled = drain(*late);
    const CommitNumber newest = palace->snapshot().commit();
    REQUIRE(settled.size() == newest);
    for (auto& change : drain(*early)) from_log.push_back(std::move(change));
    for (auto& change : drain(*own)) from_own.push_back(std::move(change));
    REQUIRE(from_own.size() == newest);
    REQUIRE(from_log.size() == newest);
    for (CommitNumber commit = 1; commit <= newest; ++commit) {
      CAPTURE(commit);
      const CommitChanges& change = settled[commit - 1];
      REQUIRE(change.commit.commit == commit);
      REQUIRE(text(from_log[commit - 1]) == text(change));
      REQUIRE(text(from_own[commit - 1]) == text(change));
      REQUIRE(from_own[commit - 1].commit.author == change.commit.author);
      REQUIRE(from_own[commit - 1].commit.time == change.commit.time);
      REQUIRE(told(change) == (truth.contains(commit) ? truth[commit] : Changed{}));
    }
    // Whoever begins in the middle is told the rest.
    for (const CommitNumber after : {newest / 3, newest / 2, newest}) {
      auto middle = palace->changes_after(after);
      REQUIRE(middle.has_value());
      REQUIRE(drain(*middle).size() == newest - after);
    }
    REQUIRE(palace->changes_after(newest + 1).error().code == Errc::invalid_argument);
    // The headers are the history; they say the same.
    const auto history = palace->commits(0, SIZE_MAX);
    REQUIRE(history.has_value());
    REQUIRE(history->size() == newest);
    for (CommitNumber commit = 1; commit <= newest; ++commit) {
      REQUIRE((*history)[commit - 1].commit == commit);
      REQUIRE((*history)[commit - 1].time == settled[commit - 1].commit.time);
    }
    REQUIRE(palace->commits(newest - 2, 1).value().size() == 1);
    REQUIRE(palace->commits(newest, 5).value().empty());
  }
}

TEST_CASE("the versions of a memory are told newest first, its ends among them") {
  SimOs os(1);
  auto palace = Palace::create(kDirectory, {}, on(os));
  REQUIRE(palace.has_value());
  Batch batch;
  batch.remember({.key = "k", .content = "one"});
  const Ack first = palace->commit(std::move(batch)).value();
  const MemoryId id = first.ids[0];
  Batch second;
  second.supersede(id, {.content = "two"});
  const Ack next = palace->commit(std::move(second)).value();
  REQUIRE(palace->checkpoint().has_value());
  Batch third;
  third.forget(id);
  const Ack last = palace->commit(std::move(third)).value();
  for (const bool merged : {false, true}) {
    if (merged) REQUIRE(palace->compact().has_value());
    const auto versions = palace->versions(id);
    REQUIRE(versions.has_value());
    REQUIRE(versions->size() == 3);
    CHECK((*versions)[0].commit == last.commit);
    CHECK_FALSE((*versions)[0].live);
    CHECK((*versions)[0].time == last.time);
    CHECK((*versions)[1].commit == next.commit);
    CHECK((*versions)[1].live);
    CHECK((*versions)[2].commit == first.commit);
    CHECK((*versions)[2].time == first.time);
    CHECK((*versions)[2].author == (*versions)[0].author);
    CHECK((*versions)[0].author != 0);
  }
  CHECK(palace->versions(999).error().code == Errc::unknown_id);
}

TEST_CASE("a feed that would have to tell what is not kept any more says so") {
  SimOs os(1);
  auto palace = Palace::create(kDirectory, {}, on(os));
  REQUIRE(palace.has_value());
  Batch policy;
  policy.set_history(0);
  REQUIRE(palace->commit(std::move(policy)).has_value());
  auto slow = palace->changes_after(0);
  REQUIRE(slow.has_value());
  for (int i = 0; i < 40; ++i) {
    Batch batch;
    batch.remember({.key = "k", .content = std::to_string(i)});
    REQUIRE(palace->commit(std::move(batch)).has_value());
  }
  const CommitNumber before = palace->snapshot().commit();
  REQUIRE(palace->compact().has_value());
  os.advance(1'000'000'000);
  REQUIRE(palace->compact().has_value());
  REQUIRE(palace->stats().value().oldest_readable > 1);
  CommitChanges changes;
  CHECK(slow->next(changes).error().code == Errc::too_old);
  CHECK(slow->position() == 0);
  CHECK(palace->changes_after(0).error().code == Errc::too_old);
  CHECK(palace->changes_after(before / 2).error().code == Errc::too_old);
  // Whoever begins at the newest commit goes on.
  auto fresh = palace->changes_after(palace->snapshot().commit());
  REQUIRE(fresh.has_value());
  Batch batch;
  batch.remember({.key = "k", .content = "last"});
  const Ack ack = palace->commit(std::move(batch)).value();
  const auto rest = drain(*fresh);
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].commit.commit == ack.commit);
  CHECK(told(rest[0]).wrote == std::set<MemoryId>{ack.ids[0]});
}
