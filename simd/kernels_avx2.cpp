// AVX2, FMA and F16C. The INT8 dot product multiplies the query's magnitudes (unsigned) with the
// row under the query's signs: vpsignb, vpmaddubsw (two products of at most 127 * 127 cannot
// saturate 16 bits), vpmaddwd with ones to widen. Where the query's magnitudes allow
// (narrow_groups), two such results are added in 16 bits first, so that one widening serves 64
// codes.
#include <immintrin.h>

#define xsimd xsimd_of_avx2
#include <xsimd/xsimd.hpp>

#include "simd/batch_convert.hpp"
#include "simd/batch_metrics.hpp"
#include "simd/int8_scan.hpp"
#include "simd/kernel_tables.hpp"

namespace aeon::simd {
namespace {

struct Avx2 {
  using Arch = xsimd::fma3<xsimd::avx2>;
  using Floats = xsimd::batch<float, Arch>;
  using Ints = xsimd::batch<std::int32_t, Arch>;
  static Floats load_half(const void* p) noexcept {
    return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  static void store_half(Floats values, void* p) noexcept {
    _mm_storeu_si128(static_cast<__m128i*>(p),
                     _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  // Codes fit 8 bits; packing works in 128-bit halves, so four codes lie at the start of each.
  static void store_codes(Ints codes, std::int8_t* p) noexcept {
    const __m256i words = _mm256_packs_epi32(codes, codes);
    const __m256i bytes = _mm256_packs_epi16(words, words);
    const __m128i both =
        _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), both);
  }
};

constexpr std::size_t kWidth = 32;

__m256i load(const void* p) noexcept { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

__m256i load_part(const void* p, std::size_t count) noexcept {
  alignas(32) std::int8_t part[kWidth] = {};
  __builtin_memcpy(part, p, count);
  return load(part);
}

__m256i widen(__m256i pairs) noexcept { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

std::int32_t sum_lanes(__m256i v) noexcept {
  const __m128i quarter = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const __m128i half = _mm_add_epi32(quarter, _mm_unpackhi_epi64(quarter, quarter));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 1)));
}

void store_sums(const __m256i (&sums)[4], std::int32_t* out) noexcept {
  const __m256i pairs =
      _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(out),
      _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1)));
}

void store_sums(const __m256i (&sums)[1], std::int32_t* out) noexcept { *out = sum_lanes(sums[0]); }

// The last n % 32 codes of a row. From 32 codes on, the row's last 32 bytes are read and `lanes`
// blanks the ones that were counted before; a shorter row is copied. So no byte beyond it is read.
struct Tail {
  std::size_t offset;
  std::size_t count;
  __m256i lanes;

  explicit Tail(std::size_t n) noexcept {
    alignas(64) static constexpr std::uint8_t kLanes[64] = {
        0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
        0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    const bool whole = n >= kWidth;
    count = n % kWidth;
    offset = whole ? n - kWidth : 0;
    lanes = load(kLanes + (whole ? count : kWidth));
  }
  __m256i load_from(const void* row, std::size_t n) const noexcept {
    const auto* p = static_cast<const std::int8_t*>(row) + offset;
    return n >= kWidth ? load(p) : load_part(p, n);
  }
};

struct Codes {
  __m256i codes;
  __m256i magnitudes;
};

__m256i dot_pairs(const Codes& q, __m256i row) noexcept {
  return _mm256_maddubs_epi16(q.magnitudes, _mm256_sign_epi8(row, q.codes));
}

// |a - b| as unsigned bytes, then squares of 16-bit halves.
__m256i squares(__m256i difference) noexcept {
  const __m256i low = _mm256_unpacklo_epi8(difference, _mm256_setzero_si256());
  const __m256i high = _mm256_unpackhi_epi8(difference, _mm256_setzero_si256());
  return _mm256_add_epi32(_mm256_madd_epi16(low, low), _mm256_madd_epi16(high, high));
}

__m256i distance(__m256i a, __m256i b) noexcept {
  return _mm256_sub_epi8(_mm256_max_epi8(a, b), _mm256_min_epi8(a, b));
}

// What the row loops share: whole groups of 64 codes, then a block of 32, then the tail.
template <class Metric>
struct Scorer {
  static constexpr std::size_t kRows = 4;
  Metric metric;
  std::int32_t* out;

  template <std::size_t kCount, class Ahead>
  void score(const std::int8_t* const (&rows)[kCount], std::size_t first,
             Ahead ahead) const noexcept {
    const std::size_t n = metric.query.length;
    __m256i sums[kCount];
    for (__m256i& sum : sums) sum = _mm256_setzero_si256();
    std::size_t i = 0;
    for (; i + 64 <= n; i += 64) {
      ahead.step(i);
      metric.group(i, rows, sums);
    }
    if (i + kWidth <= n) {
      for (std::size_t r = 0; r < kCount; ++r) {
        sums[r] = _mm256_add_epi32(sums[r], metric.block(i, load(rows[r] + i)));
      }
    }
    if (metric.tail.count != 0) {
      for (std::size_t r = 0; r < kCount; ++r) {
        sums[r] = _mm256_add_epi32(sums[r], metric.end(metric.tail.load_from(rows[r], n)));
      }
    }
    store_sums(sums, out + first);
  }
};

// kAllNarrow: every group of the query is narrow, as for most embeddings; saves asking for each.
template <bool kAllNarrow>
struct Dot {
  const Int8Query& query;
  Tail tail;
  Codes last;

  explicit Dot(const Int8Query& q) noexcept : query(q), tail(q.length) {
    last = at(tail.offset);
    last.magnitudes = _mm256_and_si256(last.magnitudes, tail.lanes);
  }
  Codes at(std::size_t i) const noexcept {
    return {load(query.codes + i), load(query.magnitudes + i)};
  }
  template <std::size_t kCount>
  void group(std::size_t i, const std::int8_t* const (&rows)[kCount],
             __m256i (&sums)[kCount]) const noexcept {
    const Codes low = at(i);
    const Codes high = at(i + kWidth);
    if (kAllNarrow || (query.narrow_groups >> (i / 64) & 1) != 0) {
      for (std::size_t r = 0; r < kCount; ++r) {
        const __m256i pairs = _mm256_add_epi16(dot_pairs(low, load(rows[r] + i)),
                                               dot_pairs(high, load(rows[r] + i + kWidth)));
        sums[r] = _mm256_add_epi32(sums[r], widen(pairs));
      }
    } else {
      for (std::size_t r = 0; r < kCount; ++r) {
        const __m256i a = widen(dot_pairs(low, load(rows[r] + i)));
        const __m256i b = widen(dot_pairs(high, load(rows[r] + i + kWidth)));
        sums[r] = _mm256_add_epi32(sums[r], _mm256_add_epi32(a, b));
      }
    }
  }
  __m256i block(std::size_t i, __m256i row) const noexcept { return widen(dot_pairs(at(i), row)); }
  __m256i end(__m256i row) const noexcept { return widen(dot_pairs(last, row)); }
};

struct L2sq {
  const Int8Query& query;
  Tail tail;

  explicit L2sq(const Int8Query& q) noexcept : query(q), tail(q.length) {}
  template <std::size_t kCount>
  void group(std::size_t i, const std::int8_t* const (&rows)[kCount],
             __m256i (&sums)[kCount]) const noexcept {
    for (std::size_t r = 0; r < kCount; ++r) {
      const __m256i a = block(i, load(rows[r] + i));
      const __m256i b = block(i + kWidth, load(rows[r] + i + kWidth));
      sums[r] = _mm256_add_epi32(sums[r], _mm256_add_epi32(a, b));
    }
  }
  __m256i block(std::size_t i, __m256i row) const noexcept {
    return squares(distance(load(query.codes + i), row));
  }
  __m256i end(__m256i row) const noexcept {
    const __m256i difference = distance(load(query.codes + tail.offset), row);
    return squares(_mm256_and_si256(difference, tail.lanes));
  }
};

// Calls run(scorer) with the scorer that suits the query.
template <class Run>
void with_dot(const Int8Query& query, std::int32_t* out, const Run& run) noexcept {
  const std::uint64_t groups =
      query.length / 64 == 0 ? 0 : ~std::uint64_t{0} >> (64 - query.length / 64);
  if ((groups & ~query.narrow_groups) == 0) {
    run(Scorer<Dot<true>>{Dot<true>(query), out});
  } else {
    run(Scorer<Dot<false>>{Dot<false>(query), out});
  }
}

void dot_i8_rows(const Int8Query& query, const Rows& rows, const std::int32_t*,
                 std::int32_t* out) noexcept {
  with_dot(query, out, [&](const auto& scorer) noexcept { scan_rows(scorer, query.length, rows); });
}

void dot_i8_at(const Int8Query& query, const std::int8_t* const* rows, const std::int32_t*,
               std::size_t count, std::int32_t* out) noexcept {
  with_dot(query, out,
           [&](const auto& scorer) noexcept { scan_scattered(scorer, query.length, rows, count); });
}

void l2sq_i8_rows(const Int8Query& query, const Rows& rows, std::int32_t* out) noexcept {
  scan_rows(Scorer<L2sq>{L2sq(query), out}, query.length, rows);
}

// Neither side is prepared: the magnitudes are made on the way.
struct PairDot {
  static __m256i block(__m256i a, __m256i b, __m256i lanes) noexcept {
    const Codes codes{a, _mm256_and_si256(_mm256_abs_epi8(a), lanes)};
    return widen(dot_pairs(codes, b));
  }
};

struct PairL2sq {
  static __m256i block(__m256i a, __m256i b, __m256i lanes) noexcept {
    return squares(_mm256_and_si256(distance(a, b), lanes));
  }
};

template <class Pair>
std::int32_t score_pair(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  const __m256i all = _mm256_set1_epi8(-1);
  __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  std::size_t i = 0;
  for (; i + 2 * kWidth <= n; i += 2 * kWidth) {
    sums[0] = _mm256_add_epi32(sums[0], Pair::block(load(a + i), load(b + i), all));
    sums[1] =
        _mm256_add_epi32(sums[1], Pair::block(load(a + i + kWidth), load(b + i + kWidth), all));
  }
  if (i + kWidth <= n) {
    sums[0] = _mm256_add_epi32(sums[0], Pair::block(load(a + i), load(b + i), all));
  }
  const Tail tail(n);
  if (tail.count != 0) {
    sums[1] = _mm256_add_epi32(sums[1],
                               Pair::block(tail.load_from(a, n), tail.load_from(b, n), tail.lanes));
  }
  return sum_lanes(_mm256_add_epi32(sums[0], sums[1]));
}

}  // namespace

constinit const Kernels kAvx2Kernels = {
    .name = "avx2",
    .dot_i8 = score_pair<PairDot>,
    .l2sq_i8 = score_pair<PairL2sq>,
    .sums_i8 = sums_of_codes<Avx2>,
    .dot_i8_rows = dot_i8_rows,
    .dot_i8_at = dot_i8_at,
    .l2sq_i8_rows = l2sq_i8_rows,
    AEON_BATCH_KERNELS(Avx2),
};

}  // namespace aeon::simd
