// A search that sets out from what a near query found recalls as much as one from scratch, and
// compares fewer rows: on clusters, on vectors with the uneven spectrum of text embeddings, and
// along conversations that drift. The truth is an exact search of the same snapshot.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

using Vector = std::vector<float>;
using Random = std::mt19937_64;
constexpr std::uint32_t kDimension = 256;
constexpr std::size_t kRows = 7000;  // enough to be walked
constexpr std::size_t kAsked = 150;

Vector gaussian(Random& random, float width) {
  std::normal_distribution<float> normal(0, width);
  Vector values(kDimension);
  for (float& value : values) value = normal(random);
  return values;
}

// Around one of 60 centres.
Vector clustered(Random& random) {
  static const std::vector<Vector> centres = [] {
    Random fixed(1);
    std::vector<Vector> made;
    for (int i = 0; i < 60; ++i) made.push_back(gaussian(fixed, 1));
    return made;
  }();
  Vector values = gaussian(random, 0.5F);
  const Vector& centre = centres[random() % centres.size()];
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += centre[i];
  return values;
}

// Topics of very different sizes in few directions, less in many, and a part that all share.
Vector like_text(Random& random) {
  static const std::vector<Vector> topics = [] {
    Random fixed(2);
    std::vector<Vector> made;
    for (int i = 0; i < 300; ++i) {
      made.push_back(gaussian(fixed, 1));
      for (std::size_t d = 0; d < kDimension; ++d) {
        made.back()[d] /= std::sqrt(1.0F + 0.1F * static_cast<float>(d));
      }
    }
    return made;
  }();
  const auto pick = [&] {
    const double share = std::generate_canonical<double, 53>(random);
    return topics[static_cast<std::size_t>(share * share * 299.0)];
  };
  Vector values = gaussian(random, 0.25F);
  const Vector main = pick();
  const Vector side = pick();
  for (std::size_t d = 0; d < kDimension; ++d) values[d] += main[d] + 0.4F * side[d] + 0.15F;
  return values;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}
void scale(Vector& vector, double factor) {
  for (float& value : vector) value = static_cast<float>(factor * double{value});
}

// `from`, turned towards `to` until their cosine is `cosine`.
Vector turned(Vector from, Vector to, double cosine) {
  scale(from, 1 / std::sqrt(dot(from, from)));
  const double along = dot(from, to);
  for (std::size_t i = 0; i < to.size(); ++i) to[i] -= static_cast<float>(along * double{from[i]});
  scale(to, std::sqrt((1 - cosine * cosine) / dot(to, to)));
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] += static_cast<float>(cosine * double{from[i]});
  }
  return to;
}

struct Compared {
  double recall = 0;
  double recall_cold = 0;
  double rows = 0;
  double rows_cold = 0;
  int seeded = 0;
};

class Asker {
 public:
  explicit Asker(const Palace& palace) : snapshot_(palace.snapshot()) {}

  Answer ask(const Vector& vector, std::string_view conversation, bool lookaside, float recall) {
    Query query;
    query.space = "v";
    query.vector = vector;
    query.target_recall = recall;
    query.conversation = conversation;
    query.lookaside = lookaside;
    Answer answer;
    REQUIRE(snapshot_.recall(query, answer).has_value());
    REQUIRE(answer.hits.size() == query.k);
    return answer;
  }
  void compare(const Vector& vector, std::string_view conversation, float recall, Compared& sums) {
    const Answer truth = ask(vector, "", false, 1);
    const auto share = [&](const Answer& answer) {
      const auto found = std::ranges::count_if(
          answer.hits, [&](const Hit& hit) { return hit.score >= truth.hits.back().score; });
      return static_cast<double>(found) / static_cast<double>(truth.hits.size());
    };
    const Answer cold = ask(vector, "", false, recall);
    const Answer with = ask(vector, conversation, true, recall);
    sums.recall_cold += share(cold) / kAsked;
    sums.recall += share(with) / kAsked;
    sums.rows_cold += static_cast<double>(cold.rows_scanned) / kAsked;
    sums.rows += static_cast<double>(with.rows_scanned) / kAsked;
    sums.seeded += with.lookaside == LookasideHelp::seeded ? 1 : 0;
  }

 private:
  Snapshot snapshot_;
};

}  // namespace

TEST_CASE("a seeded search recalls what one from scratch does, for less") {
  const auto make = GENERATE(clustered, like_text);
  const Metric metric = GENERATE(Metric::cosine, Metric::l2, Metric::dot);
  CAPTURE(make == clustered, static_cast<int>(metric));
  const test::TempDirectory scratch;
  OpenOptions options;
  options.background = false;
  Palace palace =
      Palace::create(scratch / "palace",
                     {{.name = "v", .dimension = kDimension, .metric = metric, .model = ""}},
                     options)
          .value();
  Random random(3);
  for (std::size_t done = 0; done < kRows;) {
    if (done == kRows * 4 / 5) REQUIRE(palace.checkpoint().has_value());
    Batch batch;
    for (int i = 0; i < 100; ++i, ++done) {
      NewMemory memory;
      memory.embed = false;
      memory.vectors.push_back({"v", make(random), ""});
      batch.remember(std::move(memory));
    }
    REQUIRE(palace.commit(std::move(batch), Durability::process).has_value());
  }
  Asker asker(palace);
  constexpr float kRecall = 0.95F;
  for (const double cosine : {0.99, 0.95, 0.85}) {
    Compared sums;
    for (std::size_t i = 0; i < kAsked; ++i) {
      const std::string conversation = fmt::format("{} {}", cosine, i);
      Vector first = make(random);
      (void)asker.ask(first, conversation, true, kRecall);
      Vector like = turned(first, make(random), cosine);
      scale(like, std::sqrt(dot(first, first)));
      asker.compare(like, conversation, kRecall, sums);
    }
    CAPTURE(cosine, sums.recall, sums.recall_cold, sums.rows, sums.rows_cold, sums.seeded);
    CHECK(sums.recall >= sums.recall_cold - 0.01);
    if (metric != Metric::l2) CHECK(sums.seeded > 0);
    if (metric == Metric::cosine && cosine > 0.9) CHECK(sums.rows < 0.8 * sums.rows_cold);
  }
  Compared sums;
  Vector now = make(random);
  Vector to = make(random);
  const double length = std::sqrt(dot(now, now));
  for (std::size_t i = 0; i < kAsked; ++i) {
    if (i % 10 == 9) to = make(random);
    now = turned(now, to, 0.97);
    scale(now, length);
    asker.compare(now, "drifting", kRecall, sums);
  }
  CAPTURE(sums.recall, sums.recall_cold, sums.rows, sums.rows_cold, sums.seeded);
  CHECK(sums.recall >= sums.recall_cold - 0.01);
  if (metric == Metric::cosine) CHECK(sums.rows < 0.9 * sums.rows_cold);
}
