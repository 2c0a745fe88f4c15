// Sets that are hard for a graph over INT8 rows: rows so near to each other that INT8 can't tell
// them apart, few dimensions, sparse and binary vectors, wild lengths, queries from elsewhere. The
// wanted recall holds on all of them, whatever it costs, and every answer is well-formed. The truth
// is found here, without the engine. AEON_SEED gives other rows.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <random>
#include <set>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

using Vector = std::vector<float>;
using Rows = std::vector<Vector>;
using Random = std::mt19937_64;

constexpr std::size_t kQueries = 50;
constexpr std::uint32_t kK = 10;

std::uint64_t seed() {
  const char* const asked = std::getenv("AEON_SEED");
  return asked == nullptr ? 1 : std::strtoull(asked, nullptr, 10);
}

Vector gaussian(Random& random, std::uint32_t dimension, double width) {
  std::normal_distribution<double> normal(0, width);
  Vector values(dimension);
  for (float& value : values) value = static_cast<float>(normal(random));
  return values;
}

Vector sum(Vector a, const Vector& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

// One vector after another; rows and queries come from the same maker.
using Maker = std::function<Vector(Random&)>;

Maker around_centres(std::uint32_t dimension, double width, double offset = 0) {
  Random fixed(9);
  Rows centres;
  const Vector away = gaussian(fixed, dimension, offset);
  for (int i = 0; i < 100; ++i) centres.push_back(sum(gaussian(fixed, dimension, 1), away));
  return [=](Random& random) {
    return sum(gaussian(random, dimension, width), centres[random() % centres.size()]);
  };
}

Maker cloud(std::uint32_t dimension) {
  return [=](Random& random) { return gaussian(random, dimension, 1); };
}

// One of 200 axes, half of them seldom.
Vector one_hot(Random& random) {
  Vector values(256);
  values[random() % 2 == 0 ? random() % 100 : random() % 200] = 1;
  return values;
}

Vector sparse(Random& random) {
  Vector values(256);
  for (int i = 0; i < 5; ++i) values[random() % 256] = 0.1F + gaussian(random, 1, 1).front();
  return values;
}

Vector binary(Random& random) {
  static const Maker centre = around_centres(256, 0);
  Vector values = centre(random);
  for (float& value : values) value = (value > 0) != (random() % 8 == 0) ? 1.0F : 0.0F;
  return values;
}

Vector of_wild_length(Random& random) {
  static const Maker maker = around_centres(256, 0.5);
  Vector values = maker(random);
  const float factor = std::exp(gaussian(random, 1, 1).front());
  for (float& value : values) value *= factor;
  return values;
}

struct Set {
  const char* name;
  Metric metric;
  std::uint32_t rows;
  Maker make;
  Maker ask;
};

// The smallest that are walked and not scanned: 4096 rows and 1.5 MiB, see plan_search().
std::vector<Set> sets() {
  const Maker tight = around_centres(256, 0.02);
  const Maker wide = around_centres(256, 0.5);
  const Maker offset = around_centres(256, 0.5, 300);
  return {
      {"tight clusters", Metric::l2, 6000, tight, tight},
      {"tight clusters", Metric::cosine, 6000, tight, tight},
      {"far from the origin", Metric::l2, 6000, offset, offset},
      {"two dimensions", Metric::l2, 33'000, cloud(2), cloud(2)},
      {"seventeen dimensions", Metric::cosine, 26'000, cloud(17), cloud(17)},
      {"one axis each", Metric::cosine, 6000, one_hot, one_hot},
      {"sparse", Metric::cosine, 6000, sparse, sparse},
      {"binary", Metric::l2, 6000, binary, binary},
      {"of all lengths", Metric::dot, 6000, of_wild_length, wide},
      {"of all lengths", Metric::l2, 6000, of_wild_length, of_wild_length},
      {"asked from afar", Metric::l2, 6000, wide, around_centres(256, 300)},
      {"asked from between", Metric::cosine, 6000, wide, cloud(256)},
  };
}

double score(Metric metric, const Vector& query, const Vector& row) {
  double product = 0;
  double query_square = 0;
  double row_square = 0;
  double apart = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double q = query[i];
    const double x = row[i];
    product += q * x;
    query_square += q * q;
    row_square += x * x;
    apart += (q - x) * (q - x);
  }
  if (metric == Metric::dot) return product;
  if (metric == Metric::l2) return -apart;
  return product / std::sqrt(query_square * row_square);
}

class Asked {
 public:
  Asked(const Set& set, Rows rows, Rows queries)
      : set_(set), rows_(std::move(rows)), queries_(std::move(queries)) {
    for (const Vector& query : queries_) {
      std::vector<double> scores;
      for (const Vector& row : rows_) scores.push_back(score(set.metric, query, row));
      const auto kth = scores.begin() + (kK - 1);
      std::ranges::nth_element(scores, kth, std::greater{});
      kth_.push_back(*kth);
    }
  }

  [[nodiscard]] const Rows& rows() const { return rows_; }

  // `ids` ascend with the rows.
  [[nodiscard]] double recall(const Snapshot& snapshot, const std::vector<MemoryId>& ids,
                              float target) const {
    double found = 0;
    for (std::size_t i = 0; i < queries_.size(); ++i) {
      Query query;
      query.lookaside = false;
      query.space = "v";
      query.vector = queries_[i];
      query.k = kK;
      query.target_recall = target;
      Answer answer;
      REQUIRE(snapshot.recall(query, answer).has_value());
      REQUIRE_FALSE(answer.partial);
      REQUIRE(answer.hits.size() == kK);
      std::set<MemoryId> seen;
      float before = std::numeric_limits<float>::infinity();
      for (const Hit& hit : answer.hits) {
        REQUIRE(seen.insert(hit.id).second);
        REQUIRE(hit.score <= before);
        before = hit.score;
        const auto at = std::ranges::lower_bound(ids, hit.id);
        REQUIRE((at != ids.end() && *at == hit.id));
        const Vector& row = rows_[static_cast<std::size_t>(at - ids.begin())];
        const double truth = score(set_.metric, queries_[i], row);
        const double lengths = set_.metric == Metric::cosine ? 1 : lengths_of(queries_[i], row);
        REQUIRE(std::abs(truth - hit.score) <= 1e-5 * lengths);
        found += truth >= kth_[i] - 1e-6 * std::abs(kth_[i]) ? 1 : 0;
      }
    }
    return found / static_cast<double>(kK * queries_.size());
  }

 private:
  // What the rounding of a float score may be in proportion to.
  static double lengths_of(const Vector& query, const Vector& row) {
    const Vector zero(query.size());
    return -score(Metric::l2, query, zero) - score(Metric::l2, row, zero);
  }

  const Set& set_;
  Rows rows_;
  Rows queries_;
  std::vector<double> kth_;
};

Rows take(const Maker& maker, std::size_t count, std::uint64_t number) {
  Random random(number);
  Rows rows;
  for (std::size_t i = 0; i < count; ++i) rows.push_back(maker(random));
  return rows;
}

std::vector<MemoryId> add(Palace& palace, const Rows& rows) {
  std::vector<MemoryId> ids;
  for (std::size_t first = 0; first < rows.size(); first += 256) {
    Batch batch;
    for (std::size_t i = first; i < std::min(first + 256, rows.size()); ++i) {
      NewMemory memory;
      memory.content = "row";
      memory.embed = false;
      memory.vectors.push_back({"v", rows[i], ""});
      batch.remember(std::move(memory));
    }
    const auto ack = palace.commit(std::move(batch), Durability::none);
    REQUIRE(ack.has_value());
    ids.insert(ids.end(), ack->ids.begin(), ack->ids.end());
  }
  return ids;
}

}  // namespace

TEST_CASE("the wanted recall holds on sets that are hard to tell apart or to walk") {
  const Set set = GENERATE(from_range(sets()));
  CAPTURE(set.name, static_cast<int>(set.metric), seed());
  const Asked asked(set, take(set.make, set.rows, 2 * seed()),
                    take(set.ask, kQueries, 2 * seed() + 1));
  const test::TempDirectory scratch;
  OpenOptions options;
  options.background = false;
  const auto dimension = static_cast<std::uint32_t>(asked.rows().front().size());
  Palace palace = Palace::create(scratch / "palace",
                                 {{.name = "v",
                                   .dimension = dimension,
                                   .metric = set.metric,
                                   .precision = Precision::float32}},
                                 options)
                      .value();
  const auto ids = add(palace, asked.rows());
  for (const char* where : {"in the tail", "settled"}) {
    CAPTURE(where);
    for (const float target : {0.9F, 0.98F}) {
      CAPTURE(target);
      CHECK(asked.recall(palace.snapshot(), ids, target) >= static_cast<double>(target) - 0.02);
    }
    CHECK(asked.recall(palace.snapshot(), ids, 1) == 1);
    REQUIRE(palace.compact().has_value());
  }
}
