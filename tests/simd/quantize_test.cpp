#include <catch2/catch.hpp>

#include <cfloat>
#include <cmath>
#include <limits>

#include "guarded_buffer.hpp"
#include "samples.hpp"
#include "simd/quantize.hpp"

namespace aeon::simd::test {
namespace {

struct Outcome {
  Quantized quantized;
  std::vector<std::int8_t> codes;
};

Outcome quantize_with(const Kernels& table, const std::vector<float>& x) {
  Outcome outcome{{}, std::vector<std::int8_t>(x.size(), 55)};
  outcome.quantized = quantize_int8(x.data(), x.size(), outcome.codes.data(), table);
  return outcome;
}

void check_contract(const std::vector<float>& x, const Outcome& outcome) {
  const auto& [scale, sum, sum_of_squares] = outcome.quantized;
  std::int32_t codes_sum = 0;
  std::int32_t codes_squares = 0;
  int most = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const int code = outcome.codes[i];
    codes_sum += code;
    codes_squares += code * code;
    most = std::max(most, std::abs(code));
    const double error = std::abs(double{x[i]} - double{scale} * code);
    if (!(error <= double{scale} * (0.5 + 0x1p-15))) FAIL("value " << x[i] << " code " << code);
  }
  if (most != 127) FAIL("the largest magnitude became " << most);
  if (sum != codes_sum || sum_of_squares != codes_squares) FAIL("the sums are not the codes'");
}

void check_everywhere(const std::vector<float>& x) {
  const Outcome plain = quantize_with(*available_kernels().back(), x);
  check_contract(x, plain);
  for (const Kernels* table : available_kernels()) {
    INFO("table " << table->name << " length " << x.size());
    const Outcome outcome = quantize_with(*table, x);
    if (outcome.codes != plain.codes) FAIL("codes differ from the scalar ones");
    if (bits_of(outcome.quantized.scale) != bits_of(plain.quantized.scale)) FAIL("scale differs");
    if (outcome.quantized.sum != plain.quantized.sum) FAIL("sum differs");
    if (outcome.quantized.sum_of_squares != plain.quantized.sum_of_squares) FAIL("squares differ");
  }
}

TEST_CASE("quantisation keeps its error bound and gives the same bits on every table") {
  constexpr std::uint64_t kSeed = 1618;
  INFO("seed " << kSeed);
  Random random(kSeed);
  for (const std::size_t n : lengths()) {
    check_everywhere(random_floats(random, n));
    std::vector<float> uniform(n);
    for (float& value : uniform) {
      value = static_cast<float>(static_cast<std::int32_t>(random() & 0xFFFFFFFFU));
    }
    uniform[random() % n] = 2147483648.0F;
    check_everywhere(uniform);
  }
}

TEST_CASE(
    "quantisation keeps its contract from the smallest usable magnitude to the largest float") {
  constexpr std::uint64_t kSeed = 2718;
  INFO("seed " << kSeed);
  Random random(kSeed);
  for (int exponent = -119; exponent <= 127; ++exponent) {
    std::vector<float> x = random_floats(random, 97, 0.2F);
    for (float& value : x) value = std::ldexp(std::fmax(-0.99F, std::fmin(0.99F, value)), exponent);
    x[random() % x.size()] = std::ldexp(1.0F, exponent);
    check_everywhere(x);
  }
  check_everywhere({FLT_MAX, -FLT_MAX, 1.0F, -0.0F, FLT_MAX / 3, FLT_MIN, float_of_bits(1)});
  check_everywhere({kSmallestMaxAbs, -kSmallestMaxAbs / 2, FLT_MIN, 0.0F});
  check_everywhere({-5.0F});
}

TEST_CASE("halves round to the even code") {
  const std::vector<float> x = {127.0F, 0.5F,  1.5F,   2.5F,    -0.5F,
                                -1.5F,  -2.5F, 126.5F, -126.5F, 3.0F};
  const std::vector<std::int8_t> expected = {127, 0, 2, 2, 0, -2, -2, 126, -126, 3};
  for (const Kernels* table : available_kernels()) {
    INFO("table " << table->name);
    const Outcome outcome = quantize_with(*table, x);
    CHECK(outcome.codes == expected);
    CHECK(outcome.quantized.scale == 1.0F);
  }
}

TEST_CASE("vectors of zeros, and of denormals, become zeros with scale 0") {
  for (const Kernels* table : available_kernels()) {
    for (const float value : {0.0F, -0.0F, float_of_bits(1), FLT_MIN, 0x1p-120F}) {
      const Outcome outcome = quantize_with(*table, std::vector<float>(33, value));
      CHECK(outcome.quantized.scale == 0.0F);
      CHECK(outcome.quantized.sum == 0);
      CHECK(outcome.quantized.sum_of_squares == 0);
      CHECK(outcome.codes == std::vector<std::int8_t>(33, 0));
    }
    CHECK(quantize_with(*table, {}).quantized.scale == 0.0F);
  }
}

TEST_CASE("quantisation reads and writes nothing outside its arrays") {
  constexpr std::uint64_t kSeed = 12;
  INFO("seed " << kSeed);
  Random random(kSeed);
  GuardedBuffer in_memory(kMaxLength * sizeof(float));
  GuardedBuffer out_memory(kMaxLength);
  for (std::size_t n = 0; n <= 150; ++n) {
    const std::vector<float> x = random_floats(random, n);
    const float* in = in_memory.put_at_end(x.data(), n);
    auto* codes = reinterpret_cast<std::int8_t*>(out_memory.end()) - n;
    for (const Kernels* table : available_kernels()) {
      quantize_int8(in, n, codes, *table);
      const Outcome outcome = quantize_with(*table, x);
      if (n != 0 && std::memcmp(codes, outcome.codes.data(), n) != 0) {
        FAIL("table " << table->name << " length " << n);
      }
    }
  }
}

TEST_CASE("max_abs and all_finite see every position") {
  constexpr std::uint64_t kSeed = 13;
  INFO("seed " << kSeed);
  Random random(kSeed);
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Kernels* table : available_kernels()) {
    INFO("table " << table->name);
    CHECK(table->max_abs_f32(nullptr, 0) == 0.0F);
    CHECK(table->all_finite_f32(nullptr, 0));
    for (std::size_t n = 1; n <= 100; ++n) {
      std::vector<float> x = random_floats(random, n, 0.1F);
      for (std::size_t i = 0; i < n; ++i) {
        const float before = x[i];
        x[i] = -99.0F;
        if (table->max_abs_f32(x.data(), n) != 99.0F) FAIL("max_abs missed " << i << " of " << n);
        x[i] = FLT_MAX;
        if (!table->all_finite_f32(x.data(), n)) FAIL("the largest float is finite");
        for (const float bad : {infinity, -infinity, nan, -nan}) {
          x[i] = bad;
          if (table->all_finite_f32(x.data(), n)) FAIL("all_finite missed " << i << " of " << n);
        }
        x[i] = before;
      }
    }
  }
}

}  // namespace
}  // namespace aeon::simd::test
