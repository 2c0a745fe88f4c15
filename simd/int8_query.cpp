#include "simd/int8_query.hpp"

#include <algorithm>
#include <cassert>
#include <cstdlib>

namespace aeon::simd {
namespace {

constexpr std::size_t kGroup = 64;
constexpr std::size_t kHalf = kGroup / 2;

// A 16-bit lane adds four products of a magnitude and a code of at most 127.
bool fits_16_bits(const std::uint8_t* magnitudes) noexcept {
  constexpr int kMostPerLane = 32767 / 127;
  int most = 0;
  for (std::size_t i = 0; i < kHalf; i += 2) {
    most = std::max(most, magnitudes[i] + magnitudes[i + 1] + magnitudes[i + kHalf] +
                              magnitudes[i + kHalf + 1]);
  }
  return most <= kMostPerLane;
}

}  // namespace

void Int8Query::assign(const std::int8_t* source, std::size_t source_length) noexcept {
  assert(source_length >= 1 && source_length <= kMaxLength);
  length = source_length;
  sum = 0;
  sum_of_squares = 0;
  for (std::size_t i = 0; i < length; ++i) {
    const int code = source[i];
    assert(code >= -127);
    codes[i] = source[i];
    biased[i] = static_cast<std::uint8_t>(code + 128);
    magnitudes[i] = static_cast<std::uint8_t>(std::abs(code));
    sum += code;
    sum_of_squares += code * code;
  }
  const std::size_t padded = (length + kGroup - 1) / kGroup * kGroup;
  std::fill(codes + length, codes + padded, std::int8_t{0});
  std::fill(biased + length, biased + padded, std::uint8_t{0});
  std::fill(magnitudes + length, magnitudes + padded, std::uint8_t{0});
  narrow_groups = 0;
  for (std::size_t group = 0; group * kGroup < length; ++group) {
    if (fits_16_bits(magnitudes + group * kGroup)) narrow_groups |= std::uint64_t{1} << group;
  }
}

}  // namespace aeon::simd
