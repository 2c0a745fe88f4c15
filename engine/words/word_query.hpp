// What a text asks for by words. Operators stand at the start of a word or right behind it:
//
//   word          counts towards the score
//   +word  -word  must be there, must not be there; '-' only before a letter or a quote
//   wor*          any term that begins so
//   "two words"   with + or -: must (not) stand in the text one behind the other. Without a sign:
//                 must, when the text holds nothing but operators; else its words count as others.
//
// English words that carry grammar only (text/frequent_words.hpp) do not count where others do.
// Nothing is malformed: a sign, star or quote that does not fit is a separator. docs/words.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/words.hpp"

namespace aeon::engine {

enum class Demand : std::uint8_t { may, must, must_not };

struct WordQuery {
  struct Clause {
    Demand demand = Demand::may;
    bool prefix = false;
    std::uint8_t times = 1;   // how often it was asked for
    std::uint32_t begin = 0;  // of its term, in `bytes`
    std::uint32_t length = 0;
  };
  struct Phrase {
    Demand demand = Demand::must;  // or must_not
    std::uint32_t first = 0;       // of its terms in `phrase_terms`
    std::uint32_t count = 0;       // at least 2
  };
  struct Range {
    std::uint32_t begin = 0;
    std::uint32_t length = 0;
  };
  std::string bytes{};
  std::vector<Clause> clauses{};  // distinct by demand, prefix and term
  std::vector<Phrase> phrases{};
  std::vector<Range> phrase_terms{};
  Language language = Language::english;

  [[nodiscard]] std::string_view text(std::uint32_t begin, std::uint32_t length) const noexcept {
    return std::string_view(bytes).substr(begin, length);
  }
};

// Of a longer text's distinct words the first so many count.
inline constexpr std::size_t kMostClauses = 1024;
inline constexpr std::uint8_t kMostTimes =
    4;  // a word that is asked for more often counts so often

// `text` must be valid UTF-8. Uses scratch of the calling thread; warm it allocates nothing.
void parse_word_query(std::string_view text, Language language, WordQuery& out);

}  // namespace aeon::engine
