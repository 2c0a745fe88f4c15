#include <catch2/catch.hpp>

#include <cmath>

#include "samples.hpp"
#include "simd/int8_scores.hpp"
#include "simd/quantize.hpp"

namespace aeon::simd::test {
namespace {

// Each element is off by at most half a step, and so the scores by what Cauchy-Schwarz makes of it.
TEST_CASE("scores from INT8 codes are as near to the true ones as quantisation allows") {
  constexpr std::uint64_t kSeed = 64;
  INFO("seed " << kSeed);
  Random random(kSeed);
  for (const std::size_t n : Lengths{1, 3, 64, 384, 768, 4096}) {
    const std::vector<float> a = random_floats(random, n, 3.0F);
    const std::vector<float> b = random_floats(random, n, 0.01F);
    std::vector<std::int8_t> a_codes(n);
    std::vector<std::int8_t> b_codes(n);
    const Quantized qa = quantize_int8(a.data(), n, a_codes.data());
    const Quantized qb = quantize_int8(b.data(), n, b_codes.data());
    double dot = 0, aa = 0, bb = 0;
    for (std::size_t i = 0; i < n; ++i) {
      dot += double{a[i]} * b[i];
      aa += double{a[i]} * a[i];
      bb += double{b[i]} * b[i];
    }
    const double root = std::sqrt(static_cast<double>(n));
    const double ea = 0.5001 * qa.scale * root;
    const double eb = 0.5001 * qb.scale * root;
    const double dot_error = ea * std::sqrt(bb) + eb * std::sqrt(aa) + ea * eb;
    const std::int32_t codes_dot = kernels().dot_i8(a_codes.data(), b_codes.data(), n);
    CHECK(std::abs(approximate_dot(codes_dot, qa.scale, qb.scale) - dot) <= dot_error * 1.001);
    const double distance = std::sqrt(aa + bb - 2 * dot);
    const double approximate = std::sqrt(
        approximate_l2sq(codes_dot, {qa.scale, qa.sum_of_squares}, {qb.scale, qb.sum_of_squares}));
    CHECK(std::abs(approximate - distance) <= (ea + eb) * 1.001);
    const double cosine = approximate_cosine(codes_dot, qa.sum_of_squares, qb.sum_of_squares);
    CHECK(std::abs(cosine - dot / std::sqrt(aa * bb)) <=
          2.002 * (ea / std::sqrt(aa) + eb / std::sqrt(bb)));
  }
}

TEST_CASE("scores from INT8 codes are sound at the edges") {
  CHECK(approximate_cosine(0, 0, 100) == 0.0F);
  CHECK(approximate_cosine(0, 100, 0) == 0.0F);
  CHECK(approximate_cosine(66064384, 66064384, 66064384) == 1.0F);
  CHECK(approximate_cosine(-66064384, 66064384, 66064384) == -1.0F);
  CHECK(approximate_l2sq(500, {0.37F, 500}, {0.37F, 500}) == 0.0F);
  CHECK(approximate_l2sq(0, {0.0F, 0}, {0.0F, 0}) == 0.0F);
  CHECK(approximate_dot(-10, 0.5F, 2.0F) == -10.0F);
}

}  // namespace
}  // namespace aeon::simd::test
