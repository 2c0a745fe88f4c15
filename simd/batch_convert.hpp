// Private to simd/: float16 conversion, quantisation and selection, written once over
// xsimd::batch<float, Arch>; see batch_metrics.hpp for how the files instantiate it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/batch_metrics.hpp"

namespace aeon::simd {

template <class Isa>
void half_from_float(const float* in, std::size_t n, std::uint16_t* out) noexcept {
  constexpr std::size_t kWidth = Isa::Floats::size;
  std::size_t i = 0;
  for (; i + kWidth <= n; i += kWidth)
    Isa::store_half(Isa::Floats::load_unaligned(in + i), out + i);
  if (i == n) return;
  alignas(64) std::uint16_t part[kWidth];
  Isa::store_half(Float32Source<Isa>::load_part(reinterpret_cast<Bytes>(in + i), n - i), part);
  __builtin_memcpy(out + i, part, (n - i) * sizeof(part[0]));
}

template <class Isa>
void float_from_half(const std::uint16_t* in, std::size_t n, float* out) noexcept {
  constexpr std::size_t kWidth = Isa::Floats::size;
  std::size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    Float16Source<Isa>::load(reinterpret_cast<Bytes>(in + i)).store_unaligned(out + i);
  }
  if (i == n) return;
  alignas(64) float part[kWidth];
  Float16Source<Isa>::load_part(reinterpret_cast<Bytes>(in + i), n - i).store_aligned(part);
  __builtin_memcpy(out + i, part, (n - i) * sizeof(part[0]));
}

template <class Isa>
float max_abs(const float* x, std::size_t n) noexcept {
  using Floats = typename Isa::Floats;
  constexpr std::size_t kWidth = Floats::size;
  Floats most[2] = {Floats(0.0F), Floats(0.0F)};
  std::size_t i = 0;
  for (; i + 2 * kWidth <= n; i += 2 * kWidth) {
    most[0] = max(most[0], abs(Floats::load_unaligned(x + i)));
    most[1] = max(most[1], abs(Floats::load_unaligned(x + i + kWidth)));
  }
  for (; i < n; i += kWidth) {
    const std::size_t count = n - i < kWidth ? n - i : kWidth;
    most[0] =
        max(most[0], abs(Float32Source<Isa>::load_part(reinterpret_cast<Bytes>(x + i), count)));
  }
  alignas(64) float lanes[kWidth];
  max(most[0], most[1]).store_aligned(lanes);
  float result = 0.0F;
  for (const float lane : lanes) result = lane > result ? lane : result;
  return result;
}

template <class Isa>
bool all_finite(const float* x, std::size_t n) noexcept {
  using Floats = typename Isa::Floats;
  constexpr std::size_t kWidth = Floats::size;
  const Floats largest(__FLT_MAX__);
  for (std::size_t i = 0; i < n; i += kWidth) {
    const auto values = n - i < kWidth
                            ? Float32Source<Isa>::load_part(reinterpret_cast<Bytes>(x + i), n - i)
                            : Floats::load_unaligned(x + i);
    if (!all(abs(values) <= largest)) return false;  // false for NaN as well
  }
  return true;
}

template <class Isa>
struct Quantizer {
  using Floats = typename Isa::Floats;
  using Ints = typename Isa::Ints;
  Floats inverse_scale;
  Ints sum = Ints(0);
  Ints sum_of_squares = Ints(0);

  void step(Floats values, std::int8_t* codes) noexcept {
    const Ints rounded = nearbyint_as_int(values * inverse_scale);
    sum = sum + rounded;
    sum_of_squares = sum_of_squares + rounded * rounded;
    Isa::store_codes(rounded, codes);
  }
};

template <class Isa>
CodeSums quantize(const float* x, std::size_t n, float inverse_scale, std::int8_t* codes) noexcept {
  using Floats = typename Isa::Floats;
  constexpr std::size_t kWidth = Floats::size;
  Quantizer<Isa> quantizer{Floats(inverse_scale)};
  std::size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) quantizer.step(Floats::load_unaligned(x + i), codes + i);
  if (i < n) {
    std::int8_t part[kWidth];
    quantizer.step(Float32Source<Isa>::load_part(reinterpret_cast<Bytes>(x + i), n - i), part);
    __builtin_memcpy(codes + i, part, n - i);
  }
  return {hadd(quantizer.sum), hadd(quantizer.sum_of_squares)};
}

// The compiler widens this loop well enough by itself; sums are exact in any order.
template <class Isa>
CodeSums sums_of_codes(const std::int8_t* codes, std::size_t n) noexcept {
  CodeSums sums{0, 0};
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t code = codes[i];
    sums.sum += code;
    sums.sum_of_squares += code * code;
  }
  return sums;
}

// Four batches are tested with one branch, which is almost never taken once a threshold is high.
template <class Batch>
std::size_t select_above(const typename Batch::value_type* scores, std::size_t n,
                         typename Batch::value_type threshold, std::uint32_t* out) noexcept {
  constexpr std::size_t kBlock = 4 * Batch::size;
  const Batch least(threshold);
  std::size_t found = 0;
  std::size_t i = 0;
  const auto append = [&](std::size_t end) noexcept {
    for (; i < end; ++i) {
      if (scores[i] > threshold) out[found++] = static_cast<std::uint32_t>(i);
    }
  };
  while (i + kBlock <= n) {
    const auto above = [&](std::size_t batch) noexcept {
      return Batch::load_unaligned(scores + i + batch * Batch::size) > least;
    };
    if (any((above(0) | above(1)) | (above(2) | above(3)))) {
      append(i + kBlock);
    } else {
      i += kBlock;
    }
  }
  append(n);
  return found;
}

// The part of a Kernels table that these templates fill, in the table's order.
#define AEON_BATCH_KERNELS(Isa)                                                                  \
  .dot_f32 = score_pair<Isa, Float32Source<Isa>, DotSum<Isa>>,                                   \
  .l2sq_f32 = score_pair<Isa, Float32Source<Isa>, L2sqSum<Isa>>,                                 \
  .cosine_f32 = score_pair<Isa, Float32Source<Isa>, CosineSum<Isa>>,                             \
  .dot_f16 = score_pair<Isa, Float16Source<Isa>, DotSum<Isa>>,                                   \
  .l2sq_f16 = score_pair<Isa, Float16Source<Isa>, L2sqSum<Isa>>,                                 \
  .cosine_f16 = score_pair<Isa, Float16Source<Isa>, CosineSum<Isa>>,                             \
  .dot_f32_rows = score_rows<Isa, Float32Source<Isa>, DotSum<Isa>>,                              \
  .l2sq_f32_rows = score_rows<Isa, Float32Source<Isa>, L2sqSum<Isa>>,                            \
  .cosine_f32_rows = score_rows<Isa, Float32Source<Isa>, CosineSum<Isa>>,                        \
  .dot_f16_rows = score_rows<Isa, Float16Source<Isa>, DotSum<Isa>>,                              \
  .l2sq_f16_rows = score_rows<Isa, Float16Source<Isa>, L2sqSum<Isa>>,                            \
  .cosine_f16_rows = score_rows<Isa, Float16Source<Isa>, CosineSum<Isa>>,                        \
  .f32_to_f16 = half_from_float<Isa>, .f16_to_f32 = float_from_half<Isa>,                        \
  .max_abs_f32 = max_abs<Isa>, .all_finite_f32 = all_finite<Isa>, .quantize_f32 = quantize<Isa>, \
  .select_above_i32 = select_above<Isa::Ints>, .select_above_f32 = select_above<Isa::Floats>

}  // namespace aeon::simd
