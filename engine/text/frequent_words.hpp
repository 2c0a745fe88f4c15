// English words that say little about a text's subject, for weighting without a corpus.
#pragma once

#include <cstdint>
#include <string_view>

namespace aeon::engine {

enum class WordRank : std::uint8_t {
  other,     // not listed
  common,    // says something, but occurs everywhere: "day", "make", "people"
  function,  // carries grammar: "the", "of", "would"; also the rests of contractions: "ll", "t"
};

// `word` is case-folded. Constant time, allocates nothing, thread-safe.
[[nodiscard]] WordRank rank_of_word(std::string_view word) noexcept;

}  // namespace aeon::engine
