// A warm recall allocates nothing, whether rows lie in tails or in segments.
#include <catch2/catch.hpp>

#include <random>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/support/allocations.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

TEST_CASE("a warm recall allocates nothing") {
  const test::TempDirectory scratch;
  OpenOptions options;
  options.background = false;
  auto palace = Palace::create(scratch.path() + "/palace",
                               {{.name = "v", .dimension = 32, .model = ""}}, options);
  REQUIRE(palace.has_value());
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  const auto vector = [&] {
    std::vector<float> values(32);
    for (float& value : values) value = normal(random);
    return values;
  };
  for (int i = 0; i < 3000; ++i) {
    Batch batch;
    NewMemory memory;
    memory.content = "something";
    memory.session = fmt::format("s{}", i % 7);
    memory.vectors.push_back({"v", vector(), ""});
    batch.remember(std::move(memory));
    REQUIRE(palace->commit(std::move(batch), Durability::process).has_value());
    if (i == 1000 || i == 2000) REQUIRE(palace->checkpoint().has_value());
  }
  const std::vector<float> asked = vector();
  Query query;
  query.space = "v";
  query.vector = asked;
  query.k = 20;
  query.session = "s3";
  Answer answer;
  REQUIRE(palace->recall(query, answer).has_value());
  const std::uint64_t before = test::allocations();
  for (int i = 0; i < 1000; ++i) (void)palace->recall(query, answer);
  const std::uint64_t made = test::allocations() - before;
  CHECK(answer.hits.size() == 20);
  CHECK(answer.exact);
  CHECK(made == 0);

  query.shape = {.diversity = 0.4F, .per_session = 15, .token_budget = 100};
  query.confidence = true;
  REQUIRE(palace->recall(query, answer).has_value());
  const std::uint64_t before_shaped = test::allocations();
  for (int i = 0; i < 100; ++i) (void)palace->recall(query, answer);
  const std::uint64_t made_shaped = test::allocations() - before_shaped;
  CHECK(answer.hits.size() == 15);
  CHECK(answer.tokens == 45);
  CHECK(answer.confidence.has_value());
  CHECK(made_shaped == 0);

  std::vector<std::vector<float>> vectors;
  for (int i = 0; i < 20; ++i) vectors.push_back(vector());
  std::vector<Query> queries;
  for (const auto& values : vectors) queries.push_back({.space = "v", .vector = values, .k = 20});
  std::vector<Answer> answers(queries.size());
  REQUIRE(palace->recall_batch(queries, answers).has_value());
  const std::uint64_t before_batches = test::allocations();
  for (int i = 0; i < 100; ++i) (void)palace->recall_batch(queries, answers);
  const std::uint64_t made_by_batches = test::allocations() - before_batches;
  CHECK(answers.back().hits.size() == 20);
  CHECK(made_by_batches == 0);
}

TEST_CASE("a warm recall over the graph allocates nothing") {
  const test::TempDirectory scratch;
  auto palace = Palace::create(scratch.path() + "/palace", {}, {.background = false});
  REQUIRE(palace.has_value());
  for (int i = 0; i < 1000; ++i) {
    Batch batch;
    NewMemory memory;
    memory.content = fmt::format("place {} lies by river {}", i, i % 50);
    memory.mentions = {fmt::format("place {}", i), fmt::format("river {}", i % 50),
                       fmt::format("place {}", i / 2)};
    batch.remember(std::move(memory));
    REQUIRE(palace->commit(std::move(batch), Durability::none).has_value());
    if (i == 300 || i == 600) REQUIRE(palace->checkpoint().has_value());
  }
  const Query query{.text = "what lies by place 7 and by river 17", .preset = kPassagesPreset};
  Answer answer;
  for (int i = 0; i < 10; ++i) REQUIRE(palace->recall(query, answer).has_value());
  const std::uint64_t before = test::allocations();
  for (int i = 0; i < 50; ++i) (void)palace->recall(query, answer);
  const std::uint64_t made = test::allocations() - before;
  CHECK(answer.edges_walked > 10);
  CHECK(made == 0);

  // The texts are what is compared: the palace has no vectors.
  Query shaped = query;
  shaped.shape = {.diversity = 0.4F, .per_session = 0, .token_budget = 50};
  shaped.confidence = true;
  for (int i = 0; i < 3; ++i) REQUIRE(palace->recall(shaped, answer).has_value());
  const std::uint64_t before_shaped = test::allocations();
  for (int i = 0; i < 20; ++i) (void)palace->recall(shaped, answer);
  const std::uint64_t made_shaped = test::allocations() - before_shaped;
  CHECK(answer.tokens > 40);
  CHECK(answer.tokens <= 50);
  CHECK(answer.confidence.has_value());
  CHECK(made_shaped == 0);
}
