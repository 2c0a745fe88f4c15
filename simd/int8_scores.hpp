// From the INT8 dot product of two quantised vectors to approximate scores of the vectors
// themselves. A vector x is held as codes c with x ~ scale * c, so everything follows from dot(c,
// d), the scales and the sums of squared codes. Plain arithmetic, same bits wherever float64 is
// IEEE.
#pragma once

#include <cmath>
#include <cstdint>

namespace aeon::simd {

// What a score needs to know of one side.
struct Int8Side {
  float scale;
  std::int32_t sum_of_squares;  // of the codes
};

inline float approximate_dot(std::int32_t dot, float query_scale, float row_scale) noexcept {
  return static_cast<float>(static_cast<double>(query_scale) * row_scale * dot);
}

// |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, never below 0. In double: the terms nearly cancel for
// neighbours, and float32 would keep no digit of the difference.
inline float approximate_l2sq(std::int32_t dot, Int8Side query, Int8Side row) noexcept {
  const double q = query.scale;
  const double r = row.scale;
  const double l2sq = q * q * query.sum_of_squares + r * r * row.sum_of_squares - 2.0 * q * r * dot;
  return l2sq > 0.0 ? static_cast<float>(l2sq) : 0.0F;
}

// The cosine needs no scales. 0 where either side has no length; otherwise within [-1, 1].
inline float approximate_cosine(std::int32_t dot, std::int32_t query_sum_of_squares,
                                std::int32_t row_sum_of_squares) noexcept {
  if (query_sum_of_squares == 0 || row_sum_of_squares == 0) return 0.0F;
  const double lengths = std::sqrt(static_cast<double>(query_sum_of_squares) * row_sum_of_squares);
  const double cosine = dot / lengths;
  return static_cast<float>(cosine > 1.0 ? 1.0 : (cosine < -1.0 ? -1.0 : cosine));
}

}  // namespace aeon::simd
