// Palaces written by released format versions, kept for ever: every later version opens them, reads
// them without a change, and goes on writing to them. golden/README.md tells what each one holds.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

const std::string kGolden = AEON_GOLDEN_DIR;

std::map<std::string, std::string> files_of(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream in(entry.path(), std::ios::binary);
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(in), {}};
  }
  return files;
}

void check_contents(const Snapshot& snapshot) {
  Memory memory;
  REQUIRE(snapshot.find_key("", "pot").value() == 1);
  REQUIRE(snapshot.get(1, memory, true).has_value());
  CHECK(memory.content == "the spare key moved under the mat");
  CHECK(memory.session == "monday");
  REQUIRE(memory.vectors.size() == 2);
  CHECK(memory.vectors[0].space == "v");
  CHECK(memory.vectors[0].values[0] == Approx(0.4).epsilon(1e-3));
  REQUIRE(snapshot.get(3, memory).has_value());
  CHECK(memory.kind == "event");
  CHECK(memory.content.starts_with("Ada said that the conference moves"));
  CHECK(memory.content.ends_with("book again"));
  REQUIRE(snapshot.get(5, memory).has_value());
  CHECK(memory.content_type == ContentType::bytes);
  CHECK(memory.content == std::string("\x00\x01\x02\x03\x04", 5));
  CHECK(memory.valid_to > memory.valid_from);
  CHECK_FALSE(snapshot.get(6, memory).has_value());
  CHECK(snapshot.find_key("bob", "pot").value() == 4);
  std::vector<Event> events;
  REQUIRE(snapshot.backtrack(7, 9, events).has_value());
  REQUIRE(events.size() == 3);
  CHECK(events[0].id == 3);
  std::vector<Edge> edges;
  REQUIRE(snapshot.neighbours(2, Direction::out, "caused_by", 9, edges).has_value());
  REQUIRE(edges.size() == 1);
  CHECK(edges[0].weight == 0.5F);
  Query query;
  query.text = "train to Lyon";
  query.k = 3;
  Answer answer;
  REQUIRE(snapshot.recall(query, answer).has_value());
  REQUIRE(answer.hits.size() == 3);
  CHECK(answer.hits[0].id == 2);
}

// The graph of `v2`: 1,140 waves by their number, from id 8 on; those of ids 8 and 9 were
// forgotten, that of id 10 became wave 5000.
std::vector<float> wave(unsigned number) {
  std::vector<float> values(8);
  for (unsigned i = 0; i < 8; ++i) {
    values[i] = std::sin(static_cast<float>(number) * 0.37F * static_cast<float>(i + 1) +
                         static_cast<float>(i));
  }
  return values;
}

MemoryId nearest_wave(const Snapshot& snapshot, unsigned number) {
  const std::vector<float> vector = wave(number);
  Query query;
  query.space = "graph";
  query.vector = vector;
  query.model = "waves";
  query.k = 1;
  Answer answer;
  REQUIRE(snapshot.recall(query, answer).has_value());
  CHECK_FALSE(answer.partial);
  REQUIRE(answer.hits.size() == 1);
  CHECK(answer.hits[0].score > 0.999F);
  return answer.hits[0].id;
}

void check_waves(const Snapshot& snapshot) {
  for (const unsigned number : {3U, 300U, 549U, 550U, 1099U, 1100U, 1139U}) {
    CHECK(nearest_wave(snapshot, number) == 8 + number);
  }
  CHECK(nearest_wave(snapshot, 5000) == 10);
  CHECK(nearest_wave(snapshot, 0) != 8);
}

}  // namespace

TEST_CASE("a palace of format version 2 is read without a change, and written on") {
  const auto before = files_of(kGolden + "/v2");
  REQUIRE(before.size() >= 5);
  {
    OpenOptions options;
    options.read_only = true;
    auto palace = Palace::open(kGolden + "/v2", options);
    REQUIRE(palace.has_value());
    const Snapshot snapshot = palace->snapshot();
    CHECK(snapshot.commit() == 12);
    check_contents(snapshot);
    check_waves(snapshot);
    CHECK(nearest_wave(palace->snapshot_at(8).value(), 0) == 8);
    const auto report = palace->verify();
    REQUIRE(report.has_value());
    CHECK(report->damage.empty());
    CHECK(palace->stats()->cleanly_closed);
  }
  CHECK(files_of(kGolden + "/v2") == before);
  const test::TempDirectory scratch;
  std::filesystem::copy(kGolden + "/v2", scratch / "palace");
  auto palace = Palace::open(scratch / "palace").value();
  const std::uint64_t hash = palace.snapshot().state_hash().value();
  REQUIRE(palace.compact().has_value());
  CHECK(palace.snapshot().state_hash().value() == hash);
  check_contents(palace.snapshot());
  check_waves(palace.snapshot());
  CHECK(palace.verify().value().damage.empty());
}

TEST_CASE("a palace of format version 1 is read without a change") {
  const auto before = files_of(kGolden + "/v1");
  REQUIRE(before.size() >= 4);
  OpenOptions options;
  options.read_only = true;
  auto palace = Palace::open(kGolden + "/v1", options);
  REQUIRE(palace.has_value());
  const Snapshot snapshot = palace->snapshot();
  CHECK(snapshot.commit() == 5);
  check_contents(snapshot);
  const auto report = palace->verify();
  REQUIRE(report.has_value());
  CHECK(report->damage.empty());
  CHECK(palace->stats()->cleanly_closed);
  // The past is there as well.
  Memory memory;
  REQUIRE(palace->snapshot_at(3)->get(1, memory).has_value());
  CHECK(memory.content == "the blue flower pot hides the spare key");
  REQUIRE(palace->close().has_value());
  CHECK(files_of(kGolden + "/v1") == before);
}

TEST_CASE("a palace of format version 1 is written on") {
  const test::TempDirectory scratch;
  const std::string directory = scratch.path() + "/palace";
  std::filesystem::copy(kGolden + "/v1", directory);
  std::uint64_t hash = 0;
  {
    auto palace = Palace::open(directory);
    REQUIRE(palace.has_value());
    check_contents(palace->snapshot());
    hash = palace->snapshot().state_hash().value();
    REQUIRE(palace->compact().has_value());
    CHECK(palace->snapshot().state_hash().value() == hash);
    Batch batch;
    NewMemory memory;
    memory.content = "written by a later version";
    memory.session = "monday";
    batch.remember(memory);
    const auto ack = palace->commit(std::move(batch));
    REQUIRE(ack.has_value());
    CHECK(ack->ids[0] == 8);
    batch = {};
    batch.forget(8);
    REQUIRE(palace->commit(std::move(batch)).has_value());
    REQUIRE(palace->close().has_value());
  }
  auto palace = Palace::open(directory);
  REQUIRE(palace.has_value());
  CHECK(palace->snapshot().state_hash().value() == hash);
  const auto report = palace->verify();
  REQUIRE(report.has_value());
  CHECK(report->damage.empty());
}

namespace {

// What `v3` adds to `v2`.
void check_third(const Snapshot& snapshot) {
  Memory memory;
  const MemoryId first = snapshot.find_key("", "lighthouse").value();
  REQUIRE(snapshot.get(first, memory).has_value());
  CHECK(memory.content == "the lighthouse keeper repaired the foghorn");
  CHECK(memory.expires == 4'000'000'000'000'000'000);
  std::vector<Event> events;
  REQUIRE(snapshot.timeline("", "tuesday", kBeginningOfTime, kEndOfTime, 9, events).has_value());
  REQUIRE(events.size() == 3);
  // The line closed up where its second event was forgotten.
  REQUIRE(snapshot.follow(first, 1, events).has_value());
  REQUIRE(events.size() == 1);
  REQUIRE(snapshot.get(events[0].id, memory).has_value());
  CHECK(memory.content == "foghorns need compressed air");
  // By words, settled and in the log.
  Query query;
  query.text = "foghorn";
  query.k = 5;
  Answer answer;
  REQUIRE(snapshot.recall(query, answer).has_value());
  REQUIRE(answer.hits.size() >= 2);
  CHECK(answer.hits[0].score > 0);
  query.text = "+barnacles";
  REQUIRE(snapshot.recall(query, answer).has_value());
  REQUIRE_FALSE(answer.hits.empty());
  REQUIRE(snapshot.get(answer.hits[0].id, memory).has_value());
  CHECK(memory.content == "barnacles grow on the keel");
  // Wave 4 was erased.
  CHECK(nearest_wave(snapshot, 5) == 13);
  CHECK_FALSE(snapshot.get(12, memory).has_value());
}

NewMemory event(const std::string& text) {
  NewMemory memory;
  memory.session = "tuesday";
  memory.kind = "event";
  memory.content = text;
  return memory;
}

}  // namespace

TEST_CASE("a palace of format version 3 is read without a change, and written on") {
  const auto before = files_of(kGolden + "/v3");
  REQUIRE(before.size() >= 4);
  {
    OpenOptions options;
    options.read_only = true;
    auto palace = Palace::open(kGolden + "/v3", options);
    REQUIRE(palace.has_value());
    const Snapshot snapshot = palace->snapshot();
    check_contents(snapshot);
    check_waves(snapshot);
    check_third(snapshot);
    const auto stats = palace->stats();
    CHECK(stats->cleanly_closed);
    CHECK(stats->history == kEndOfTime);
    CHECK(stats->erasures_pending == 0);
    const auto report = palace->verify();
    REQUIRE(report.has_value());
    CHECK(report->damage.empty());
  }
  CHECK(files_of(kGolden + "/v3") == before);
  const test::TempDirectory scratch;
  std::filesystem::copy(kGolden + "/v3", scratch / "palace");
  auto palace = Palace::open(scratch / "palace").value();
  const std::uint64_t hash = palace.snapshot().state_hash().value();
  REQUIRE(palace.compact().has_value());
  CHECK(palace.snapshot().state_hash().value() == hash);
  check_contents(palace.snapshot());
  check_waves(palace.snapshot());
  check_third(palace.snapshot());
  CHECK(palace.verify().value().damage.empty());
  // The terms of such a palace don't tell what a filter leaves; it is told all the same.
  Batch batch;
  for (unsigned i = 0; i < 3; ++i) {
    NewMemory memory = event("a note");
    memory.metadata = i == 0 ? R"({"page":1})" : R"({"page":2})";
    memory.vectors.push_back({.space = "graph", .values = wave(9000 + i), .model = "waves"});
    batch.remember(memory);
  }
  REQUIRE(palace.commit(std::move(batch)).has_value());
  const std::vector<float> vector = wave(9001);
  Query query;
  query.space = "graph";
  query.model = "waves";
  query.vector = vector;
  query.filter = R"({"page":2})";
  Answer answer;
  REQUIRE(palace.snapshot().recall(query, answer).has_value());
  CHECK(answer.hits.size() == 2);
  query.filter = R"({"page":{"exists":false}})";
  query.session = "tuesday";
  query.space = {};
  query.model = {};
  query.vector = {};
  query.text = "foghorn";
  REQUIRE(palace.snapshot().recall(query, answer).has_value());
  CHECK(answer.hits.size() >= 2);
  CHECK(palace.verify().value().damage.empty());
}

namespace {

// The palace of `v4`: twelve pages, of which the second was revised and the fifth forgotten, eight
// of them settled.
NewMemory page(unsigned number) {
  NewMemory memory;
  memory.content = number % 3 == 0 ? "Ada Lovelace wrote notes" : "the engine weaves patterns";
  memory.find_mentions = number % 3 == 0;
  memory.metadata = std::string("{\"page\":") + std::to_string(number) + ",\"tags\":[\"" +
                    (number % 2 == 0 ? "even" : "odd") + "\",7],\"long\":\"" +
                    std::string(80, 'x') + "\"}";
  if (number % 4 == 0) memory.session = "reading";
  if (number % 6 == 0) memory.kind = "note";
  memory.vectors.push_back({.space = "v", .values = wave(number), .model = "waves"});
  return memory;
}

std::vector<MemoryId> pages_where(const Snapshot& snapshot, const char* filter,
                                  std::string_view session, std::string_view kind) {
  const std::vector<float> vector = wave(1);
  Query query;
  query.space = "v";
  query.model = "waves";
  query.vector = vector;
  query.filter = filter;
  query.session = session;
  query.kind = kind;
  query.k = 100;
  Answer answer;
  REQUIRE(snapshot.recall(query, answer).has_value());
  CHECK(answer.exact);
  std::vector<MemoryId> pages;
  Memory memory;
  for (const Hit& hit : answer.hits) {
    REQUIRE(snapshot.get(hit.id, memory).has_value());
    pages.push_back(std::stoul(memory.key));
  }
  std::ranges::sort(pages);
  return pages;
}

void check_fourth(const Snapshot& snapshot) {
  using Pages = std::vector<MemoryId>;
  CHECK(pages_where(snapshot, R"({"page":{">=":3,"<":8}})", "", "") == Pages{3, 4, 6, 7});
  CHECK(pages_where(snapshot, R"({"tags":{"contains":"even"}})", "", "") == Pages{0, 4, 6, 8, 10});
  CHECK(pages_where(snapshot, R"({"revised":true})", "", "") == Pages{2});
  CHECK(pages_where(snapshot, "", "reading", "") == Pages{0, 4, 8});
  CHECK(pages_where(snapshot, "", "", "note") == Pages{0, 6});
  CHECK(pages_where(snapshot, R"({"long":{"contains":"xx"},"page":{"in":[7,9]}})", "", "") ==
        Pages{7, 9});
  const auto ada = snapshot.find_key("", "concept:ada lovelace");
  REQUIRE(ada.has_value());
  std::vector<Edge> edges;
  REQUIRE(snapshot.neighbours(*ada, Direction::in, "mentions", 9, edges).has_value());
  CHECK(edges.size() == 4);
}

}  // namespace

TEST_CASE("a palace of format version 4 is read without a change, and written on") {
  const auto before = files_of(kGolden + "/v4");
  REQUIRE(before.size() >= 3);
  {
    OpenOptions options;
    options.read_only = true;
    auto palace = Palace::open(kGolden + "/v4", options);
    REQUIRE(palace.has_value());
    check_fourth(palace->snapshot());
    const auto report = palace->verify();
    REQUIRE(report.has_value());
    CHECK(report->damage.empty());
  }
  CHECK(files_of(kGolden + "/v4") == before);
  const test::TempDirectory scratch;
  std::filesystem::copy(kGolden + "/v4", scratch / "palace");
  auto palace = Palace::open(scratch / "palace").value();
  const std::uint64_t hash = palace.snapshot().state_hash().value();
  REQUIRE(palace.compact().has_value());
  CHECK(palace.snapshot().state_hash().value() == hash);
  check_fourth(palace.snapshot());
  Batch batch;
  NewMemory next = page(20);
  next.key = "20";
  batch.remember(next);
  REQUIRE(palace.commit(std::move(batch)).has_value());
  CHECK(pages_where(palace.snapshot(), R"({"page":20})", "", "").size() == 1);
  CHECK(palace.verify().value().damage.empty());
}

// Not run by itself: AEON_GOLDEN_OUT=DIR format_test "[.make]" wrote `v4`, once.
TEST_CASE("make the palace of format version 4", "[.make]") {
  const char* out = std::getenv("AEON_GOLDEN_OUT");
  REQUIRE(out != nullptr);
  OpenOptions options;
  options.background = false;
  auto palace =
      Palace::create(
          out,
          std::vector<SpaceSpec>{
              {.name = "v", .dimension = 8, .precision = Precision::int8, .model = "waves"}},
          options)
          .value();
  std::vector<MemoryId> ids;
  for (unsigned number = 0; number < 12; ++number) {
    Batch batch;
    NewMemory memory = page(number);
    memory.key = std::to_string(number);
    batch.remember(memory);
    ids.push_back(palace.commit(std::move(batch)).value().ids[0]);
    if (number == 7) REQUIRE(palace.checkpoint().has_value());
  }
  Batch batch;
  NewMemory revised = page(2);
  revised.metadata = R"({"revised":true})";
  batch.supersede(ids[2], revised);
  batch.forget(ids[5]);
  REQUIRE(palace.commit(std::move(batch)).has_value());
  REQUIRE(palace.close().has_value());
}
