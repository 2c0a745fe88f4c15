// What the kernel tests are fed with: lengths around every vector width, seeded numbers, extremes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "simd/kernels.hpp"

namespace aeon::simd::test {

using Random = std::mt19937_64;

using Lengths = std::vector<std::size_t>;

inline Lengths lengths() {
  Lengths result;
  for (std::size_t n = 1; n <= 300; ++n) result.push_back(n);
  const Lengths longer = {383,  384,  385,  447,  511,  512,  513,  640,  767,
                          768,  769,  800,  1000, 1023, 1024, 1025, 1535, 1536,
                          1537, 2047, 2048, 3001, 4031, 4064, 4095, 4096};
  result.insert(result.end(), longer.begin(), longer.end());
  return result;
}

inline int random_int(Random& random, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(random);
}

// Codes with magnitudes up to `most`; most < 0 gives only -127 and 127.
inline std::vector<std::int8_t> random_codes(Random& random, std::size_t n, int most) {
  std::vector<std::int8_t> codes(n);
  for (std::int8_t& code : codes) {
    code = static_cast<std::int8_t>(most < 0 ? random_int(random, 0, 1) * 254 - 127
                                             : random_int(random, -most, most));
  }
  return codes;
}

inline std::vector<float> random_floats(Random& random, std::size_t n, float spread = 1.0F) {
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random) * spread;
  return values;
}

inline float float_of_bits(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

}  // namespace aeon::simd::test
