// Cuts a text into the terms that it is found by. Memories and queries go through the same steps:
//
//   1. Segmentation: runs of letters, marks and digits are words. Scripts written without spaces
//      (ideographs, kana, Hangul, Thai, Lao, Khmer, Burmese) give overlapping pairs of characters;
//      the last character of a run stands alone as well, so that a single character can be looked
//      for as a prefix. Pictographs are words of their own. Everything else separates.
//   2. Identifiers: a run with '_' inside, or with capitals after small letters, is one term as a
//      whole and one for each part ("parseHttpURL": parsehttpurl, parse, http, url).
//   3. Folding: NFKC case folding (utf8.hpp).
//   4. Stemming: Snowball for the memory's language, for words of letters only. An English 's is
//      dropped before.
//   5. A term has at most kMaxTermBytes bytes; what is longer is cut between characters.
//
// Terms are stored, so a change to any step is a new kAnalyzer number. No word is left out as too
// frequent: what a word weighs follows from its frequency.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/language.hpp"
#include "engine/text/utf8.hpp"

struct sb_stemmer;

namespace aeon::engine {

// Persisted beside the terms. From 2 on, metadata and sessions give terms as well
// (field_terms.hpp).
inline constexpr std::uint8_t kAnalyzer = 2;
inline constexpr std::uint8_t kFirstFieldAnalyzer = 2;
inline constexpr std::size_t kMaxTermBytes = 64;

// What became of a text. Reuse it to reuse its memory.
struct WordList {
  struct Word {
    std::uint32_t begin = 0;  // in `bytes`
    std::uint8_t length = 0;
    bool whole = false;   // counts as a word of the text; false: a part of the whole before it
    bool single = false;  // one character of a script without spaces
  };
  std::string bytes{};
  std::vector<Word> words{};  // in the order of the text

  [[nodiscard]] std::string_view term(const Word& word) const noexcept {
    return std::string_view(bytes).substr(word.begin, word.length);
  }
  void clear() noexcept {
    bytes.clear();
    words.clear();
  }
};

// Holds stemmers and scratch: once warm it allocates nothing. Not thread-safe, use one per thread.
// The result depends on text and language alone.
class WordAnalyzer {
 public:
  WordAnalyzer();
  ~WordAnalyzer();
  WordAnalyzer(const WordAnalyzer&) = delete;
  WordAnalyzer& operator=(const WordAnalyzer&) = delete;

  // Appends the words of `text`, which must be valid UTF-8. Linear in its length.
  void analyse(std::string_view text, Language language, WordList& out);

 private:
  // Words that were looked up last, by their hash; a cache line each.
  struct Remembered {
    std::uint8_t word_bytes = 0;
    std::uint8_t stem_bytes = 0;
    Language language = Language::none;
    char word[30] = {};
    char stem[31] = {};
  };
  struct Dropper {
    void operator()(sb_stemmer* stemmer) const noexcept;
  };
  static constexpr std::size_t kRemembered = 2048;

  void add_run(std::string_view run, WordList& out);
  void add_parts(std::string_view run, WordList& out);
  void add_pairs(std::string_view run, WordList& out);
  void add_term(std::string_view folded, bool whole, bool single, WordList& out);
  [[nodiscard]] std::string_view stem(std::string_view word);
  [[nodiscard]] sb_stemmer* stemmer();

  CaseFolder folder_;
  std::string folded_;
  Language language_ = Language::english;
  std::array<std::unique_ptr<sb_stemmer, Dropper>, kLanguages> stemmers_;
  std::vector<Remembered> remembered_;
};

}  // namespace aeon::engine
