// NEON, as every AArch64 has it. Products of two INT8 codes are at most 127 * 127, so two of them
// are added in 16 bits (vmull, vmlal) before a pair of lanes is added to 32 (vpadal).
#include <arm_neon.h>

#define xsimd xsimd_of_neon
#include <xsimd/xsimd.hpp>

#include "simd/batch_convert.hpp"
#include "simd/batch_metrics.hpp"
#include "simd/int8_scan.hpp"
#include "simd/kernel_tables.hpp"

namespace aeon::simd {
namespace {

struct Neon {
  using Arch = xsimd::neon64;
  using Floats = xsimd::batch<float, Arch>;
  using Ints = xsimd::batch<std::int32_t, Arch>;
  static Floats load_half(const void* p) noexcept {
    float16x4_t half;
    __builtin_memcpy(&half, p, sizeof(half));
    return vcvt_f32_f16(half);
  }
  static void store_half(Floats values, void* p) noexcept {
    const float16x4_t half = vcvt_f16_f32(values);
    __builtin_memcpy(p, &half, sizeof(half));
  }
  static void store_codes(Ints codes, std::int8_t* p) noexcept {
    const int16x4_t words = vmovn_s32(codes);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    __builtin_memcpy(p, &bytes, Floats::size);
  }
};

constexpr std::size_t kWidth = 16;

int8x16_t load_part(const std::int8_t* p, std::size_t count) noexcept {
  std::int8_t part[kWidth] = {};
  __builtin_memcpy(part, p, count);
  return vld1q_s8(part);
}

struct Dot {
  static int32x4_t add(int32x4_t total, int8x16_t a, int8x16_t b) noexcept {
    const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    return vpadalq_s16(total, vmlal_s8(low, vget_high_s8(a), vget_high_s8(b)));
  }
};

struct L2sq {
  static int32x4_t add(int32x4_t total, int8x16_t a, int8x16_t b) noexcept {
    const uint8x16_t difference = vreinterpretq_u8_s8(vabdq_s8(a, b));  // up to 254, unsigned
    const uint16x8_t low = vmull_u8(vget_low_u8(difference), vget_low_u8(difference));
    const uint16x8_t high = vmull_u8(vget_high_u8(difference), vget_high_u8(difference));
    const uint32x4_t squares = vpadalq_u16(vpaddlq_u16(low), high);
    return vaddq_s32(total, vreinterpretq_s32_u32(squares));
  }
};

template <class Metric>
struct Scorer {
  static constexpr std::size_t kRows = 4;
  const Int8Query& query;
  std::int32_t* out;

  template <std::size_t kCount, class Ahead>
  void score(const std::int8_t* const (&rows)[kCount], std::size_t first,
             Ahead ahead) const noexcept {
    int32x4_t total[kCount];
    for (int32x4_t& each : total) each = vdupq_n_s32(0);
    std::size_t i = 0;
    for (; i + kWidth <= query.length; i += kWidth) {
      if (i % 64 == 0) ahead.step(i);
      const int8x16_t q = vld1q_s8(query.codes + i);
      for (std::size_t r = 0; r < kCount; ++r) {
        total[r] = Metric::add(total[r], q, vld1q_s8(rows[r] + i));
      }
    }
    if (i < query.length) {
      const int8x16_t q = vld1q_s8(query.codes + i);
      for (std::size_t r = 0; r < kCount; ++r) {
        total[r] = Metric::add(total[r], q, load_part(rows[r] + i, query.length - i));
      }
    }
    for (std::size_t r = 0; r < kCount; ++r) out[first + r] = vaddvq_s32(total[r]);
  }
};

template <class Metric>
std::int32_t score_codes(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  int32x4_t total[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
  std::size_t i = 0;
  for (; i + 2 * kWidth <= n; i += 2 * kWidth) {
    total[0] = Metric::add(total[0], vld1q_s8(a + i), vld1q_s8(b + i));
    total[1] = Metric::add(total[1], vld1q_s8(a + i + kWidth), vld1q_s8(b + i + kWidth));
  }
  for (; i < n; i += kWidth) {
    const std::size_t count = n - i < kWidth ? n - i : kWidth;
    total[0] = Metric::add(total[0], load_part(a + i, count), load_part(b + i, count));
  }
  return vaddvq_s32(vaddq_s32(total[0], total[1]));
}

void dot_i8_rows(const Int8Query& query, const Rows& rows, const std::int32_t*,
                 std::int32_t* out) noexcept {
  scan_rows(Scorer<Dot>{query, out}, query.length, rows);
}

void dot_i8_at(const Int8Query& query, const std::int8_t* const* rows, const std::int32_t*,
               std::size_t count, std::int32_t* out) noexcept {
  scan_scattered(Scorer<Dot>{query, out}, query.length, rows, count);
}

void l2sq_i8_rows(const Int8Query& query, const Rows& rows, std::int32_t* out) noexcept {
  scan_rows(Scorer<L2sq>{query, out}, query.length, rows);
}

}  // namespace

constinit const Kernels kNeonKernels = {
    .name = "neon",
    .dot_i8 = score_codes<Dot>,
    .l2sq_i8 = score_codes<L2sq>,
    .sums_i8 = sums_of_codes<Neon>,
    .dot_i8_rows = dot_i8_rows,
    .dot_i8_at = dot_i8_at,
    .l2sq_i8_rows = l2sq_i8_rows,
    AEON_BATCH_KERNELS(Neon),
};

}  // namespace aeon::simd
