// The built-in embedder: hashed words and character n-grams in 384 dimensions. It is lexical: two
// texts are near when they share words, word pairs or spellings ("run", "running", "runing"), not
// when they mean the same. It is there so that a palace answers to text with no model at hand;
// where a learned embedder is to be had, use that.
//
// A text is case-folded (utf8.hpp) and cut into words: runs of letters, marks and digits; each
// ideograph or kana, and each pictograph, is a word of its own. Words, adjacent word pairs and
// the 3 to 5 character pieces of each word (with its ends marked) are features. A feature's
// weight comes from its word alone, since there is no corpus to count: frequent English function
// words weigh little and give no pieces, short words less than long ones. Repetition counts
// sublinearly. Every feature is hashed (XXH3, fixed seeds) to one dimension and a sign.
//
// The sum is made in integers and scaled by one correctly rounded square root and division, so a
// text has the same vector, bit for bit, on every machine. Any change that moves a vector is a
// new name: "aeon-lexical-2".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/utf8.hpp"

namespace aeon::engine {

inline constexpr std::string_view kLexicalModel = "aeon-lexical-1";
inline constexpr std::size_t kLexicalDimension = 384;
using LexicalVector = std::array<float, kLexicalDimension>;

// Holds scratch, a few dozen bytes for each byte of the longest text so far: once warm it
// allocates nothing. Not thread-safe; use one per thread. The result depends on the text alone.
class LexicalEmbedder {
 public:
  // A vector of unit length, or nothing when `text` has no word (empty, punctuation only) or when
  // all features cancel. `text` must be valid UTF-8. Linear in the length of the text.
  [[nodiscard]] std::optional<LexicalVector> embed(std::string_view text);

 private:
  struct Word {
    std::uint32_t begin;  // in folded_
    std::uint32_t bytes;
    std::uint32_t characters;
    std::uint32_t weight;
  };
  struct Feature {
    std::uint64_t hash;
    std::uint32_t weight;  // the heaviest of its words'
    std::uint32_t count;
  };

  void find_words();
  void push_word(std::size_t begin, std::size_t end, std::size_t characters);
  void add_pieces(const Word& word);
  void add_feature(std::string_view bytes, std::uint64_t seed, std::uint32_t weight);
  void grow();
  [[nodiscard]] std::optional<LexicalVector> project() const;

  CaseFolder folder_;
  std::string folded_;
  std::string marked_;                 // one word between its boundary marks
  std::vector<std::uint32_t> starts_;  // where the characters of marked_ begin
  std::vector<Word> words_;
  std::vector<Feature> features_;     // distinct
  std::vector<std::uint32_t> slots_;  // hash table: 1 + place in features_; 0 is free
};

}  // namespace aeon::engine
