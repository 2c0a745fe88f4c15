// Private to simd/: how INT8 kernels walk rows, in groups of Scorer::kRows and then one by one,
// with the memory for later groups asked for ahead. A Scorer belongs to one instruction set (a type
// in an anonymous namespace, which keeps these templates private to its file) and has
//   template <std::size_t kRows, class Ahead>
//   void score(const std::int8_t* const (&rows)[kRows], std::size_t first, Ahead ahead) const;
// which scores the rows numbered from `first` and calls ahead.step(column) every 64 codes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/kernels.hpp"

namespace aeon::simd {

// How far ahead a run is prefetched. On Zen 3, 2 to 8 KiB are alike; without it a scan from L3 or
// DRAM takes 1.6 times as long.
inline constexpr std::size_t kInt8PrefetchBytes = 4096;

// Scattered rows are asked for this many groups before they are scored: one group is scored in less
// time than memory needs to answer.
inline constexpr std::size_t kGroupsAhead = 2;

template <class Scorer>
struct NothingAhead {
  void step(std::size_t) noexcept {}
};

// Walks through the bytes of a whole group in order of addresses, a line for each row at a step,
// which suits DRAM and the hardware's prefetchers better than four rows side by side. Prefetching
// past the end is harmless.
template <class Scorer>
struct LinearAhead {
  std::uintptr_t at;
  std::size_t step_bytes;
  void step(std::size_t) noexcept {
    for (std::size_t i = 0; i < Scorer::kRows; ++i) {
      __builtin_prefetch(reinterpret_cast<const void*>(at + i * 64));
    }
    at += step_bytes;
  }
};

template <class Scorer>
struct ScatteredAhead {
  const std::int8_t* const* rows;
  void step(std::size_t column) noexcept {
    for (std::size_t i = 0; i < Scorer::kRows; ++i) __builtin_prefetch(rows[i] + column);
  }
};

template <class Scorer>
void scan_rows(const Scorer& scorer, std::size_t n, const Rows& rows) noexcept {
  constexpr std::size_t kRows = Scorer::kRows;
  static_assert(kRows == 4);
  const auto* first = static_cast<const std::int8_t*>(rows.first);
  const std::size_t stride = rows.stride_bytes;
  const std::size_t step_bytes = kRows * stride / ((n + 63) / 64);
  std::size_t row = 0;
  for (; row + kRows <= rows.count; row += kRows) {
    const std::int8_t* p = first + row * stride;
    const std::int8_t* const group[kRows] = {p, p + stride, p + 2 * stride, p + 3 * stride};
    const auto ahead = reinterpret_cast<std::uintptr_t>(p) + kInt8PrefetchBytes;
    scorer.score(group, row, LinearAhead<Scorer>{ahead, step_bytes});
  }
  for (; row < rows.count; ++row) {
    const std::int8_t* const one[1] = {first + row * stride};
    scorer.score(one, row, NothingAhead<Scorer>{});
  }
}

template <class Scorer>
void prefetch_row(const std::int8_t* row, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; i += 64) __builtin_prefetch(row + i);
}

template <class Scorer>
void scan_scattered(const Scorer& scorer, std::size_t n, const std::int8_t* const* rows,
                    std::size_t count) noexcept {
  constexpr std::size_t kRows = Scorer::kRows;
  constexpr std::size_t kDistance = kGroupsAhead * kRows;
  for (std::size_t i = 0; i < count && i < kDistance; ++i) prefetch_row<Scorer>(rows[i], n);
  std::size_t row = 0;
  for (; row + kRows <= count; row += kRows) {
    const std::int8_t* const group[kRows] = {rows[row], rows[row + 1], rows[row + 2],
                                             rows[row + 3]};
    if (row + kDistance + kRows <= count) {
      scorer.score(group, row, ScatteredAhead<Scorer>{rows + row + kDistance});
    } else {
      for (std::size_t i = row + kDistance; i < count; ++i) prefetch_row<Scorer>(rows[i], n);
      scorer.score(group, row, NothingAhead<Scorer>{});
    }
  }
  for (; row < count; ++row) {
    const std::int8_t* const one[1] = {rows[row]};
    scorer.score(one, row, NothingAhead<Scorer>{});
  }
}

}  // namespace aeon::simd
