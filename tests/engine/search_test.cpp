// What recall answers where pages are damaged, and what filters compare.
#include <catch2/catch.hpp>

#include "engine/palace.hpp"
#include "storage/manifest.hpp"
#include "storage/segment.hpp"
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

NewMemory memory(float x, const std::string& metadata) {
  NewMemory memory;
  memory.content = "...";
  memory.embed = false;
  memory.metadata = metadata;
  memory.vectors.push_back({"v", {x, 1.0F}, ""});
  return memory;
}

// A settled palace of 2,000 memories, of which every other one was forgotten.
void fill(SimOs& os) {
  auto palace = Palace::create(kDirectory, {{.name = "v", .dimension = 2, .model = ""}}, on(os));
  REQUIRE(palace.has_value());
  Batch batch;
  for (int i = 0; i < 2000; ++i)
    batch.remember(memory(static_cast<float>(i), R"({"a": 1, "s": "note"})"));
  const auto ack = palace->commit(std::move(batch));
  REQUIRE(ack);
  Batch forget;
  for (std::size_t i = 0; i < 2000; i += 2) forget.forget(ack->ids[i]);
  REQUIRE(palace->commit(std::move(forget)));
  REQUIRE(palace->checkpoint());
  REQUIRE(palace->close());
}

// Where a section of the only segment lies.
storage::Section section(SimOs& os, storage::SectionKind kind) {
  const auto manifest = storage::Manifest::open(os, kDirectory, true);
  REQUIRE(manifest.has_value());
  const auto segment =
      storage::Segment::open(os, kDirectory, manifest->state().palace, storage::FileKind::segment,
                             manifest->state().segments.front());
  REQUIRE(segment.has_value());
  return *(*segment)->find(kind);
}

void damage(SimOs& os, storage::SectionKind kind) {
  // Ends are those of documents first, then those of rows.
  const storage::Section place = section(os, kind);
  const bool ends = kind == storage::SectionKind::cluster_ends;
  const std::uint64_t at = ends ? place.bytes / 4 * 3 : 6000;
  os.corrupt(kDirectory + "/seg-000001", place.offset + at, std::byte{0x10});
}

// How many memories an answer holds, all of which must be there.
std::size_t hits(Palace& palace, const std::string& filter, bool& partial) {
  const std::vector<float> vector = {0.0F, 1.0F};
  Query query;
  query.space = "v";
  query.vector = vector;
  query.k = 1000;
  query.filter = filter;
  Answer answer;
  const Status status = palace.recall(query, answer);
  REQUIRE(status);
  partial = answer.partial;
  for (const Hit& hit : answer.hits) REQUIRE(hit.id % 2 == 0);
  return answer.hits.size();
}

}  // namespace

TEST_CASE("what was forgotten stays hidden when the page that says so is damaged") {
  SimOs os(1);
  fill(os);
  damage(os, storage::SectionKind::cluster_ends);
  auto palace = Palace::open(kDirectory, on(os));
  REQUIRE(palace.has_value());
  bool partial = false;
  // Which rows ended is known from the index; only when is not.
  CHECK(hits(*palace, "", partial) == 1000);
  CHECK(partial);
}

TEST_CASE("where the page that places rows is damaged, their vectors are said to be") {
  SimOs os(1);
  fill(os);
  damage(os, storage::SectionKind::node_places);
  auto palace = Palace::open(kDirectory, on(os));
  REQUIRE(palace.has_value());
  const Snapshot snapshot = palace->snapshot();
  Memory memory;
  std::size_t read = 0;
  for (MemoryId id = 2; id <= 2000; id += 2) {
    const Status status = snapshot.get(id, memory, true);
    if (status) ++read;
    if (!status) CHECK(status.error().code == Errc::damaged);
    CHECK(snapshot.get(id, memory, false));
  }
  CHECK(read > 100);
  CHECK(read < 1000);
  bool partial = false;
  CHECK(hits(*palace, "", partial) == 1000);
}

TEST_CASE("a filtered recall over damaged records answers from the rest") {
  SimOs os(1);
  fill(os);
  damage(os, storage::SectionKind::run_blocks);
  auto palace = Palace::open(kDirectory, on(os));
  REQUIRE(palace.has_value());
  bool partial = false;
  // Terms tell who has the value, and no record is read.
  CHECK(hits(*palace, R"({"a": 1})", partial) == 1000);
  CHECK_FALSE(partial);
  // What a string holds is asked of the records.
  const std::size_t found = hits(*palace, R"({"s": {"contains": "ot"}})", partial);
  CHECK(found > 500);
  CHECK(found < 1000);
  CHECK(partial);
}

TEST_CASE("filters compare large whole numbers exactly") {
  SimOs os(1);
  auto palace = Palace::create(kDirectory, {{.name = "v", .dimension = 2, .model = ""}}, on(os));
  REQUIRE(palace.has_value());
  Batch batch;
  batch.remember(memory(1.0F, ""));
  batch.remember(memory(1.0F, R"({"a": 18446744073709551615, "b": 9007199254740993, "c": -3})"));
  REQUIRE(palace->commit(std::move(batch)));
  bool partial = false;
  CHECK(hits(*palace, R"({"a": 18446744073709551615})", partial) == 1);
  CHECK(hits(*palace, R"({"a": 18446744073709551614})", partial) == 0);
  CHECK(hits(*palace, R"({"a": {">": 9223372036854775807}})", partial) == 1);
  CHECK(hits(*palace, R"({"a": {"<": 1.8446744073709551616e19}})", partial) == 1);
  CHECK(hits(*palace, R"({"b": 9007199254740992.0})", partial) == 0);
  CHECK(hits(*palace, R"({"b": {">": 9007199254740992.0}})", partial) == 1);
  CHECK(hits(*palace, R"({"b": {"<=": 1e300}})", partial) == 1);
  CHECK(hits(*palace, R"({"c": {">": -3.5}})", partial) == 1);
  CHECK(hits(*palace, R"({"c": {"<": -2.5}})", partial) == 1);
  CHECK(hits(*palace, R"({"c": -3.0})", partial) == 1);
  CHECK(hits(*palace, R"({"c": {"<": 18446744073709551615}})", partial) == 1);
}
