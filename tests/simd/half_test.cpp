#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

#include "guarded_buffer.hpp"
#include "samples.hpp"
#include "simd/kernels.hpp"

namespace aeon::simd::test {
namespace {

// What a float16 means, by its definition.
double value_of_half(std::uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int mantissa = half & 1023;
  const double sign = (half & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) {
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

std::vector<std::uint16_t> all_halves() {
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  return halves;
}

std::uint16_t to_half(const Kernels& table, float value) {
  std::uint16_t half = 0;
  table.f32_to_f16(&value, 1, &half);
  return half;
}

TEST_CASE("every float16 becomes the float32 of the same value") {
  const std::vector<std::uint16_t> halves = all_halves();
  for (const Kernels* table : available_kernels()) {
    INFO("table " << table->name);
    std::vector<float> floats(halves.size());
    table->f16_to_f32(halves.data(), halves.size(), floats.data());
    for (std::size_t i = 0; i < halves.size(); ++i) {
      const double expected = value_of_half(halves[i]);
      const bool same =
          std::isnan(expected)
              ? bits_of(floats[i]) ==
                    (0x7FC00000U | (halves[i] & 0x8000U) << 16 | (halves[i] & 0x3FFU) << 13)
              : floats[i] == expected && std::signbit(floats[i]) == ((halves[i] & 0x8000) != 0);
      if (!same) FAIL("half " << halves[i] << " became " << floats[i]);
    }
  }
}

TEST_CASE("every float16 comes back from float32, NaN quiet and with its payload") {
  const std::vector<std::uint16_t> halves = all_halves();
  for (const Kernels* table : available_kernels()) {
    INFO("table " << table->name);
    std::vector<float> floats(halves.size());
    std::vector<std::uint16_t> back(halves.size());
    table->f16_to_f32(halves.data(), halves.size(), floats.data());
    table->f32_to_f16(floats.data(), floats.size(), back.data());
    for (std::size_t i = 0; i < halves.size(); ++i) {
      const bool nan = std::isnan(value_of_half(halves[i]));
      if (back[i] != (nan ? halves[i] | 0x200 : halves[i])) FAIL("half " << i << " -> " << back[i]);
    }
  }
}

TEST_CASE("float32 rounds to the nearest float16, ties to the even one") {
  for (const Kernels* table : available_kernels()) {
    INFO("table " << table->name);
    for (std::uint16_t half = 0; half < 0x7BFF; ++half) {
      const double low = value_of_half(half);
      const double high = value_of_half(static_cast<std::uint16_t>(half + 1));
      const auto middle = static_cast<float>((low + high) / 2);
      const std::uint16_t even = half % 2 == 0 ? half : static_cast<std::uint16_t>(half + 1);
      const float infinity = std::numeric_limits<float>::infinity();
      const bool right = to_half(*table, middle) == even &&
                         to_half(*table, -middle) == (even | 0x8000) &&
                         to_half(*table, std::nextafter(middle, 0.0F)) == half &&
                         to_half(*table, std::nextafter(middle, infinity)) == half + 1;
      if (!right) FAIL("between half " << half << " and the next");
    }
    CHECK(to_half(*table, 65504.0F) == 0x7BFF);
    CHECK(to_half(*table, std::nextafter(65520.0F, 0.0F)) == 0x7BFF);
    CHECK(to_half(*table, 65520.0F) == 0x7C00);
    CHECK(to_half(*table, -3.0e38F) == 0xFC00);
    CHECK(to_half(*table, 0x1p-25F) == 0);
    CHECK(to_half(*table, float_of_bits(1)) == 0);
    CHECK(to_half(*table, -float_of_bits(1)) == 0x8000);
  }
}

TEST_CASE("conversions of random bits agree in every table and stay inside their arrays") {
  constexpr std::uint64_t kSeed = 808;
  INFO("seed " << kSeed);
  Random random(kSeed);
  GuardedBuffer in_memory(400 * sizeof(float));
  GuardedBuffer out_memory(400 * sizeof(float));
  for (int round = 0; round < 3000; ++round) {
    const std::size_t n = random() % 70;
    std::vector<float> floats(n);
    std::vector<std::uint16_t> halves(n);
    for (float& value : floats) value = float_of_bits(static_cast<std::uint32_t>(random()));
    for (std::uint16_t& half : halves) half = static_cast<std::uint16_t>(random());
    std::vector<std::uint16_t> expected_halves(n);
    std::vector<float> expected_floats(n);
    available_kernels().back()->f32_to_f16(floats.data(), n, expected_halves.data());
    available_kernels().back()->f16_to_f32(halves.data(), n, expected_floats.data());
    for (const Kernels* table : available_kernels()) {
      INFO("table " << table->name << " n " << n);
      auto* half_out = reinterpret_cast<std::uint16_t*>(out_memory.end()) - n;
      table->f32_to_f16(in_memory.put_at_end(floats.data(), n), n, half_out);
      if (n != 0 && std::memcmp(half_out, expected_halves.data(), n * 2) != 0) FAIL("f32_to_f16");
      auto* float_out = reinterpret_cast<float*>(out_memory.end()) - n;
      table->f16_to_f32(in_memory.put_at_end(halves.data(), n), n, float_out);
      if (n != 0 && std::memcmp(float_out, expected_floats.data(), n * 4) != 0) FAIL("f16_to_f32");
    }
  }
}

}  // namespace
}  // namespace aeon::simd::test
