// Many queries at once answer as they do one by one, whatever they are and however they are mixed;
// effort and target recall are two scales of one thing.
#include <catch2/catch.hpp>

#include <algorithm>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/vector_source.hpp"

using namespace aeon;
using test::Layout;
using test::VectorSource;

namespace {

constexpr std::uint32_t kDimension = 256;
constexpr std::uint32_t kRows = 6'500;
using Rows = std::vector<std::vector<float>>;

Rows make_rows(std::uint32_t count, std::uint64_t seed) {
  VectorSource source(Layout::clustered, kDimension, seed);
  Rows rows;
  for (std::uint32_t i = 0; i < count; ++i) rows.push_back(source.next());
  return rows;
}

void add(Palace& palace, const Rows& rows, const std::string& tenant) {
  for (std::size_t first = 0; first < rows.size(); first += 250) {
    Batch batch;
    batch.create_tenant("ada");
    for (std::size_t i = first; i < std::min(first + 250, rows.size()); ++i) {
      NewMemory memory;
      memory.tenant = tenant;
      memory.content = i % 50 == 0 ? "a tall tree" : "a row";
      memory.metadata = i % 3 == 0 ? R"({"colour":"red"})" : R"({"colour":"blue"})";
      memory.embed = i % 50 == 0;  // into the space of the built-in embedder
      if (!memory.embed) memory.vectors.push_back({"v", rows[i], ""});
      batch.remember(std::move(memory));
    }
    REQUIRE(palace.commit(std::move(batch), Durability::none).has_value());
  }
}

Palace make_palace(const std::string& directory) {
  OpenOptions options;
  options.background = false;
  return Palace::create(directory,
                        {{.name = "v", .dimension = kDimension},
                         {.name = "w", .dimension = kDimension, .metric = Metric::l2},
                         {.name = "text",
                          .dimension = kLexicalDimension,
                          .model = std::string(kLexicalModel)}},
                        options)
      .value();
}

void check_same(const Answer& one, const Answer& other) {
  REQUIRE(one.hits.size() == other.hits.size());
  for (std::size_t i = 0; i < one.hits.size(); ++i) {
    REQUIRE(one.hits[i].id == other.hits[i].id);
    REQUIRE(one.hits[i].score == other.hits[i].score);
    REQUIRE(one.hits[i].version == other.hits[i].version);
  }
  CHECK(one.commit == other.commit);
  CHECK(one.exact == other.exact);
  CHECK(one.partial == other.partial);
  CHECK(one.rows_scanned == other.rows_scanned);
}

}  // namespace

TEST_CASE("queries asked together are answered as one by one") {
  const test::TempDirectory scratch;
  Palace palace = make_palace(scratch / "palace");
  add(palace, make_rows(kRows, 2), "");
  REQUIRE(palace.checkpoint().has_value());
  add(palace, make_rows(900, 3), "");
  add(palace, make_rows(300, 4), "ada");
  const Rows vectors = make_rows(90, 5);
  std::vector<Query> queries;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    Query query;
    query.lookaside = false;
    query.space = i % 17 == 3 ? "w" : "v";
    query.vector = vectors[i];
    query.k = 1 + static_cast<std::uint32_t>(i % 30);
    if (i % 3 == 1) query.target_recall = 1;
    if (i % 3 == 2) query.effort = static_cast<float>(i) / 90;
    if (i % 7 == 0) query.tenant = "ada";
    if (i % 11 == 0) query.filter = R"({"colour":"red"})";
    if (i % 13 == 0) {
      query.vector = {};
      query.space = {};
      query.text = "tree";
    }
    queries.push_back(query);
  }
  const Snapshot snapshot = palace.snapshot();
  std::vector<Answer> answers(queries.size());
  std::size_t walked = 0;
  std::size_t exact = 0;
  for (int round = 0; round < 2; ++round) {
    const Status done = snapshot.recall_batch(queries, answers);
    INFO((done ? std::string() : done.error().message));
    REQUIRE(done.has_value());
    for (std::size_t i = 0; i < queries.size(); ++i) {
      CAPTURE(round, i);
      Answer alone;
      REQUIRE(snapshot.recall(queries[i], alone).has_value());
      check_same(alone, answers[i]);
      walked += alone.exact ? 0 : 1;
      exact += alone.exact ? 1 : 0;
    }
  }
  CHECK(walked > 20);
  CHECK(exact > 40);
  CHECK(snapshot.recall_batch({}, {}).has_value());
}

TEST_CASE("an error of one query names it") {
  const test::TempDirectory scratch;
  Palace palace = make_palace(scratch / "palace");
  add(palace, make_rows(50, 6), "");
  const Rows vectors = make_rows(3, 7);
  std::vector<Query> queries(3);
  for (std::size_t i = 0; i < 3; ++i) {
    queries[i].space = "v";
    queries[i].vector = vectors[i];
  }
  std::vector<Answer> answers(3);
  CHECK(palace.recall_batch(queries, std::span(answers).first(2)).error().code ==
        Errc::invalid_argument);
  queries[2].vector = queries[2].vector.first(5);
  const Status wrong = palace.recall_batch(queries, answers);
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().code == Errc::wrong_dimension);
  CHECK(wrong.error().message.starts_with("query 2 of the batch: "));
  for (const Answer& answer : answers) CHECK(answer.hits.empty());
  queries[2].vector = vectors[2];
  queries[1].space = "nowhere";
  CHECK(palace.recall_batch(queries, answers).error().code == Errc::unknown_space);
  queries[1].space = "v";
  queries[1].k = 0;
  CHECK(palace.recall_batch(queries, answers).error().code == Errc::invalid_argument);
  queries[1].k = 5;
  REQUIRE(palace.recall_batch(queries, answers).has_value());
  CHECK(answers[1].hits.size() == 5);
}

TEST_CASE("an effort stands for a target recall") {
  CHECK(recall_of_effort(0) == 0.5F);
  CHECK(recall_of_effort(1) == 1.0F);
  for (int i = 0; i < 100; ++i) {
    const float effort = static_cast<float>(i) / 100;
    CHECK(recall_of_effort(effort) < recall_of_effort(effort + 0.01F));
  }
  const test::TempDirectory scratch;
  Palace palace = make_palace(scratch / "palace");
  add(palace, make_rows(kRows, 8), "");
  const Rows vectors = make_rows(20, 9);
  std::uint64_t least = 0;
  std::uint64_t more = 0;
  for (const auto& vector : vectors) {
    Query query;
    query.lookaside = false;
    query.space = "v";
    query.vector = vector;
    Answer answer;
    query.effort = 0.0F;
    REQUIRE(palace.recall(query, answer).has_value());
    least += answer.rows_scanned;
    query.effort = 0.8F;
    REQUIRE(palace.recall(query, answer).has_value());
    more += answer.rows_scanned;
    Answer by_target;
    query.effort.reset();
    query.target_recall = recall_of_effort(0.8F);
    REQUIRE(palace.recall(query, by_target).has_value());
    check_same(answer, by_target);
    query.effort = 1.0F;
    CHECK(palace.recall(query, answer).error().code == Errc::invalid_argument);
    query.target_recall.reset();
    REQUIRE(palace.recall(query, answer).has_value());
    CHECK(answer.exact);
  }
  CHECK(least < more);
  Query query;
  query.space = "v";
  query.vector = vectors.front();
  Answer answer;
  for (const float bad : {-0.1F, 1.1F, std::numeric_limits<float>::quiet_NaN()}) {
    query.effort = bad;
    CHECK(palace.recall(query, answer).error().code == Errc::invalid_argument);
  }
}
