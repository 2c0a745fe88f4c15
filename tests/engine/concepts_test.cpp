// Concepts in a palace: made with the memory that mentions them, once each, at one instant with
// everything else, and gone with the last mention.
#include <catch2/catch.hpp>

#include <thread>

#include "tests/support/concept_shelf.hpp"

using namespace aeon;

using test::concept_of;
using test::Names;
using test::names;
using test::Shelf;
using test::text;

TEST_CASE("Memories that spell a name alike mention one concept") {
  Shelf shelf;
  const MemoryId first = shelf.put(text("one", {"Ada Lovelace", "Turin", "ada  LOVELACE"}));
  const MemoryId second = shelf.put(text("two", {"ada lovelace"}));
  const Snapshot now = shelf.palace.snapshot();
  CHECK(names(now, first) == Names{"Ada Lovelace", "Turin"});
  CHECK(names(now, second) == Names{"Ada Lovelace"});
  CHECK(shelf.palace.stats()->memories == 4);
}

TEST_CASE("Text and title are searched for names where that is asked for") {
  Shelf shelf;
  NewMemory memory = text("We met Ada Lovelace there.");
  memory.metadata = R"json({"title":"Letters (book)"})json";
  const MemoryId plain = shelf.put(memory);
  memory.find_mentions = true;
  const MemoryId asked = shelf.put(memory);
  CHECK(names(shelf.palace.snapshot(), plain).empty());
  CHECK(names(shelf.palace.snapshot(), asked) == Names{"Ada Lovelace", "Letters"});
}

TEST_CASE("Triples are edges between concepts") {
  Shelf shelf;
  NewMemory memory = text("Ada was born in London.");
  memory.triples = {{"Ada", "born in", "London"}, {"Ada", "is", "ada"}};
  const MemoryId id = shelf.put(memory);
  const Snapshot now = shelf.palace.snapshot();
  CHECK(names(now, id) == Names{"Ada", "London"});
  CHECK(names(now, concept_of(now, "ada"), "born in") == Names{"London"});
  CHECK(names(now, concept_of(now, "ada"), "is").empty());
}

TEST_CASE("No recall answers with a concept, nor do concepts count among the documents") {
  Shelf shelf;
  const MemoryId with = shelf.put(text("the engine of Ada", {"Ada", "Analytical Engine"}));
  Shelf bare;
  const MemoryId without = bare.put(text("the engine of Ada"));
  for (const Preset& preset : {kWordsPreset, kDialoguePreset, kPassagesPreset}) {
    Answer answer;
    Answer other;
    const Query query{.text = "analytical engine Ada", .preset = preset};
    REQUIRE(shelf.palace.recall(query, answer));
    REQUIRE(bare.palace.recall(query, other));
    REQUIRE(answer.hits.size() == 1);
    REQUIRE(other.hits.size() == 1);
    CHECK(answer.hits[0].id == with);
    CHECK(other.hits[0].id == without);
    if (preset.graph == 0) CHECK(answer.hits[0].score == other.hits[0].score);
  }
}

TEST_CASE("A concept ends with its last mention and not before") {
  Shelf shelf;
  const MemoryId first = shelf.put(text("one", {"Ada", "Turin"}));
  const MemoryId second = shelf.put(text("two", {"Ada"}));
  const CommitNumber before = shelf.palace.snapshot().commit();
  shelf.forget(first);
  {
    const Snapshot now = shelf.palace.snapshot();
    CHECK(concept_of(now, "ada") != 0);
    CHECK(concept_of(now, "turin") == 0);
  }
  shelf.forget(second);
  CHECK(concept_of(shelf.palace.snapshot(), "ada") == 0);
  CHECK(shelf.palace.stats()->memories == 0);
  const Snapshot then = shelf.palace.snapshot_at(before).value();
  CHECK(names(then, first) == Names{"Ada", "Turin"});
  CHECK(concept_of(then, "turin") != 0);
  // A name that comes back is another memory.
  const MemoryId third = shelf.put(text("three", {"Turin"}));
  CHECK(names(shelf.palace.snapshot(), third) == Names{"Turin"});
  CHECK(concept_of(shelf.palace.snapshot(), "turin") != concept_of(then, "turin"));
}

TEST_CASE("What one commit forgets of a concept's mentions is counted in its order") {
  Shelf shelf;
  const MemoryId first = shelf.put(text("one", {"Ada"}));
  const MemoryId second = shelf.put(text("two", {"Ada"}));
  Batch batch;
  batch.forget(first);
  batch.remember(text("three", {"Ada"}));
  batch.forget(second);
  REQUIRE(shelf.palace.commit(std::move(batch), Durability::process));
  CHECK(concept_of(shelf.palace.snapshot(), "ada") != 0);
  CHECK(shelf.palace.stats()->memories == 2);
}

TEST_CASE("A new version mentions what it says and nothing else") {
  Shelf shelf;
  NewMemory memory = text("one", {"Ada", "Turin"});
  memory.key = "k";
  memory.triples = {{"Ada", "lives in", "Turin"}};
  const MemoryId id = shelf.put(memory);
  memory.mentions = {"Ada", "Rome"};
  memory.triples = {{"Ada", "lives in", "Rome"}};
  CHECK(shelf.put(memory) == id);
  const Snapshot now = shelf.palace.snapshot();
  CHECK(names(now, id) == Names{"Ada", "Rome"});
  CHECK(names(now, concept_of(now, "ada"), "lives in") == Names{"Rome"});
  CHECK(concept_of(now, "turin") == 0);
}

TEST_CASE("A relation stands while a memory mentions both of its ends") {
  Shelf shelf;
  NewMemory memory = text("one");
  memory.triples = {{"Ada", "knows", "Charles"}};
  const MemoryId stated = shelf.put(memory);
  const MemoryId both = shelf.put(text("two", {"Ada", "Charles"}));
  const MemoryId ada = shelf.put(text("three", {"Ada"}));
  shelf.put(text("four", {"Charles"}));
  const MemoryId subject = concept_of(shelf.palace.snapshot(), "ada");
  shelf.forget(stated);
  CHECK(names(shelf.palace.snapshot(), subject, "knows") == Names{"Charles"});
  shelf.forget(both);
  CHECK(names(shelf.palace.snapshot(), subject, "knows").empty());
  CHECK(names(shelf.palace.snapshot(), ada) == Names{"Ada"});
}

TEST_CASE("Erasing a memory erases the names that only it held, also after it was forgotten") {
  Shelf shelf;
  for (const bool forgotten : {false, true}) {
    const MemoryId id = shelf.put(text("one", {"Xenophilius", "Ada"}));
    const MemoryId other = shelf.put(text("two", {"Ada"}));
    if (forgotten) shelf.forget(id);
    shelf.erase(id);
    CHECK(shelf.palace.stats()->erasures_pending == (forgotten ? 2 : 2));
    CHECK(names(shelf.palace.snapshot(), other) == Names{"Ada"});
    REQUIRE(shelf.palace.purge());
    CHECK(shelf.palace.stats()->erasures_pending == 0);
  }
}

TEST_CASE("Concepts are the same after a reopen, a checkpoint and a merge") {
  Shelf shelf;
  const MemoryId first = shelf.put(text("one", {"Ada", "Turin"}));
  REQUIRE(shelf.palace.checkpoint());
  const MemoryId second = shelf.put(text("two", {"Ada", "Rome"}));
  const std::uint64_t hash = shelf.palace.snapshot().state_hash().value();
  shelf.reopen();
  CHECK(shelf.palace.snapshot().state_hash().value() == hash);
  shelf.forget(first);
  REQUIRE(shelf.palace.checkpoint());
  REQUIRE(shelf.palace.compact());
  CHECK(names(shelf.palace.snapshot(), second) == Names{"Ada", "Rome"});
  shelf.forget(second);
  CHECK(shelf.palace.stats()->memories == 0);
  CHECK(shelf.palace.verify()->damage.empty());
}

TEST_CASE("Writers that mention one name at once make one concept") {
  Shelf shelf;
  constexpr int kWriters = 4;
  constexpr int kEach = 25;
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&shelf, w] {
      for (int i = 0; i < kEach; ++i) {
        Batch batch;
        batch.remember(text("t", {"Ada", "Name " + std::to_string(w * 100 + i % 5)}));
        (void)shelf.palace.commit(std::move(batch), Durability::none);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  CHECK(shelf.palace.stats()->memories == kWriters * kEach + kWriters * 5 + 1);
}

TEST_CASE("Names that can't be concepts are refused and change nothing") {
  Shelf shelf;
  const auto with = [](Triple triple) {
    NewMemory memory = text("one", {"Ada"});
    memory.triples.push_back(std::move(triple));
    return memory;
  };
  CHECK(shelf.refused(text("one", {"..."})) == Errc::invalid_argument);
  CHECK(shelf.refused(text("one", {std::string(256, 'a')})) == Errc::too_large);
  CHECK(shelf.refused(text("one", {"\xff"})) == Errc::invalid_utf8);
  CHECK(shelf.refused(text("one", std::vector<std::string>(1025, "a"))) == Errc::too_large);
  CHECK(shelf.refused(with({"Ada", "", "Turin"})) == Errc::invalid_argument);
  CHECK(shelf.refused(with({"Ada", "next", "Turin"})) == Errc::invalid_argument);
  CHECK(shelf.refused(with({"", "is", "Turin"})) == Errc::invalid_argument);
  NewMemory of_concept = text("Ada", {"Turin"});
  of_concept.key = "concept:ada";
  CHECK(shelf.refused(of_concept) == Errc::invalid_argument);
  CHECK(shelf.palace.stats()->memories == 0);
}
