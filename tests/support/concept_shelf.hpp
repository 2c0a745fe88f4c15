// A palace for tests of concepts, and what they ask of it.
#pragma once

#include <catch2/catch.hpp>

#include <set>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"

namespace aeon::test {

using Names = std::set<std::string>;

inline NewMemory text(std::string content, std::vector<std::string> mentions = {}) {
  NewMemory memory;
  memory.content = std::move(content);
  memory.mentions = std::move(mentions);
  return memory;
}

struct Shelf {
  Shelf() : palace(Palace::create(scratch / "palace", {}, {.background = false}).value()) {}

  MemoryId put(NewMemory memory) {
    Batch batch;
    batch.remember(std::move(memory));
    const auto ack = palace.commit(std::move(batch), Durability::process);
    REQUIRE(ack);
    REQUIRE(ack->ids.size() == 1);
    return ack->ids[0];
  }
  void apply(void (Batch::*operation)(MemoryId, CommitNumber), MemoryId id) {
    Batch batch;
    (batch.*operation)(id, 0);
    REQUIRE(palace.commit(std::move(batch), Durability::process));
  }
  void forget(MemoryId id) { apply(&Batch::forget, id); }
  void erase(MemoryId id) {
    Batch batch;
    batch.erase(id);
    REQUIRE(palace.commit(std::move(batch), Durability::process));
  }
  Errc refused(NewMemory memory) {
    Batch batch;
    batch.remember(std::move(memory));
    const auto ack = palace.commit(std::move(batch), Durability::process);
    REQUIRE(!ack);
    return ack.error().code;
  }
  void reopen() {
    REQUIRE(palace.close());
    palace = Palace::open(scratch / "palace", {.background = false}).value();
  }
  TempDirectory scratch;
  Palace palace;
};

inline Names names(const Snapshot& snapshot, MemoryId from, std::string_view type = "mentions") {
  std::vector<Edge> edges;
  REQUIRE(snapshot.neighbours(from, Direction::out, type, SIZE_MAX, edges).has_value());
  Names found;
  Memory memory;
  for (const Edge& edge : edges) {
    REQUIRE(snapshot.get(edge.to, memory));
    CHECK(memory.kind == "concept");
    found.insert(memory.content);
  }
  return found;
}

inline MemoryId concept_of(const Snapshot& snapshot, const std::string& words) {
  const auto found = snapshot.find_key("", "concept:" + words);
  return found ? *found : 0;
}

}  // namespace aeon::test
