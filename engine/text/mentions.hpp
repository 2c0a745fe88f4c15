// The names that a text mentions, told by their capitals alone, and the form that makes two
// spellings of a name one. Both are guesses of a few rules, not a model's: they serve to link texts
// that speak of the same thing, where a wrong link costs little.
//
// A mention is a run of words that begin with a capital (Lu or Lt of Unicode; scripts without
// capitals have none). The run goes on
//
//   - over spaces and "&", and behind an initial or a title over a full stop: "J. R. Smith",
//     "Dr. Grey", but not into the next sentence;
//   - over one particle (of, de, van, ...) or "of the" when a capital follows: "Bank of England";
//   - over numbers behind a capital: "Apollo 11".
//
// Left out are English function words at its start ("The Hague" is "Hague"), one common English
// word alone at the start of a sentence, single letters, an 's at its end, and what has more than
// kMostNameWords words.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace aeon::engine {

inline constexpr std::size_t kMostNameWords = 8;

// Appends the mentions of `text` as views of it, in its order, repetitions included. `text` must be
// valid UTF-8. Linear; thread-safe.
void find_mentions(std::string_view text, std::vector<std::string_view>& mentions);

// A title without what stands in brackets at its end: "Mercury (planet)" is "Mercury".
[[nodiscard]] std::string_view without_brackets(std::string_view title) noexcept;

// Replaces `folded` by the words of a name as words.hpp cuts and folds them, without stemming, one
// space between two; empty when it has none. Thread-safe; warm it allocates nothing.
void fold_name(std::string_view name, std::string& folded);

}  // namespace aeon::engine
