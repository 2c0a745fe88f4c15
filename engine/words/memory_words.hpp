// What a memory is found by: the words of its text, of the members "title" and "speaker" of its
// metadata, day, month and year of its event time (UTC, English) where there are such words, and
// its metadata, session and kind as filters ask for them (field_terms.hpp). All of them are terms
// of one document; the length of a document counts the words of text, title and speaker, and only a
// document that has some counts among those that a word's rarity is told by.
//
// In a commit's record, and nowhere else, the terms of a document are written as
// [count varint] and for each, sorted: [bytes varint][bytes][times u8].
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/words.hpp"

namespace aeon::engine {

struct MemoryWords {
  struct Term {
    std::uint32_t begin = 0;  // in list.bytes
    std::uint8_t length = 0;
    std::uint8_t times = 0;
  };
  std::vector<Term> terms{};  // sorted, distinct
  std::uint32_t length = 0;   // words
  Language language = Language::english;
  WordList list{};

  [[nodiscard]] bool empty() const noexcept { return terms.empty(); }
  [[nodiscard]] std::string_view term(const Term& term) const noexcept {
    return std::string_view(list.bytes).substr(term.begin, term.length);
  }
};

struct IndexedText {
  std::string_view text;      // valid UTF-8
  std::string_view metadata;  // a JSON object, or empty
  std::string_view session;
  std::string_view kind;
  Language language = Language::english;
  std::uint8_t analyzer = kAnalyzer;
};
// Finds the terms. Uses scratch of the calling thread.
void find_words(const IndexedText& memory, MemoryWords& out);

// Adds the term of a session that the memory itself did not name: a new version keeps its session.
void add_session(MemoryWords& words, std::string_view session);

// Writes the terms as above, with those of the event time.
void encode_words(std::string& out, const MemoryWords& words, std::int64_t event_time);

// Calls visit(term, times) for each term; false when the bytes are no such list.
template <typename Visit>
[[nodiscard]] bool decode_words(std::string_view bytes, Visit&& visit);

}  // namespace aeon::engine

#include "storage/codec.hpp"

namespace aeon::engine {

template <typename Visit>
bool decode_words(std::string_view bytes, Visit&& visit) {
  storage::Decoder decoder(bytes);
  const std::uint64_t count = decoder.varint();
  if (count > bytes.size()) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view term = decoder.bytes();
    const auto times = decoder.fixed<std::uint8_t>();
    if (!decoder.ok() || term.empty() || term.size() > kMaxTermBytes || times == 0) return false;
    if (!visit(term, times)) return false;
  }
  return decoder.ok() && decoder.at_end();
}

}  // namespace aeon::engine
