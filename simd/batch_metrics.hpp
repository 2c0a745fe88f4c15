// Private to simd/: the float kernels, written once over xsimd::batch<float, Arch>.
//
// An instruction-set file includes <xsimd/xsimd.hpp> with the namespace renamed, names its `Isa`
// (Floats, Ints, load_half, store_half, store_codes) in an anonymous namespace and instantiates
// these templates with it; so every instantiation is private to that file.
//
// A row's terms go to kColumns accumulators in turn, which are added at the end in a fixed order.
// The order depends on the length alone, so a row scores the same bits alone or in any scan.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/kernels.hpp"

namespace aeon::simd {

using Bytes = const unsigned char*;

inline constexpr std::size_t kPrefetchBytes = 4096;

// Where values come from: a whole batch at p, or the first `count` values and zeros behind.
template <class Isa>
struct Float32Source {
  using Floats = typename Isa::Floats;
  static constexpr std::size_t kBytes = 4;
  static Floats load(Bytes p) noexcept {
    return Floats::load_unaligned(reinterpret_cast<const float*>(p));
  }
  static Floats load_part(Bytes p, std::size_t count) noexcept {
    alignas(64) float part[Floats::size] = {};
    __builtin_memcpy(part, p, count * kBytes);
    return Floats::load_aligned(part);
  }
};

template <class Isa>
struct Float16Source {
  using Floats = typename Isa::Floats;
  static constexpr std::size_t kBytes = 2;
  static Floats load(Bytes p) noexcept { return Isa::load_half(p); }
  static Floats load_part(Bytes p, std::size_t count) noexcept {
    alignas(64) std::uint16_t part[Floats::size] = {};
    __builtin_memcpy(part, p, count * kBytes);
    return Isa::load_half(reinterpret_cast<Bytes>(part));
  }
};

template <class Isa>
struct DotSum {
  using Floats = typename Isa::Floats;
  static constexpr std::size_t kColumns = 4;
  static constexpr bool kNeedsQueryLength = false;
  Floats dot = Floats(0.0F);
  void add(Floats q, Floats x) noexcept { dot = fma(q, x, dot); }
  void merge(const DotSum& other) noexcept { dot = dot + other.dot; }
  float finish(float) const noexcept { return hadd(dot); }
};

template <class Isa>
struct L2sqSum {
  using Floats = typename Isa::Floats;
  static constexpr std::size_t kColumns = 4;
  static constexpr bool kNeedsQueryLength = false;
  Floats l2sq = Floats(0.0F);
  void add(Floats q, Floats x) noexcept {
    const Floats difference = q - x;
    l2sq = fma(difference, difference, l2sq);
  }
  void merge(const L2sqSum& other) noexcept { l2sq = l2sq + other.l2sq; }
  float finish(float) const noexcept { return hadd(l2sq); }
};

// Two square roots, not one of the product: the product may overflow where the roots do not.
template <class Isa>
float cosine_of(float dot, float a_squared, float b_squared) noexcept {
  if (a_squared == 0.0F || b_squared == 0.0F) return 0.0F;
  const float cosine = dot / (__builtin_sqrtf(a_squared) * __builtin_sqrtf(b_squared));
  return cosine > 1.0F ? 1.0F : (cosine < -1.0F ? -1.0F : cosine);
}

template <class Isa>
struct CosineSum {
  using Floats = typename Isa::Floats;
  static constexpr std::size_t kColumns = 2;
  static constexpr bool kNeedsQueryLength = true;
  Floats dot = Floats(0.0F);
  Floats squares = Floats(0.0F);
  void add(Floats q, Floats x) noexcept {
    dot = fma(q, x, dot);
    squares = fma(x, x, squares);
  }
  void merge(const CosineSum& other) noexcept {
    dot = dot + other.dot;
    squares = squares + other.squares;
  }
  float finish(float query_squared) const noexcept {
    return cosine_of<Isa>(hadd(dot), query_squared, hadd(squares));
  }
};

// Scores kRows rows at once; `ahead` walks evenly through the bytes that a later call will read.
template <class Isa, class Source, class Sum, std::size_t kRows>
void score_step(const float* query, std::size_t n, const Bytes (&rows)[kRows], float query_squared,
                Bytes ahead, std::size_t ahead_stride, float* out) noexcept {
  constexpr std::size_t kWidth = Isa::Floats::size;
  constexpr std::size_t kColumns = Sum::kColumns;
  constexpr std::size_t kLines = (kRows * kColumns * kWidth * Source::kBytes + 63) / 64;
  Sum sums[kRows][kColumns];
  std::size_t i = 0;
  for (; i + kColumns * kWidth <= n; i += kColumns * kWidth) {
    if constexpr (kRows > 1) {
      for (std::size_t line = 0; line < kLines; ++line) {
        __builtin_prefetch(ahead);
        ahead += ahead_stride;
      }
    }
    for (std::size_t c = 0; c < kColumns; ++c) {
      const std::size_t at = i + c * kWidth;
      const auto q = Isa::Floats::load_unaligned(query + at);
      for (std::size_t r = 0; r < kRows; ++r) {
        sums[r][c].add(q, Source::load(rows[r] + at * Source::kBytes));
      }
    }
  }
  for (; i + kWidth <= n; i += kWidth) {
    const auto q = Isa::Floats::load_unaligned(query + i);
    for (std::size_t r = 0; r < kRows; ++r) {
      sums[r][0].add(q, Source::load(rows[r] + i * Source::kBytes));
    }
  }
  if (i < n) {
    const auto q = Float32Source<Isa>::load_part(reinterpret_cast<Bytes>(query + i), n - i);
    for (std::size_t r = 0; r < kRows; ++r) {
      sums[r][0].add(q, Source::load_part(rows[r] + i * Source::kBytes, n - i));
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 1; c < kColumns; ++c) sums[r][0].merge(sums[r][c]);
    out[r] = sums[r][0].finish(query_squared);
  }
}

template <class Isa, class Source, class Sum>
float score_pair_with(const float* a, Bytes b, std::size_t n, float a_squared) noexcept {
  float score;
  const Bytes rows[1] = {b};
  score_step<Isa, Source, Sum, 1>(a, n, rows, a_squared, b, 0, &score);
  return score;
}

template <class Isa>
float squared_length(const float* x, std::size_t n) noexcept {
  return score_pair_with<Isa, Float32Source<Isa>, DotSum<Isa>>(x, reinterpret_cast<Bytes>(x), n, 0);
}

template <class Isa, class Source, class Sum, class Element>
float score_pair(const float* a, const Element* b, std::size_t n) noexcept {
  const float squared = Sum::kNeedsQueryLength ? squared_length<Isa>(a, n) : 0.0F;
  return score_pair_with<Isa, Source, Sum>(a, reinterpret_cast<Bytes>(b), n, squared);
}

template <class Isa, class Source, class Sum>
void score_rows(const float* query, std::size_t n, const Rows& rows, float* out) noexcept {
  constexpr std::size_t kRows = 2;
  const float squared = Sum::kNeedsQueryLength ? squared_length<Isa>(query, n) : 0.0F;
  const Bytes first = static_cast<Bytes>(rows.first);
  const std::size_t lines = (n * Source::kBytes + 63) / 64;
  const std::size_t ahead_stride = rows.stride_bytes / lines;
  std::size_t row = 0;
  for (; row + kRows <= rows.count; row += kRows) {
    const Bytes at = first + row * rows.stride_bytes;
    const Bytes pair[kRows] = {at, at + rows.stride_bytes};
    score_step<Isa, Source, Sum, kRows>(query, n, pair, squared, at + kPrefetchBytes, ahead_stride,
                                        out + row);
  }
  if (row < rows.count) {
    out[row] =
        score_pair_with<Isa, Source, Sum>(query, first + row * rows.stride_bytes, n, squared);
  }
}

}  // namespace aeon::simd
