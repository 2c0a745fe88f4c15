// Symmetric INT8 quantisation of one float32 vector: x ~ scale * code, scale = max|x| / 127.
//
// Contract, for finite input of length 0..kMaxLength:
//   - codes[i] = x[i] * (127 / max|x|), rounded to nearest even, both steps in float32; the largest
//     magnitude becomes 127 or -127, and the codes are the same bits on every instruction set.
//   - |x[i] - scale * codes[i]| <= scale * (1/2 + 2^-15), in exact arithmetic. Half a step is the
//     rounding to a code; the rest covers the float32 roundings of the scale, its inverse and the
//     product (three of them, each at most 127 * 2^-24 steps).
//   - A vector of zeros has scale 0 and codes 0. So has one with max|x| < kSmallestMaxAbs
//   (1.5e-36),
//     where the scale would be denormal or its inverse infinite: its values are kept as 0, with an
//     absolute error of less than kSmallestMaxAbs. Up to the largest float nothing overflows.
// Thread-safe, no allocation.
#pragma once

#include <cassert>
#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "simd/kernels.hpp"

namespace aeon::simd {

inline constexpr float kSmallestMaxAbs = 127.0F * FLT_MIN;

struct Quantized {
  float scale;
  std::int32_t sum;             // of the codes
  std::int32_t sum_of_squares;  // of the codes
};

// Writes `length` codes; `x` must be finite (ask the table's all_finite_f32 at the door).
inline Quantized quantize_int8(const float* x, std::size_t length, std::int8_t* codes,
                               const Kernels& table = kernels()) noexcept {
  assert(length <= kMaxLength && table.all_finite_f32(x, length));
  const float max_abs = table.max_abs_f32(x, length);
  if (max_abs < kSmallestMaxAbs) {
    if (length != 0) std::memset(codes, 0, length);
    return {0.0F, 0, 0};
  }
  const CodeSums sums = table.quantize_f32(x, length, 127.0F / max_abs, codes);
  return {max_abs / 127.0F, sums.sum, sums.sum_of_squares};
}

}  // namespace aeon::simd
