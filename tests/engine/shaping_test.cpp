// Shaped answers beside their definition: greedy choice by loops that keep nothing between steps.
#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <map>
#include <random>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "engine/shaping.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

struct OracleHit {
  double score = 0;
  std::uint64_t session = 0;
  std::uint64_t tokens = 0;
};

// What each hit of the pool is worth after `chosen`; minus infinity for what may not be taken.
template <typename Similarity>
std::vector<double> worth(const std::vector<OracleHit>& pool, const Shape& shape,
                          const std::vector<std::uint32_t>& chosen, const Similarity& similarity) {
  double worst = pool[0].score;
  double best = pool[0].score;
  for (const OracleHit& hit : pool) {
    worst = std::min(worst, hit.score);
    best = std::max(best, hit.score);
  }
  std::vector<double> values;
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    double nearest = 0;
    std::uint64_t tokens = pool[i].tokens;
    std::uint32_t of_session = 0;
    bool taken = false;
    for (const std::uint32_t other : chosen) {
      nearest = std::max(nearest, similarity(i, other));
      tokens += pool[other].tokens;
      of_session += pool[other].session == pool[i].session ? 1 : 0;
      taken = taken || other == i;
    }
    const bool full =
        shape.per_session != 0 && pool[i].session != 0 && of_session >= shape.per_session;
    const bool fits = shape.token_budget == 0 || tokens <= shape.token_budget;
    const double relevance = best > worst ? (pool[i].score - worst) / (best - worst) : 1;
    const double d = double{shape.diversity};
    const double value = (1 - d) * relevance - d * nearest;
    values.push_back(taken || full || !fits ? -std::numeric_limits<double>::infinity() : value);
  }
  return values;
}

// Each choice is one of the best that the definition leaves, and it ends where nothing is left.
template <typename Similarity>
void check_choice(const std::vector<OracleHit>& pool, const Shape& shape, std::uint32_t k,
                  const std::vector<std::uint32_t>& places, const Similarity& similarity) {
  std::vector<std::uint32_t> chosen;
  for (const std::uint32_t place : places) {
    const auto values = worth(pool, shape, chosen, similarity);
    INFO("choice " << chosen.size() << ", place " << place);
    REQUIRE(values[place] >= *std::ranges::max_element(values) - 1e-5);
    REQUIRE(std::isfinite(values[place]));
    chosen.push_back(place);
  }
  if (pool.empty() || chosen.size() == k) return;
  const auto rest = worth(pool, shape, chosen, similarity);
  CHECK(!std::isfinite(*std::ranges::max_element(rest)));
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double product = 0;
  double left = 0;
  double right = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += double{a[i]} * double{b[i]};
    left += double{a[i]} * double{a[i]};
    right += double{b[i]} * double{b[i]};
  }
  return std::clamp(product / std::sqrt(left * right), 0.0, 1.0);
}

constexpr std::uint32_t kDimension = 24;

// Vectors in a few clusters, and texts that go with them.
struct Shelf {
  explicit Shelf(Metric metric = Metric::cosine)
      : palace(Palace::create(scratch / "palace",
                              {{.name = "v",
                                .dimension = kDimension,
                                .metric = metric,
                                .precision = Precision::int8,
                                .model = ""}},
                              {.background = false})
                   .value()) {}
  std::vector<float> vector(float spread = 1) {
    std::normal_distribution<float> normal;
    std::vector<float> values(kDimension);
    for (float& value : values) value = spread * normal(random);
    return values;
  }
  std::vector<float> near(const std::vector<float>& other, float spread) {
    std::vector<float> values = vector(spread);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += other[i];
    return values;
  }
  MemoryId put(std::string text, std::string session = {}, std::vector<float> values = {},
               bool embed = true) {
    NewMemory memory;
    memory.content = std::move(text);
    memory.session = std::move(session);
    memory.embed = embed;
    if (!values.empty()) memory.vectors.push_back({"v", std::move(values), ""});
    Batch batch;
    batch.remember(std::move(memory));
    return palace.commit(std::move(batch), Durability::none).value().ids[0];
  }
  Answer ask(const Query& query) {
    Answer answer;
    const Status got = palace.recall(query, answer);
    INFO((got ? std::string{} : got.error().message));
    REQUIRE(got);
    return answer;
  }
  test::TempDirectory scratch;
  Palace palace;
  std::mt19937_64 random{3};
};

std::vector<MemoryId> ids_of(const Answer& answer) {
  std::vector<MemoryId> ids;
  for (const Hit& hit : answer.hits) ids.push_back(hit.id);
  return ids;
}

}  // namespace

TEST_CASE("what is chosen is what the definition leaves, whatever the shape") {
  std::mt19937_64 random(1);
  const auto any = [&](std::uint64_t below) { return random() % below; };
  const auto share = [&] { return static_cast<float>(any(1001)) / 1000; };
  engine::ShapeChoice choice;
  for (int round = 0; round < 400; ++round) {
    std::vector<OracleHit> pool(any(40));
    std::vector<engine::ShapeHit> hits;
    for (OracleHit& hit : pool) {
      hit = {.score = -5 + 10.0 * static_cast<double>(share()),
             .session = any(5),
             .tokens = any(3) * any(30)};
    }
    std::ranges::sort(pool, std::greater{}, &OracleHit::score);
    if (any(10) == 0) {
      for (OracleHit& hit : pool) hit.score = 2;
    }
    for (const OracleHit& hit : pool) {
      hits.push_back(
          {static_cast<float>(hit.score), static_cast<std::uint32_t>(hit.session), hit.tokens});
    }
    std::vector<std::vector<float>> like(pool.size(), std::vector<float>(pool.size(), 1));
    for (std::size_t i = 0; i < pool.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) like[i][j] = like[j][i] = share();
    }
    const Shape shape{.diversity = any(3) == 0 ? 0 : share(),
                      .per_session = static_cast<std::uint32_t>(any(4)),
                      .token_budget = any(2) * any(100)};
    const auto k = static_cast<std::uint32_t>(1 + any(20));
    INFO("round " << round << ", pool " << pool.size() << ", k " << k << ", diversity "
                  << shape.diversity << ", a session " << shape.per_session << ", tokens "
                  << shape.token_budget);
    engine::choose_hits(
        hits, shape, k, [&](std::uint32_t a, std::uint32_t b) { return like[a][b]; }, choice);
    check_choice(pool, shape, k, choice.places,
                 [&](std::uint32_t a, std::uint32_t b) { return double{like[a][b]}; });
    std::uint64_t tokens = 0;
    for (const std::uint32_t place : choice.places) tokens += pool[place].tokens;
    CHECK(choice.tokens == (shape.token_budget == 0 ? 0 : tokens));
  }
}

TEST_CASE("a shaped recall by vector is chosen from the best by the rows as they are stored") {
  const Metric metric = GENERATE(Metric::cosine, Metric::dot, Metric::l2);
  Shelf shelf(metric);
  std::vector<std::vector<float>> centres;
  for (int i = 0; i < 8; ++i) centres.push_back(shelf.vector());
  for (int i = 0; i < 300; ++i) {
    const std::string session = i % 3 == 0 ? "" : fmt::format("s{}", i % 5);
    (void)shelf.put("note " + std::string(static_cast<std::size_t>(i % 60), 'x'), session,
                    shelf.near(centres[static_cast<std::size_t>(i) % 8], 0.2F));
    if (i == 150) REQUIRE(shelf.palace.checkpoint());
  }
  const auto asked = shelf.near(centres[2], 0.5F);
  Query query{.space = "v", .vector = asked, .k = 50, .target_recall = 1.0F};
  std::vector<OracleHit> pool;
  std::vector<std::vector<float>> rows;
  const Answer plain = shelf.ask(query);
  std::map<MemoryId, std::uint32_t> places;
  std::map<std::string, std::uint64_t> sessions;
  const Snapshot snapshot = shelf.palace.snapshot();
  for (const Hit& hit : plain.hits) {
    Memory memory;
    REQUIRE(snapshot.get(hit.id, memory, true));
    places[hit.id] = static_cast<std::uint32_t>(pool.size());
    const std::uint64_t session =
        memory.session.empty()
            ? 0
            : sessions.try_emplace(memory.session, sessions.size() + 1).first->second;
    pool.push_back({double{hit.score}, session, (memory.content.size() + 3) / 4});
    const auto& vectors = memory.vectors;
    const auto own = std::ranges::find(vectors, "v", &Memory::Vector::space);
    REQUIRE(own != vectors.end());
    rows.push_back(own->values);
  }
  query.k = 10;
  for (const Shape& shape :
       {Shape{.diversity = 0.3F}, Shape{.diversity = 0.7F}, Shape{.diversity = 1},
        Shape{.diversity = 0.5F, .per_session = 3}, Shape{.diversity = 0.5F, .token_budget = 60},
        Shape{.diversity = 0.2F, .per_session = 4, .token_budget = 90}}) {
    query.shape = shape;
    const Answer answer = shelf.ask(query);
    INFO("diversity " << shape.diversity);
    std::vector<std::uint32_t> chosen;
    for (const Hit& hit : answer.hits) {
      REQUIRE(places.contains(hit.id));
      chosen.push_back(places[hit.id]);
      CHECK(hit.score == plain.hits[chosen.back()].score);
    }
    check_choice(pool, shape, query.k, chosen,
                 [&](std::uint32_t a, std::uint32_t b) { return cosine(rows[a], rows[b]); });
    CHECK(answer.exact);
    CHECK(answer.commit == plain.commit);
    std::vector<Answer> answers(1);
    REQUIRE(shelf.palace.recall_batch(std::span(&query, 1), answers));
    CHECK(ids_of(answers[0]) == ids_of(answer));
  }
  query.shape = {};
  CHECK(ids_of(shelf.ask(query)) == [&] {
    auto ids = ids_of(plain);
    ids.resize(10);
    return ids;
  }());
}

TEST_CASE("a limit for each session looks further until there are enough hits") {
  Shelf shelf;
  const auto centre = shelf.vector();
  for (int i = 0; i < 700; ++i) (void)shelf.put("apple", "loud", shelf.near(centre, 0.01F));
  for (int i = 0; i < 40; ++i) {
    (void)shelf.put("apple of a longer text", fmt::format("quiet {}", i % 8),
                    shelf.near(centre, 2));
  }
  (void)shelf.put("apple alone in no session", {}, shelf.near(centre, 2));
  (void)shelf.put("apple alone in no session", {}, shelf.near(centre, 2));
  REQUIRE(shelf.palace.checkpoint());
  Preset words = kPassagesPreset;
  words.candidates = 10;
  for (const bool by_vector : {true, false}) {
    Query query{.space = by_vector ? "v" : "",
                .vector = by_vector ? std::span<const float>(centre) : std::span<const float>(),
                .text = by_vector ? "" : "apple",
                .preset = words,
                .k = 15,
                .shape = {.per_session = 1}};
    INFO((by_vector ? "by vector" : "by words"));
    const Answer answer = shelf.ask(query);
    // One of each of nine sessions, and the two of none.
    CHECK(answer.hits.size() == 11);
    std::map<std::string, int> seen;
    Memory memory;
    float last = std::numeric_limits<float>::infinity();
    for (const Hit& hit : answer.hits) {
      REQUIRE(shelf.palace.snapshot().get(hit.id, memory));
      ++seen[memory.session];
      CHECK(hit.score <= last);
      last = hit.score;
    }
    for (const auto& [session, count] : seen) CHECK(count == (session.empty() ? 2 : 1));
    query.shape.per_session = 2;
    CHECK(shelf.ask(query).hits.size() == 15);
    query.kind = "nothing";
    CHECK(shelf.ask(query).hits.empty());
  }
}

TEST_CASE("a token budget passes over what does not fit and says what was used") {
  Shelf shelf;
  const MemoryId first = shelf.put("apple pie apple apple");                 // 6 tokens
  const MemoryId large = shelf.put("apple apple " + std::string(400, 'z'));  // 103
  const MemoryId small = shelf.put("an apple");                              // 2
  Query query{.text = "apple", .preset = kWordsPreset};
  REQUIRE(ids_of(shelf.ask(query)) == std::vector{first, large, small});
  CHECK(shelf.ask(query).tokens == 0);
  const auto with = [&](std::uint64_t budget) {
    query.shape.token_budget = budget;
    return shelf.ask(query);
  };
  CHECK(with(111).tokens == 111);
  CHECK(with(111).hits.size() == 3);
  CHECK(ids_of(with(110)) == std::vector{first, large});
  CHECK(ids_of(with(108)) == std::vector{first, small});
  CHECK(with(108).tokens == 8);
  CHECK(ids_of(with(5)) == std::vector{small});
  CHECK(with(1).hits.empty());
  CHECK(with(1).tokens == 0);
  CHECK(with(UINT64_MAX).hits.size() == 3);
  REQUIRE(shelf.palace.checkpoint());
  CHECK(ids_of(with(108)) == std::vector{first, small});
}

TEST_CASE("where memories have no vectors, what their texts share tells how alike they are") {
  const bool embed = GENERATE(true, false);
  Shelf shelf;
  const std::string one = "the harbour of Kiel lies by the Baltic sea and is full of ferries";
  const MemoryId first = shelf.put(one, {}, {}, embed);
  const MemoryId copy = shelf.put(one + " today", {}, {}, embed);
  const MemoryId other =
      shelf.put("a harbour master measures tides with an old brass gauge", {}, {}, embed);
  Query query{.text = "harbour Kiel Baltic ferries", .preset = kWordsPreset, .explain = true};
  query.k = 2;
  CHECK(ids_of(shelf.ask(query)) == std::vector{first, copy});
  query.shape.diversity = 0.6F;
  const Answer answer = shelf.ask(query);
  CHECK(ids_of(answer) == std::vector{first, other});
  REQUIRE(answer.marks.size() == 2);
  CHECK(answer.marks[1][static_cast<std::size_t>(Channel::words)].rank == 3);
  REQUIRE(shelf.palace.checkpoint());
  CHECK(ids_of(shelf.ask(query)) == std::vector{first, other});
}

TEST_CASE("a diversity out of range is refused") {
  Shelf shelf;
  (void)shelf.put("apple", {}, shelf.vector());
  const auto asked = shelf.vector();
  for (const float wrong : {-0.1F, 1.1F, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    INFO(wrong);
    Answer answer;
    for (const Query& query :
         {Query{.text = "apple", .shape = {.diversity = wrong}},
          Query{.space = "v", .vector = asked, .shape = {.diversity = wrong}}}) {
      const Status got = shelf.palace.recall(query, answer);
      REQUIRE(!got);
      CHECK(got.error().code == Errc::invalid_argument);
      const Status batch = shelf.palace.recall_batch(std::span(&query, 1), std::span(&answer, 1));
      REQUIRE(!batch);
      CHECK(batch.error().code == Errc::invalid_argument);
    }
  }
}
