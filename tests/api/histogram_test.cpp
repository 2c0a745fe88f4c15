#include "api/cli/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

using aeon::cli::Histogram;

TEST_CASE("an empty histogram answers zero") {
  const Histogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.max() == 0);
  CHECK(histogram.quantile(0.5) == 0);
  CHECK(histogram.above(0) == 0);
}

TEST_CASE("small numbers are counted exactly") {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 200; ++value) histogram.add(value);
  CHECK(histogram.quantile(0) == 1);
  CHECK(histogram.quantile(0.5) == 100);
  CHECK(histogram.quantile(0.99) == 198);
  CHECK(histogram.quantile(1) == 200);
  CHECK(histogram.above(150) == 50);
}

TEST_CASE("a quantile lies at most one part in 128 above the true one") {
  constexpr std::uint64_t kSeed = 7;
  INFO("seed " << kSeed);
  std::mt19937_64 random(kSeed);
  std::vector<std::uint64_t> values;
  Histogram histogram;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(random() >> (random() % 64));  // every magnitude
    histogram.add(values.back());
  }
  std::ranges::sort(values);
  for (const double q : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * 20'000));
    const std::uint64_t truth = values[rank - 1];
    const std::uint64_t answer = histogram.quantile(q);
    INFO("q " << q);
    CHECK(answer >= truth);
    CHECK(answer - truth <= truth / 128);
  }
}

TEST_CASE("a quantile is never above the largest number") {
  Histogram histogram;
  histogram.add(1'000'001);
  CHECK(histogram.quantile(0.5) == 1'000'001);
  histogram.add(std::numeric_limits<std::uint64_t>::max());
  CHECK(histogram.quantile(1) == std::numeric_limits<std::uint64_t>::max());
  CHECK(histogram.above(2'000'000) == 1);
}

TEST_CASE("histograms of several threads add up") {
  Histogram left;
  Histogram right;
  left.add(10, 99);
  right.add(5'000);
  left.add(right);
  CHECK(left.count() == 100);
  CHECK(left.max() == 5'000);
  CHECK(left.quantile(0.99) == 10);
  CHECK(left.quantile(0.999) == 5'000);
}
