// Walks over memories: which edges and memories belong to them, at which instant, and what is
// refused. The walks themselves are checked in tests/graph.
#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <set>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

OpenOptions quiet() { return {.background = false}; }

std::vector<MemoryId> ids_of(const WalkAnswer& answer) {
  std::vector<MemoryId> ids;
  for (const Walked& walked : answer.found) ids.push_back(walked.id);
  return ids;
}

// What a walk may step on, told through neighbours() and get() alone.
class Oracle {
 public:
  Oracle(const Snapshot& snapshot, const WalkQuery& query) : snapshot_(snapshot), query_(query) {}

  std::map<MemoryId, std::uint32_t> distances() {
    std::map<MemoryId, std::uint32_t> found;
    std::vector<MemoryId> layer(query_.from.begin(), query_.from.end());
    for (const MemoryId id : layer) found[id] = 0;
    for (std::uint32_t hop = 1; hop <= query_.hops; ++hop) {
      std::vector<MemoryId> next;
      for (const MemoryId id : layer) {
        for (const MemoryId to : steps(id)) {
          if (found.try_emplace(to, hop).second) next.push_back(to);
        }
      }
      layer = std::move(next);
    }
    return found;
  }

 private:
  std::set<MemoryId> steps(MemoryId id) {
    std::set<MemoryId> to;
    std::vector<Edge> edges;
    for (const Direction way : {Direction::out, Direction::in}) {
      if (query_.way != WalkWay::both && (query_.way == WalkWay::out) != (way == Direction::out)) {
        continue;
      }
      REQUIRE(snapshot_.neighbours(id, way, "", SIZE_MAX, edges).has_value());
      for (const Edge& edge : edges) {
        if (walks(edge)) to.insert(way == Direction::out ? edge.to : edge.from);
      }
    }
    std::erase_if(to, [&](MemoryId other) { return !wants(other); });
    return to;
  }
  bool holds(TimeNs from, TimeNs until) const {
    return !query_.valid_at ||
           (from <= *query_.valid_at && (*query_.valid_at < until || until == kEndOfTime));
  }
  bool walks(const Edge& edge) const {
    bool typed = query_.types.empty();
    for (const TypeWeight& type : query_.types) typed = typed || type.type == edge.type;
    return typed && edge.weight > 0 && holds(edge.valid_from, edge.valid_to);
  }
  bool wants(MemoryId id) const {
    Memory memory;
    REQUIRE(snapshot_.get(id, memory).has_value());
    const bool even = memory.metadata == R"({"even":true})";
    return holds(memory.valid_from, memory.valid_to) &&
           (query_.kind.empty() || memory.kind == query_.kind) &&
           (query_.session.empty() || memory.session == query_.session) &&
           (query_.filter.empty() || even);
  }

  const Snapshot& snapshot_;
  const WalkQuery& query_;
};

}  // namespace

TEST_CASE("a walk steps on what the query wants, at its instant, settled or not") {
  const test::TempDirectory scratch;
  auto palace = Palace::create(scratch / "palace", {}, quiet());
  REQUIRE(palace.has_value());
  std::mt19937_64 random(7);
  const char* const kinds[] = {"fact", "event"};
  const char* const sessions[] = {"", "a", "b"};
  const char* const types[] = {"likes", "mentions", "caused_by"};
  std::vector<MemoryId> made;
  std::vector<Snapshot> instants;
  for (int step = 0; step < 400; ++step) {
    Batch batch;
    const unsigned choice = static_cast<unsigned>(random() % 10);
    if (choice < 3 || made.size() < 6) {
      NewMemory memory;
      memory.content = fmt::format("number {}", step);
      memory.kind = kinds[random() % 2];
      memory.session = sessions[random() % 3];
      if (random() % 2 == 0) memory.metadata = R"({"even":true})";
      if (random() % 4 == 0) memory.valid_to = 50;
      batch.remember(std::move(memory));
    } else if (choice < 9) {
      NewEdge edge;
      edge.from = MemoryRef::of(made[random() % made.size()]);
      edge.to = MemoryRef::of(made[random() % made.size()]);
      edge.type = types[random() % 3];
      edge.weight = static_cast<float>(random() % 12) / 4 - 0.25F;
      if (random() % 3 == 0) edge.valid_from = 20;
      if (random() % 3 == 0) edge.valid_to = 80;
      batch.link(edge);
    } else {
      batch.forget(made[random() % made.size()]);
    }
    const auto ack = palace->commit(std::move(batch), Durability::process);
    if (ack) made.insert(made.end(), ack->ids.begin(), ack->ids.end());
    if (step % 90 == 60) REQUIRE(palace->checkpoint().has_value());
    if (step % 50 == 49) instants.push_back(palace->snapshot());
  }
  REQUIRE(palace->compact().has_value());
  instants.push_back(palace->snapshot());
  int long_walks = 0;
  const TypeWeight two[] = {{"likes", 0.5F}, {"next", 2.0F}};
  const TypeWeight one[] = {{"mentions", 1.0F}};
  const TypeWeight none[] = {{"never used", 1.0F}};
  for (const Snapshot& snapshot : instants) {
    for (int round = 0; round < 60; ++round) {
      CAPTURE(snapshot.commit(), round);
      WalkQuery query;
      std::vector<MemoryId> from;
      for (std::uint64_t i = 0; i < 1 + random() % 2; ++i) {
        const MemoryId id = made[random() % made.size()];
        Memory memory;
        if (snapshot.get(id, memory)) from.push_back(id);
      }
      if (from.empty()) continue;
      query.from = from;
      query.way = static_cast<WalkWay>(1 + random() % 3);
      const unsigned choice = static_cast<unsigned>(random() % 6);
      if (choice == 0) query.types = two;
      if (choice == 1) query.types = one;
      if (choice == 2) query.types = none;
      if (random() % 3 == 0) query.kind = kinds[random() % 2];
      if (random() % 4 == 0) query.session = sessions[1 + random() % 2];
      if (random() % 4 == 0) query.filter = R"({"even":true})";
      if (random() % 2 == 0) query.valid_at = static_cast<TimeNs>(random() % 100);
      query.hops = static_cast<std::uint32_t>(random() % 5);
      query.limit = 100'000;
      const auto truth = Oracle(snapshot, query).distances();
      WalkAnswer answer;
      REQUIRE(snapshot.reach(query, answer).has_value());
      REQUIRE(answer.complete);
      REQUIRE(answer.commit == snapshot.commit());
      std::map<MemoryId, std::uint32_t> found;
      for (const MemoryId id : from) found[id] = 0;
      for (const Walked& walked : answer.found) {
        REQUIRE(found.emplace(walked.id, walked.hops).second);
      }
      REQUIRE(found == truth);
      long_walks += found.size() > 5 ? 1 : 0;
      // Activation over the same hops touches the same memories.
      query.error = 1e-300;
      query.decay = 1;
      REQUIRE(snapshot.activate(query, answer).has_value());
      std::set<MemoryId> active;
      for (const Walked& walked : answer.found) active.insert(walked.id);
      REQUIRE(active.size() == truth.size());
      for (const MemoryId id : active) REQUIRE(truth.contains(id));
      // PageRank adds up to one.
      query.error = 1e-6;
      REQUIRE(snapshot.rank(query, answer).has_value());
      double sum = answer.error;
      for (const Walked& walked : answer.found) sum += walked.score;
      REQUIRE(std::abs(sum - 1) < 1e-9);
      // A path exists where something is reached.
      const MemoryId target = made[random() % made.size()];
      Memory memory;
      if (!snapshot.get(target, memory)) continue;
      REQUIRE(snapshot.path(target, query, answer).has_value());
      REQUIRE(answer.found.empty() == !truth.contains(target));
      if (!answer.found.empty()) {
        REQUIRE(answer.found.back().id == target);
        REQUIRE(answer.found.size() == truth.at(target) + 1);
      }
    }
  }
  CHECK(long_walks > 20);
}

TEST_CASE("weights of edges and of types decide where the rank goes") {
  const test::TempDirectory scratch;
  auto palace = Palace::create(scratch / "palace", {}, quiet());
  REQUIRE(palace.has_value());
  Batch batch;
  std::vector<MemoryRef> refs;
  for (int i = 0; i < 4; ++i) refs.push_back(batch.remember({.content = "m"}));
  batch.link({.from = refs[0], .to = refs[1], .type = "a", .weight = 1});
  batch.link({.from = refs[0], .to = refs[2], .type = "a", .weight = 3});
  batch.link({.from = refs[0], .to = refs[3], .type = "b", .weight = 1});
  const auto ack = palace->commit(std::move(batch));
  REQUIRE(ack.has_value());
  const std::vector<MemoryId>& id = ack->ids;
  WalkQuery query;
  query.from = std::span(id).first(1);
  query.error = 1e-9;
  WalkAnswer answer;
  REQUIRE(palace->snapshot().rank(query, answer).has_value());
  CHECK(ids_of(answer) == std::vector<MemoryId>{id[0], id[2], id[1], id[3]});
  CHECK(answer.found[1].score == Approx(3 * answer.found[2].score).epsilon(1e-6));
  const TypeWeight weights[] = {{"a", 1}, {"b", 12}};
  query.types = weights;
  REQUIRE(palace->snapshot().rank(query, answer).has_value());
  CHECK(ids_of(answer) == std::vector<MemoryId>{id[0], id[3], id[2], id[1]});
  CHECK(answer.found[1].score == Approx(4 * answer.found[2].score).epsilon(1e-6));
  query.limit = 2;
  REQUIRE(palace->snapshot().rank(query, answer).has_value());
  CHECK(answer.found.size() == 2);
}

TEST_CASE("what is no walk is refused, and the answer stays as it was") {
  const test::TempDirectory scratch;
  auto palace = Palace::create(scratch / "palace", {}, quiet());
  REQUIRE(palace.has_value());
  Batch batch;
  batch.remember({.content = "alone"});
  const MemoryId id = palace->commit(std::move(batch)).value().ids[0];
  const std::vector<MemoryId> from = {id};
  const std::vector<MemoryId> unknown = {id, 99};
  const Snapshot snapshot = palace->snapshot();
  WalkAnswer answer;
  answer.edges = 12345;
  const auto refused = [&](const WalkQuery& query, Errc code) {
    CHECK(snapshot.reach(query, answer).error().code == code);
    CHECK(snapshot.path(id, query, answer).error().code == code);
    CHECK(snapshot.activate(query, answer).error().code == code);
    CHECK(snapshot.rank(query, answer).error().code == code);
    CHECK(answer.edges == 12345);
  };
  WalkQuery query;
  refused(query, Errc::invalid_argument);
  query.from = unknown;
  refused(query, Errc::unknown_id);
  query.from = from;
  query.filter = "{";
  refused(query, Errc::invalid_json);
  query.filter = "";
  for (const double bad : {0.0, -1.0, 1.5, std::nan("")}) {
    WalkQuery changed = query;
    changed.error = bad;
    refused(changed, Errc::invalid_argument);
    changed = query;
    changed.restart = bad;
    refused(changed, Errc::invalid_argument);
    changed = query;
    changed.decay = bad;
    refused(changed, Errc::invalid_argument);
  }
  const TypeWeight bad[] = {{"likes", 0}};
  query.types = bad;
  refused(query, Errc::invalid_argument);
  query.types = {};
  CHECK(snapshot.path(99, query, answer).error().code == Errc::unknown_id);
  REQUIRE(snapshot.reach(query, answer).has_value());
  CHECK(answer.found.empty());
  CHECK(answer.edges == 0);
  query.hops = 0;
  REQUIRE(snapshot.path(id, query, answer).has_value());
  CHECK(ids_of(answer) == from);
}
