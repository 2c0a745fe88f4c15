// Byte order of keys, inline: keys are short and mostly differ behind a long common start, where a
// call of memcmp costs more than the comparison.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>

#include "storage/codec.hpp"

namespace aeon::storage {

// Less, equal or greater than 0 as `a` is to `b`; the same order as std::string_view's.
[[nodiscard]] inline int compare_keys(std::string_view a, std::string_view b) noexcept {
  const std::size_t common = std::min(a.size(), b.size());
  const auto compare_words = [&](std::size_t at) {
    const auto x = std::byteswap(load<std::uint64_t>(a.data() + at));
    const auto y = std::byteswap(load<std::uint64_t>(b.data() + at));
    return x == y ? 0 : x < y ? -1 : 1;
  };
  if (common < 8) return a.compare(b);
  for (std::size_t at = 0; at + 8 <= common; at += 8) {
    if (const int order = compare_words(at); order != 0) return order;
  }
  // The last word overlaps bytes that are known to be equal.
  if (const int order = compare_words(common - 8); order != 0) return order;
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

}  // namespace aeon::storage
