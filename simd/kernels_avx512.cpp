// AVX-512 with VNNI. vpdpbusd multiplies unsigned by signed bytes and adds fours of products to 32
// bits, so the query goes in as code + 128 and each row's 128 * (sum of its codes) comes off again.
// Ends of rows are read under a mask, which touches no byte outside it.
#include <immintrin.h>

#define xsimd xsimd_of_avx512
#include <xsimd/xsimd.hpp>

#include "simd/batch_convert.hpp"
#include "simd/batch_metrics.hpp"
#include "simd/int8_scan.hpp"
#include "simd/kernel_tables.hpp"

namespace aeon::simd {
namespace {

struct Avx512 {
  using Arch = xsimd::avx512bw;
  using Floats = xsimd::batch<float, Arch>;
  using Ints = xsimd::batch<std::int32_t, Arch>;
  static Floats load_half(const void* p) noexcept {
    return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }
  static void store_half(Floats values, void* p) noexcept {
    _mm256_storeu_si256(static_cast<__m256i*>(p),
                        _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static void store_codes(Ints codes, std::int8_t* p) noexcept {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(codes));
  }
};

constexpr std::size_t kWidth = 64;

__m512i load(const void* p) noexcept { return _mm512_loadu_si512(p); }

__m512i load_masked(__mmask64 lanes, const void* p) noexcept {
  return _mm512_maskz_loadu_epi8(lanes, p);
}

__mmask64 first_lanes(std::size_t count) noexcept { return (__mmask64{1} << count) - 1; }

__m256i fold(__m512i v) noexcept {
  return _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
}

// The sums of four accumulators, in order.
__m128i sum_lanes(const __m512i (&v)[4]) noexcept {
  const __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(fold(v[0]), fold(v[1])),
                                          _mm256_hadd_epi32(fold(v[2]), fold(v[3])));
  return _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

std::int32_t sum_lanes(__m512i v) noexcept { return _mm512_reduce_add_epi32(v); }

void store_sums(const __m512i (&v)[4], std::int32_t* out) noexcept {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), sum_lanes(v));
}

void store_sums(const __m512i (&v)[1], std::int32_t* out) noexcept { *out = sum_lanes(v[0]); }

void store_unbiased(const __m512i (&v)[4], const std::int32_t* sums, std::int32_t* out) noexcept {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(sums));
  const __m128i unbiased = _mm_sub_epi32(sum_lanes(v), _mm_slli_epi32(codes, 7));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), unbiased);
}

void store_unbiased(const __m512i (&v)[1], const std::int32_t* sums, std::int32_t* out) noexcept {
  // Without a sign, as the lanes above: a sum from a damaged file may be anything.
  const auto bias = static_cast<std::uint32_t>(*sums) * 128U;
  *out = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum_lanes(v[0])) - bias);
}

template <std::size_t kCount>
void clear(__m512i (&v)[kCount]) noexcept {
  for (__m512i& each : v) each = _mm512_setzero_si512();
}

// The usual lengths, whole multiples of 64 known at compile time: the query stays in registers
// (32 are there; four accumulate) and the rows come straight from memory.
template <std::size_t kColumns>
struct HeldDot {
  static constexpr std::size_t kRows = 4;
  __m512i query[kColumns];
  const std::int32_t* sums;
  std::int32_t* out;

  HeldDot(const Int8Query& q, const std::int32_t* row_sums, std::int32_t* scores) noexcept
      : sums(row_sums), out(scores) {
    for (std::size_t c = 0; c < kColumns; ++c) query[c] = load(q.biased + c * kWidth);
  }
  template <std::size_t kCount, class Ahead>
  [[gnu::always_inline]] void score(const std::int8_t* const (&rows)[kCount], std::size_t first,
                                    Ahead ahead) const noexcept {
    __m512i total[kCount];
    clear(total);
#pragma GCC unroll 16
    for (std::size_t c = 0; c < kColumns; ++c) {
      ahead.step(c * kWidth);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < kCount; ++r) {
        total[r] = _mm512_dpbusd_epi32(total[r], query[c], load(rows[r] + c * kWidth));
      }
    }
    store_unbiased(total, sums + first, out + first);
  }
};

// Any length; each 64 codes of the query are loaded once for four rows.
struct AnyDot {
  static constexpr std::size_t kRows = 4;
  const Int8Query& query;
  const std::int32_t* sums;
  std::int32_t* out;

  template <std::size_t kCount, class Ahead>
  void score(const std::int8_t* const (&rows)[kCount], std::size_t first,
             Ahead ahead) const noexcept {
    __m512i total[kCount];
    clear(total);
    std::size_t i = 0;
    for (; i + kWidth <= query.length; i += kWidth) {
      ahead.step(i);
      const __m512i q = load(query.biased + i);
      for (std::size_t r = 0; r < kCount; ++r) {
        total[r] = _mm512_dpbusd_epi32(total[r], q, load(rows[r] + i));
      }
    }
    if (i < query.length) {
      const __mmask64 lanes = first_lanes(query.length - i);
      const __m512i q = load(query.biased + i);
      for (std::size_t r = 0; r < kCount; ++r) {
        total[r] = _mm512_dpbusd_epi32(total[r], q, load_masked(lanes, rows[r] + i));
      }
    }
    store_unbiased(total, sums + first, out + first);
  }
};

// Rows without stored sums: the bias is summed beside the product and taken off at the end.
struct SumlessDot {
  static constexpr std::size_t kRows = 4;
  const Int8Query& query;
  std::int32_t* out;

  template <std::size_t kCount, class Ahead>
  void score(const std::int8_t* const (&rows)[kCount], std::size_t first,
             Ahead ahead) const noexcept {
    const __m512i bias_factor = _mm512_set1_epi8(static_cast<char>(128));
    __m512i total[kCount];
    __m512i bias[kCount];
    clear(total);
    clear(bias);
    for (std::size_t i = 0; i < query.length; i += kWidth) {
      ahead.step(i);
      const std::size_t rest = query.length - i;
      const __mmask64 lanes = rest < kWidth ? first_lanes(rest) : ~__mmask64{0};
      const __m512i q = load(query.biased + i);
      for (std::size_t r = 0; r < kCount; ++r) {
        const __m512i row = load_masked(lanes, rows[r] + i);
        total[r] = _mm512_dpbusd_epi32(total[r], q, row);
        bias[r] = _mm512_dpbusd_epi32(bias[r], bias_factor, row);
      }
    }
    for (std::size_t r = 0; r < kCount; ++r) total[r] = _mm512_sub_epi32(total[r], bias[r]);
    store_sums(total, out + first);
  }
};

// Adds the squared differences of 32 codes, widened to 16 bits; each pair's squares fit 32 bits.
__m512i add_squares(__m512i total, __m256i a, __m256i b) noexcept {
  const __m512i difference = _mm512_sub_epi16(_mm512_cvtepi8_epi16(a), _mm512_cvtepi8_epi16(b));
  return _mm512_dpwssd_epi32(total, difference, difference);
}

__m512i add_squares(__m512i total, __m512i a, __m512i b) noexcept {
  total = add_squares(total, _mm512_castsi512_si256(a), _mm512_castsi512_si256(b));
  return add_squares(total, _mm512_extracti64x4_epi64(a, 1), _mm512_extracti64x4_epi64(b, 1));
}

struct L2sq {
  static constexpr std::size_t kRows = 4;
  const Int8Query& query;
  std::int32_t* out;

  template <std::size_t kCount, class Ahead>
  void score(const std::int8_t* const (&rows)[kCount], std::size_t first,
             Ahead ahead) const noexcept {
    __m512i total[kCount];
    clear(total);
    for (std::size_t i = 0; i < query.length; i += kWidth) {
      ahead.step(i);
      const std::size_t rest = query.length - i;
      const __mmask64 lanes = rest < kWidth ? first_lanes(rest) : ~__mmask64{0};
      const __m512i q = load(query.codes + i);
      for (std::size_t r = 0; r < kCount; ++r) {
        total[r] = add_squares(total[r], q, load_masked(lanes, rows[r] + i));
      }
    }
    store_sums(total, out + first);
  }
};

// Calls run(scorer) with the scorer that suits the length and the sums.
template <class Run>
void with_dot(const Int8Query& query, const std::int32_t* sums, std::int32_t* out,
              const Run& run) noexcept {
  if (sums == nullptr) return run(SumlessDot{query, out});
  switch (query.length) {
    case 384: return run(HeldDot<6>(query, sums, out));
    case 512: return run(HeldDot<8>(query, sums, out));
    case 768: return run(HeldDot<12>(query, sums, out));
    case 1024: return run(HeldDot<16>(query, sums, out));
    default: return run(AnyDot{query, sums, out});
  }
}

void dot_i8_rows(const Int8Query& query, const Rows& rows, const std::int32_t* sums,
                 std::int32_t* out) noexcept {
  with_dot(query, sums, out,
           [&](const auto& scorer) noexcept { scan_rows(scorer, query.length, rows); });
}

void dot_i8_at(const Int8Query& query, const std::int8_t* const* rows, const std::int32_t* sums,
               std::size_t count, std::int32_t* out) noexcept {
  with_dot(query, sums, out,
           [&](const auto& scorer) noexcept { scan_scattered(scorer, query.length, rows, count); });
}

void l2sq_i8_rows(const Int8Query& query, const Rows& rows, std::int32_t* out) noexcept {
  scan_rows(L2sq{query, out}, query.length, rows);
}

std::int32_t dot_i8(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  const __m512i bias_factor = _mm512_set1_epi8(static_cast<char>(128));
  __m512i total = _mm512_setzero_si512();
  __m512i bias = _mm512_setzero_si512();
  for (std::size_t i = 0; i < n; i += kWidth) {
    const __mmask64 lanes = n - i < kWidth ? first_lanes(n - i) : ~__mmask64{0};
    // Adding 128 modulo 256 is flipping the top bit; blank lanes of b add nothing to either sum.
    const __m512i biased = _mm512_xor_si512(load_masked(lanes, a + i), bias_factor);
    const __m512i row = load_masked(lanes, b + i);
    total = _mm512_dpbusd_epi32(total, biased, row);
    bias = _mm512_dpbusd_epi32(bias, bias_factor, row);
  }
  return sum_lanes(_mm512_sub_epi32(total, bias));
}

std::int32_t l2sq_i8(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  __m512i total = _mm512_setzero_si512();
  for (std::size_t i = 0; i < n; i += kWidth) {
    const __mmask64 lanes = n - i < kWidth ? first_lanes(n - i) : ~__mmask64{0};
    total = add_squares(total, load_masked(lanes, a + i), load_masked(lanes, b + i));
  }
  return sum_lanes(total);
}

}  // namespace

constinit const Kernels kAvx512Kernels = {
    .name = "avx512vnni",
    .dot_i8 = dot_i8,
    .l2sq_i8 = l2sq_i8,
    .sums_i8 = sums_of_codes<Avx512>,
    .dot_i8_rows = dot_i8_rows,
    .dot_i8_at = dot_i8_at,
    .l2sq_i8_rows = l2sq_i8_rows,
    AEON_BATCH_KERNELS(Avx512),
};

}  // namespace aeon::simd
