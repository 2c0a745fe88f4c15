#include "simd/int8_query.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "simd/kernels.hpp"

namespace aeon::simd {
namespace {

constexpr std::size_t kGroup = 64;

// A 16-bit lane adds four products of a magnitude and a code of at most 127. Neighbours are added
// as halves of 16-bit words, in loops that compilers turn into a few vector instructions.
bool fits_16_bits(const std::uint8_t* magnitudes) noexcept {
  constexpr std::int16_t kMostPerLane = 32767 / 127;
  constexpr std::size_t kLanes = kGroup / 4;
  std::uint16_t words[2][kLanes];
  std::memcpy(words, magnitudes, sizeof(words));
  std::int16_t most = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const int low = (words[0][lane] & 0xFF) + (words[0][lane] >> 8);
    const int high = (words[1][lane] & 0xFF) + (words[1][lane] >> 8);
    most = std::max(most, static_cast<std::int16_t>(low + high));
  }
  return most <= kMostPerLane;
}

}  // namespace

void Int8Query::assign(const std::int8_t* source, std::size_t source_length) noexcept {
  assert(source_length >= 1 && source_length <= kMaxLength);
  length = source_length;
  std::memcpy(codes, source, length);
  for (std::size_t i = 0; i < length; ++i) {
    assert(codes[i] >= -127);
    biased[i] = static_cast<std::uint8_t>(codes[i] + 128);
    magnitudes[i] = static_cast<std::uint8_t>(codes[i] < 0 ? -codes[i] : codes[i]);
  }
  const CodeSums sums = kernels().sums_i8(codes, length);
  sum = sums.sum;
  sum_of_squares = sums.sum_of_squares;
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
