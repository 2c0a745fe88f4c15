#include "engine/text/words.hpp"

#include <libstemmer.h>
#include <utf8proc.h>

#include <algorithm>

#include "storage/checksum.hpp"
#include "storage/codec.hpp"

namespace aeon::engine {

namespace {

enum class Shape : std::uint8_t { gap, word, joiner, pair, alone };

struct Range {
  std::int32_t first;
  std::int32_t last;
};
// Scripts written without spaces, and Hangul, whose words carry their particles.
constexpr Range kPairScripts[] = {
    {0x0e00, 0x0eff},    // Thai, Lao
    {0x1000, 0x109f},    // Burmese
    {0x1780, 0x17ff},    // Khmer
    {0x3040, 0x30ff},    // kana
    {0x31f0, 0x31ff},    // kana extensions
    {0x3400, 0x4dbf},    // ideographs
    {0x4e00, 0x9fff},    //
    {0xac00, 0xd7af},    // Hangul
    {0xf900, 0xfaff},    // ideographs, compatibility
    {0xff66, 0xff9f},    // kana, half width
    {0x20000, 0x3ffff},  // ideographs
};

Shape shape_of(std::int32_t point) noexcept {
  for (const Range& range : kPairScripts) {
    if (point < range.first) break;
    if (point <= range.last) {
      const auto category = utf8proc_category(point);
      const bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_ME;
      if (letter) return Shape::pair;
      break;
    }
  }
  switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return Shape::word;
    case UTF8PROC_CATEGORY_CF: return Shape::joiner;
    case UTF8PROC_CATEGORY_SO: return Shape::alone;
    default: return Shape::gap;
  }
}

struct Character {
  Shape shape;
  std::uint8_t bytes;
};

constexpr bool is_small(char c) noexcept { return c >= 'a' && c <= 'z'; }
constexpr bool is_capital(char c) noexcept { return c >= 'A' && c <= 'Z'; }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

Character character_at(std::string_view text, std::size_t at) noexcept {
  const char c = text[at];
  if (static_cast<std::uint8_t>(c) < 0x80) {
    if (is_small(c) || is_capital(c) || is_digit(c)) return {Shape::word, 1};
    return {c == '_' ? Shape::joiner : Shape::gap, 1};
  }
  std::int32_t point = 0;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                      static_cast<utf8proc_ssize_t>(text.size() - at), &point);
  if (bytes <= 0) return {Shape::gap, 1};
  return {shape_of(point), static_cast<std::uint8_t>(bytes)};
}

// Where a run of one shape ends; joiners are part of a run of words only between two of them.
std::size_t end_of_run(std::string_view text, std::size_t at, Shape shape) noexcept {
  std::size_t end = at;
  while (at < text.size()) {
    const Character character = character_at(text, at);
    if (character.shape == shape) {
      end = at + character.bytes;
    } else if (character.shape != Shape::joiner || shape != Shape::word) {
      break;
    }
    at += character.bytes;
  }
  return end;
}

// Bytes of an 's that ends a word at `at`, or 0: ASCII or typographic.
std::size_t possessive(std::string_view text, std::size_t at) noexcept {
  std::size_t length = 0;
  if (text.substr(at).starts_with('\'')) length = 1;
  if (text.substr(at).starts_with("\xe2\x80\x99")) length = 3;
  if (length == 0 || at + length >= text.size()) return 0;
  const char s = text[at + length];
  if (s != 's' && s != 'S') return 0;
  const std::size_t behind = at + length + 1;
  if (behind < text.size()) {
    const Shape next = character_at(text, behind).shape;
    if (next == Shape::word || next == Shape::joiner) return 0;
  }
  return length + 1;
}

bool is_all_letters(std::string_view word) noexcept {
  return std::ranges::none_of(word, [](char c) { return is_digit(c) || c == '_'; });
}

}  // namespace

void WordAnalyzer::Dropper::operator()(sb_stemmer* stemmer) const noexcept {
  sb_stemmer_delete(stemmer);
}

WordAnalyzer::WordAnalyzer() : remembered_(kRemembered) {}
WordAnalyzer::~WordAnalyzer() = default;

sb_stemmer* WordAnalyzer::stemmer() {
  auto& stemmer = stemmers_[static_cast<std::size_t>(language_)];
  if (stemmer == nullptr) {
    const std::string name(language_name(language_));
    stemmer.reset(sb_stemmer_new(name.c_str(), "UTF_8"));
  }
  return stemmer.get();
}

void WordAnalyzer::analyse(std::string_view text, Language language, WordList& out) {
  language_ = language;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    if (character.shape == Shape::word) {
      const std::size_t end = end_of_run(text, at, Shape::word);
      add_run(text.substr(at, end - at), out);
      at = end + (language == Language::english ? possessive(text, end) : 0);
    } else if (character.shape == Shape::pair) {
      const std::size_t end = end_of_run(text, at, Shape::pair);
      folder_.fold(text.substr(at, end - at), folded_);
      add_pairs(folded_, out);
      at = end;
    } else {
      if (character.shape == Shape::alone) {
        folder_.fold(text.substr(at, character.bytes), folded_);
        add_term(folded_, true, false, out);
      }
      at += character.bytes;
    }
  }
}

void WordAnalyzer::add_run(std::string_view run, WordList& out) {
  folder_.fold(run, folded_);
  add_term(folded_, true, false, out);
  bool parts = run.find('_') != std::string_view::npos;
  for (std::size_t i = 1; i < run.size() && !parts; ++i) {
    parts = is_capital(run[i]) && is_small(run[i - 1]);
  }
  if (parts) add_parts(run, out);
}

// At '_', before a capital that follows a small letter, and before the last capital of a row of
// them that a small letter follows.
void WordAnalyzer::add_parts(std::string_view run, WordList& out) {
  std::size_t begin = 0;
  const auto flush = [&](std::size_t end) {
    if (end > begin) {
      folder_.fold(run.substr(begin, end - begin), folded_);
      add_term(folded_, false, false, out);
    }
    begin = end;
  };
  for (std::size_t i = 0; i < run.size(); ++i) {
    if (run[i] == '_') {
      flush(i);
      begin = i + 1;
    } else if (i > begin && is_capital(run[i])) {
      const bool starts_word = i + 1 < run.size() && is_small(run[i + 1]);
      if (!is_capital(run[i - 1]) || starts_word) flush(i);
    }
  }
  flush(run.size());
}

void WordAnalyzer::add_pairs(std::string_view run, WordList& out) {
  std::size_t first = 0;
  bool any = false;
  while (first < run.size()) {
    const std::size_t second = first + utf8_length(run[first]);
    if (second >= run.size()) {
      add_term(run.substr(first), !any, true, out);
      return;
    }
    const std::size_t end = std::min(run.size(), second + utf8_length(run[second]));
    add_term(run.substr(first, end - first), true, false, out);
    any = true;
    first = second;
  }
}

void WordAnalyzer::add_term(std::string_view folded, bool whole, bool single, WordList& out) {
  if (folded.empty()) return;
  const bool stems = !single && language_ != Language::none && folded.size() <= kMaxTermBytes &&
                     is_all_letters(folded);
  const std::string_view term = stems ? stem(folded) : truncate_utf8(folded, kMaxTermBytes);
  if (term.empty()) return;
  out.words.push_back({static_cast<std::uint32_t>(out.bytes.size()),
                       static_cast<std::uint8_t>(term.size()), whole, single});
  out.bytes.append(term);
}

std::string_view WordAnalyzer::stem(std::string_view word) {
  sb_stemmer* const stemmer = this->stemmer();
  if (stemmer == nullptr) return word;  // no memory
  const std::uint64_t seed = static_cast<std::uint64_t>(language_);
  Remembered& slot = remembered_[storage::hash64(storage::as_bytes(word), seed) % kRemembered];
  if (slot.language == language_ && std::string_view(slot.word, slot.word_bytes) == word) {
    return {slot.stem, slot.stem_bytes};
  }
  const sb_symbol* const found = sb_stemmer_stem(
      stemmer, reinterpret_cast<const sb_symbol*>(word.data()), static_cast<int>(word.size()));
  if (found == nullptr || sb_stemmer_length(stemmer) == 0) return word;
  const std::string_view stem = truncate_utf8(
      {reinterpret_cast<const char*>(found), static_cast<std::size_t>(sb_stemmer_length(stemmer))},
      kMaxTermBytes);
  if (word.size() > sizeof slot.word || stem.size() > sizeof slot.stem) return stem;
  slot.language = language_;
  slot.word_bytes = static_cast<std::uint8_t>(word.size());
  slot.stem_bytes = static_cast<std::uint8_t>(stem.size());
  std::ranges::copy(word, slot.word);
  std::ranges::copy(stem, slot.stem);
  return stem;
}

}  // namespace aeon::engine
