// Recall through routes: as much of the true neighbours as was asked for, whatever the layout of
// the data, and everything else as without routes.
#include <catch2/catch.hpp>

#include <algorithm>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/vector_source.hpp"

using namespace aeon;
using test::Layout;

namespace {

constexpr std::uint32_t kDimension = 128;  // enough for a search not to be a scan
constexpr std::uint32_t kRows = 12'000;

class Source : public test::VectorSource {
 public:
  Source(Layout layout, std::uint64_t seed) : VectorSource(layout, kDimension, seed) {}
};

void fill(Palace& palace, Source& source, std::uint32_t rows) {
  for (std::uint32_t i = 0; i < rows;) {
    Batch batch;
    for (int j = 0; j < 1000 && i < rows; ++j, ++i) {
      NewMemory memory;
      memory.content.assign(1, static_cast<char>('a' + i % 26));
      memory.kind = i % 100 == 0 ? "rare" : "fact";
      memory.embed = false;
      memory.vectors.push_back({"v", source.next(), ""});
      batch.remember(std::move(memory));
    }
    REQUIRE(palace.commit(std::move(batch), Durability::process).has_value());
  }
}

Answer ask(const Palace& palace, const std::vector<float>& vector, float recall,
           std::uint32_t k = 10, std::string_view kind = {}) {
  Query query;
  query.lookaside = false;
  query.space = "v";
  query.vector = vector;
  query.target_recall = recall;
  query.k = k;
  query.kind = kind;
  Answer answer;
  REQUIRE(palace.recall(query, answer).has_value());
  return answer;
}

// The share of the exact answers' scores that the routed answers reach. By score, not by id: copies
// are as good as each other.
double measure(const Palace& palace, Source& queries, float recall, std::uint64_t& scanned) {
  constexpr int kQueries = 150;
  double found = 0;
  scanned = 0;
  for (int i = 0; i < kQueries; ++i) {
    const std::vector<float> vector = queries.next();
    const Answer exact = ask(palace, vector, 1);
    const Answer routed = ask(palace, vector, recall);
    REQUIRE(exact.exact);
    REQUIRE(exact.hits.size() == 10);
    REQUIRE(routed.hits.size() == 10);
    for (std::size_t j = 0; j < 10; ++j) {
      found += routed.hits[j].score >= exact.hits.back().score ? 0.1 : 0.0;
    }
    scanned += routed.rows_scanned;
  }
  scanned /= kQueries;
  return found / kQueries;
}

OpenOptions quiet() {
  OpenOptions options;
  options.background = false;
  return options;
}

SpaceSpec space(Metric metric) { return {.name = "v", .dimension = kDimension, .metric = metric}; }

}  // namespace

TEST_CASE("a routed recall finds the share that was asked for, whatever the data") {
  const Layout layout =
      GENERATE(Layout::clustered, Layout::uniform, Layout::copies, Layout::by_topic);
  const Metric metric = GENERATE(Metric::cosine, Metric::l2, Metric::dot);
  CAPTURE(static_cast<int>(layout), static_cast<int>(metric));
  const test::TempDirectory scratch;
  auto palace = Palace::create(scratch / "palace", {space(metric)}, quiet()).value();
  Source rows(layout, 2);
  fill(palace, rows, kRows);
  REQUIRE(palace.checkpoint().has_value());
  std::uint64_t scanned = 0;
  for (const float recall : {0.9F, 0.98F}) {
    Source queries(layout, 3);
    CHECK(measure(palace, queries, recall, scanned) >= static_cast<double>(recall) - 0.04);
    if (layout == Layout::clustered && metric != Metric::dot) CHECK(scanned < kRows / 4);
  }
  CHECK(palace.verify().value().damage.empty());
}

TEST_CASE("routed rows can be forgotten, revised, read and merged like others") {
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  auto palace = Palace::create(directory, {space(Metric::cosine)}, quiet()).value();
  Source rows(Layout::clustered, 5);
  fill(palace, rows, kRows);
  REQUIRE(palace.checkpoint().has_value());
  const std::uint64_t hash = palace.snapshot().state_hash().value();
  fill(palace, rows, 500);
  REQUIRE(palace.checkpoint().has_value());

  const std::vector<float> vector = rows.next();
  const Answer before = ask(palace, vector, 0.99F);
  Batch batch;
  for (int i = 0; i < 5; ++i) batch.forget(before.hits[static_cast<std::size_t>(i)].id);
  NewMemory next;
  next.content = "nearer";
  next.embed = false;
  next.vectors.push_back({"v", vector, ""});
  batch.supersede(before.hits[7].id, next);
  REQUIRE(palace.commit(std::move(batch), Durability::process).has_value());

  for (int round = 0; round < 3; ++round) {
    const Answer after = ask(palace, vector, 0.99F);
    REQUIRE(after.hits.size() == 10);
    CHECK(after.hits[0].id == before.hits[7].id);
    for (const Hit& hit : after.hits) {
      for (std::size_t i = 0; i < 5; ++i) CHECK(hit.id != before.hits[i].id);
    }
    Memory memory;
    REQUIRE(palace.snapshot().get(after.hits[3].id, memory, true).has_value());
    CHECK(memory.vectors.at(0).values.size() == kDimension);
    CHECK(palace.verify().value().damage.empty());
    if (round == 0) REQUIRE(palace.compact().has_value());
    if (round == 1) palace = Palace::open(directory, quiet()).value();
  }
  CHECK(palace.snapshot_at(kRows / 1000 + 1).value().state_hash().value() == hash);
}

TEST_CASE("a filter over routed rows is answered with as many as match") {
  const test::TempDirectory scratch;
  auto palace = Palace::create(scratch / "palace", {space(Metric::l2)}, quiet()).value();
  Source rows(Layout::clustered, 7);
  fill(palace, rows, kRows);
  REQUIRE(palace.checkpoint().has_value());
  const std::vector<float> vector = rows.next();
  const Answer rare = ask(palace, vector, 0.9F, 1000, "rare");
  CHECK(rare.hits.size() == kRows / 100);
  const Answer exact = ask(palace, vector, 1.0F, 20, "rare");
  const Answer routed = ask(palace, vector, 0.99F, 20, "rare");
  REQUIRE(routed.hits.size() == 20);
  CHECK(routed.hits[0].id == exact.hits[0].id);
}

TEST_CASE("a target recall outside of (0, 1] is refused") {
  const test::TempDirectory scratch;
  auto palace = Palace::create(scratch / "palace", {space(Metric::l2)}, quiet()).value();
  const std::vector<float> vector(kDimension, 1.0F);
  Answer answer;
  for (const float recall : {0.0F, -1.0F, 1.5F, std::numeric_limits<float>::quiet_NaN()}) {
    Query query;
    query.vector = vector;
    query.target_recall = recall;
    const auto refused = palace.recall(query, answer);
    REQUIRE(!refused.has_value());
    CHECK(refused.error().code == Errc::invalid_argument);
  }
}
