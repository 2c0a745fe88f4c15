// Plain loops: what every other table is compared with, and what runs where nothing better does.
#include <cstddef>
#include <cstdint>

#include "simd/kernel_tables.hpp"

namespace aeon::simd {
namespace {

using Bytes = const unsigned char*;

std::int32_t dot_i8(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

std::int32_t l2sq_i8(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

CodeSums sums_i8(const std::int8_t* codes, std::size_t n) noexcept {
  CodeSums sums{0, 0};
  for (std::size_t i = 0; i < n; ++i) {
    sums.sum += codes[i];
    sums.sum_of_squares += codes[i] * codes[i];
  }
  return sums;
}

template <auto kPair>
void i8_rows(const Int8Query& query, const Rows& rows, std::int32_t* out) noexcept {
  const auto* row = static_cast<const std::int8_t*>(rows.first);
  for (std::size_t i = 0; i < rows.count; ++i, row += rows.stride_bytes) {
    out[i] = kPair(query.codes, row, query.length);
  }
}

void dot_i8_rows(const Int8Query& query, const Rows& rows, const std::int32_t*,
                 std::int32_t* out) noexcept {
  i8_rows<dot_i8>(query, rows, out);
}

void dot_i8_at(const Int8Query& query, const std::int8_t* const* rows, const std::int32_t*,
               std::size_t count, std::int32_t* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) out[i] = dot_i8(query.codes, rows[i], query.length);
}

// A float16 is s eeeee mmmmmmmmmm; its exponent is that of a float32 less 112.
float half_to_float(std::uint16_t half) noexcept {
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t exponent = half >> 10 & 0x1FU;
  const std::uint32_t mantissa = half & 0x3FFU;
  if (exponent == 0) {  // zero or denormal: mantissa * 2^-24, exact
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  std::uint32_t bits = sign | (exponent + 112) << 23 | mantissa << 13;
  if (exponent == 31) bits = sign | 0x7F800000U | mantissa << 13 | (mantissa != 0 ? 0x400000U : 0);
  return __builtin_bit_cast(float, bits);
}

std::uint16_t float_to_half(float value) noexcept {
  const auto bits = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t sign = bits >> 16 & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  std::uint32_t half;
  if (magnitude > 0x7F800000U) {
    half = 0x7E00U | (magnitude >> 13 & 0x3FFU);
  } else if (magnitude >= 0x477FF000U) {  // 65520 and more round to infinity
    half = 0x7C00U;
  } else if (magnitude >= 0x38800000U) {  // normal: add just under half a step, or half on odd
    half = (magnitude - 0x38000000U + 0xFFFU + (magnitude >> 13 & 1U)) >> 13;
  } else {  // denormal: at 0.5, one step of a float32 is 2^-24, so the addition rounds for us
    const float shifted = __builtin_bit_cast(float, magnitude) + 0.5F;
    half = __builtin_bit_cast(std::uint32_t, shifted) - 0x3F000000U;
  }
  return static_cast<std::uint16_t>(sign | half);
}

struct Float32 {
  static float load(Bytes p) noexcept {
    float value;
    __builtin_memcpy(&value, p, sizeof(value));
    return value;
  }
  static constexpr std::size_t kBytes = 4;
};

struct Float16 {
  static float load(Bytes p) noexcept {
    std::uint16_t bits;
    __builtin_memcpy(&bits, p, sizeof(bits));
    return half_to_float(bits);
  }
  static constexpr std::size_t kBytes = 2;
};

template <class Source>
float dot(const float* a, Bytes b, std::size_t n) noexcept {
  float sum = 0.0F;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * Source::load(b + i * Source::kBytes);
  return sum;
}

template <class Source>
float l2sq(const float* a, Bytes b, std::size_t n) noexcept {
  float sum = 0.0F;
  for (std::size_t i = 0; i < n; ++i) {
    const float difference = a[i] - Source::load(b + i * Source::kBytes);
    sum += difference * difference;
  }
  return sum;
}

template <class Source>
float cosine(const float* a, Bytes b, std::size_t n) noexcept {
  float ab = 0.0F;
  float aa = 0.0F;
  float bb = 0.0F;
  for (std::size_t i = 0; i < n; ++i) {
    const float x = Source::load(b + i * Source::kBytes);
    ab += a[i] * x;
    aa += a[i] * a[i];
    bb += x * x;
  }
  if (aa == 0.0F || bb == 0.0F) return 0.0F;
  const float result = ab / (__builtin_sqrtf(aa) * __builtin_sqrtf(bb));
  return result > 1.0F ? 1.0F : (result < -1.0F ? -1.0F : result);
}

template <auto kScore, class Element>
float pair(const float* a, const Element* b, std::size_t n) noexcept {
  return kScore(a, reinterpret_cast<Bytes>(b), n);
}

template <auto kScore>
void rows_of(const float* query, std::size_t n, const Rows& rows, float* out) noexcept {
  Bytes row = static_cast<Bytes>(rows.first);
  for (std::size_t i = 0; i < rows.count; ++i, row += rows.stride_bytes) {
    out[i] = kScore(query, row, n);
  }
}

void f32_to_f16(const float* in, std::size_t n, std::uint16_t* out) noexcept {
  for (std::size_t i = 0; i < n; ++i) out[i] = float_to_half(in[i]);
}

void f16_to_f32(const std::uint16_t* in, std::size_t n, float* out) noexcept {
  for (std::size_t i = 0; i < n; ++i) out[i] = half_to_float(in[i]);
}

float max_abs(const float* x, std::size_t n) noexcept {
  float most = 0.0F;
  for (std::size_t i = 0; i < n; ++i) {
    const float magnitude = __builtin_fabsf(x[i]);
    if (magnitude > most) most = magnitude;
  }
  return most;
}

bool all_finite(const float* x, std::size_t n) noexcept {
  bool finite = true;
  for (std::size_t i = 0; i < n; ++i) finite &= __builtin_fabsf(x[i]) <= __FLT_MAX__;
  return finite;
}

// Adding 1.5 * 2^23 leaves no bits for a fraction, so the addition rounds to nearest even.
CodeSums quantize(const float* x, std::size_t n, float inverse_scale, std::int8_t* codes) noexcept {
  constexpr float kNoFraction = 0x1.8p23F;
  CodeSums sums{0, 0};
  for (std::size_t i = 0; i < n; ++i) {
    const float shifted = x[i] * inverse_scale + kNoFraction;
    const std::int32_t code =
        __builtin_bit_cast(std::int32_t, shifted) - __builtin_bit_cast(std::int32_t, kNoFraction);
    codes[i] = static_cast<std::int8_t>(code);
    sums.sum += code;
    sums.sum_of_squares += code * code;
  }
  return sums;
}

template <class Score>
std::size_t select_above(const Score* scores, std::size_t n, Score threshold,
                         std::uint32_t* out) noexcept {
  std::size_t found = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (scores[i] > threshold) out[found++] = static_cast<std::uint32_t>(i);
  }
  return found;
}

}  // namespace

constinit const Kernels kScalarKernels = {
    .name = "scalar",
    .dot_i8 = dot_i8,
    .l2sq_i8 = l2sq_i8,
    .sums_i8 = sums_i8,
    .dot_i8_rows = dot_i8_rows,
    .dot_i8_at = dot_i8_at,
    .l2sq_i8_rows = i8_rows<l2sq_i8>,
    .dot_f32 = pair<dot<Float32>>,
    .l2sq_f32 = pair<l2sq<Float32>>,
    .cosine_f32 = pair<cosine<Float32>>,
    .dot_f16 = pair<dot<Float16>>,
    .l2sq_f16 = pair<l2sq<Float16>>,
    .cosine_f16 = pair<cosine<Float16>>,
    .dot_f32_rows = rows_of<dot<Float32>>,
    .l2sq_f32_rows = rows_of<l2sq<Float32>>,
    .cosine_f32_rows = rows_of<cosine<Float32>>,
    .dot_f16_rows = rows_of<dot<Float16>>,
    .l2sq_f16_rows = rows_of<l2sq<Float16>>,
    .cosine_f16_rows = rows_of<cosine<Float16>>,
    .f32_to_f16 = f32_to_f16,
    .f16_to_f32 = f16_to_f32,
    .max_abs_f32 = max_abs,
    .all_finite_f32 = all_finite,
    .quantize_f32 = quantize,
    .select_above_i32 = select_above<std::int32_t>,
    .select_above_f32 = select_above<float>,
};

}  // namespace aeon::simd
