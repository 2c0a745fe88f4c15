// What ends with the last mention, what does not, and that it leaves nothing behind.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "tests/support/concept_shelf.hpp"

using namespace aeon;
using test::concept_of;
using test::Names;
using test::names;
using test::Shelf;
using test::text;

namespace {

// Whether any file of the palace holds those bytes.
bool holds(const Shelf& shelf, std::string_view bytes) {
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(shelf.scratch / "palace")) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string found{std::istreambuf_iterator<char>(file), {}};
    if (found.find(bytes) != std::string::npos) return true;
  }
  return false;
}

MemoryId put_concept(Shelf& shelf, const std::string& name, std::string content,
                     std::string session = "") {
  NewMemory memory = text(std::move(content));
  memory.key = "concept:" + name;
  memory.kind = "concept";
  memory.session = std::move(session);
  return shelf.put(std::move(memory));
}

}  // namespace

TEST_CASE("A batch may end a memory and the concept that ends with it, in any order") {
  for (const bool concept_first : {false, true}) {
    for (const bool erased : {false, true}) {
      Shelf shelf;
      const MemoryId memory = shelf.put(text("one", {"Ada"}));
      const MemoryId ada = concept_of(shelf.palace.snapshot(), "ada");
      Batch batch;
      if (!concept_first) batch.forget(memory);
      if (erased) {
        batch.erase(ada);
      } else {
        batch.forget(ada);
      }
      if (concept_first) batch.forget(memory);
      REQUIRE(shelf.palace.commit(std::move(batch), Durability::process));
      CHECK(concept_of(shelf.palace.snapshot(), "ada") == 0);
      const Stats stats = shelf.palace.stats().value();
      CHECK(stats.memories == 0);
      CHECK(stats.erasures_pending == (erased ? 1 : 0));
      CHECK(shelf.palace.verify()->damage.empty());
    }
  }
}

TEST_CASE("Erasing a memory erases the names that only its earlier versions held") {
  Shelf shelf;
  NewMemory memory = text("one", {"Zaphodbeeblebrox", "Ada"});
  memory.key = "k";
  const MemoryId id = shelf.put(memory);
  memory.mentions = {"Ada"};
  REQUIRE(shelf.put(memory) == id);
  const MemoryId other = shelf.put(text("two", {"Ada"}));
  REQUIRE(shelf.palace.checkpoint());
  REQUIRE(holds(shelf, "zaphodbeeblebrox"));
  shelf.erase(id);
  REQUIRE(shelf.palace.purge());
  CHECK_FALSE(holds(shelf, "zaphodbeeblebrox"));
  CHECK_FALSE(holds(shelf, "Zaphodbeeblebrox"));
  CHECK(names(shelf.palace.snapshot(), other) == Names{"Ada"});
}

TEST_CASE("A concept of more mentions than a commit looks at ends before a purge is done") {
  constexpr int kMentions = 17'000;
  Shelf shelf;
  std::vector<MemoryId> ids;
  for (int first = 0; first < kMentions; first += 1000) {
    Batch batch;
    for (int i = 0; i < 1000; ++i) {
      NewMemory memory = text("m", {"Xenophilius"});
      memory.embed = false;
      batch.remember(std::move(memory));
    }
    const auto ack = shelf.palace.commit(std::move(batch), Durability::process);
    REQUIRE(ack);
    ids.insert(ids.end(), ack->ids.begin(), ack->ids.end());
  }
  for (std::size_t first = 0; first < ids.size(); first += 1000) {
    Batch batch;
    for (std::size_t i = first; i < std::min(first + 1000, ids.size()); ++i) batch.erase(ids[i]);
    REQUIRE(shelf.palace.commit(std::move(batch), Durability::process));
  }
  CHECK(concept_of(shelf.palace.snapshot(), "xenophilius") != 0);  // or the test asks too little
  REQUIRE(shelf.palace.purge());
  CHECK(concept_of(shelf.palace.snapshot(), "xenophilius") == 0);
  CHECK(shelf.palace.stats()->memories == 0);
  CHECK_FALSE(holds(shelf, "xenophilius"));
  CHECK_FALSE(holds(shelf, "Xenophilius"));
  CHECK(shelf.palace.verify()->damage.empty());
}

TEST_CASE("Edges that users made between concepts are theirs") {
  Shelf shelf;
  NewMemory memory = text("one", {"Ada", "Bob"});
  memory.key = "k";
  const MemoryId id = shelf.put(memory);
  const MemoryId ada = concept_of(shelf.palace.snapshot(), "ada");
  const MemoryId bob = concept_of(shelf.palace.snapshot(), "bob");
  Batch batch;
  batch.link(
      {.from = MemoryRef::of(ada), .to = MemoryRef::of(bob), .type = "married to", .weight = 5});
  REQUIRE(shelf.palace.commit(std::move(batch), Durability::process));
  REQUIRE(shelf.put(memory) == id);  // the same again
  CHECK(names(shelf.palace.snapshot(), ada, "married to") == Names{"Bob"});
  // Both stand without the memory, so the edge does.
  shelf.put(text("two", {"Ada"}));
  shelf.put(text("three", {"Bob"}));
  shelf.forget(id);
  CHECK(names(shelf.palace.snapshot(), ada, "married to") == Names{"Bob"});
}

TEST_CASE("The line of a session that holds concepts is not a relation of theirs") {
  Shelf shelf;
  const MemoryId alpha = put_concept(shelf, "alpha", "Alpha", "s");
  put_concept(shelf, "beta", "Beta", "s");
  NewMemory third = text("third");
  third.session = "s";
  shelf.put(std::move(third));
  const MemoryId both = shelf.put(text("both", {"Alpha", "Beta"}));
  shelf.forget(both);
  std::vector<Event> events;
  REQUIRE(shelf.palace.snapshot().follow(alpha, 10, events));
  CHECK(events.size() == 2);
}

TEST_CASE("A concept that holds more than its name outlives its mentions") {
  Shelf shelf;
  const MemoryId project = put_concept(shelf, "project x", "What we know of it so far");
  for (const bool erased : {false, true}) {
    const MemoryId memory = shelf.put(text("a note", {"Project X"}));
    CHECK(concept_of(shelf.palace.snapshot(), "project x") == project);
    if (erased) {
      shelf.erase(memory);
    } else {
      shelf.forget(memory);
    }
    CHECK(concept_of(shelf.palace.snapshot(), "project x") == project);
  }
  REQUIRE(shelf.palace.purge());
  CHECK(concept_of(shelf.palace.snapshot(), "project x") == project);
}

TEST_CASE("Concepts that nobody ever mentioned stay") {
  Shelf shelf;
  const MemoryId ada = put_concept(shelf, "ada", "Ada");
  shelf.erase(shelf.put(text("something else")));
  REQUIRE(shelf.palace.purge());
  CHECK(concept_of(shelf.palace.snapshot(), "ada") == ada);
}

TEST_CASE("A batch that mentions more than a commit holds is refused and changes nothing") {
  Shelf shelf;
  Batch batch;
  for (int i = 0; i < 1024; ++i) {
    NewMemory memory = text("m");
    memory.embed = false;
    for (int n = 0; n < 1024; ++n) memory.mentions.push_back(fmt::format("n{} of {}", n, i));
    batch.remember(std::move(memory));
  }
  const auto ack = shelf.palace.commit(std::move(batch), Durability::process);
  REQUIRE_FALSE(ack);
  CHECK(ack.error().code == Errc::too_large);
  CHECK(shelf.palace.stats()->memories == 0);
}
