// A document: one version of a memory that has words. Documents are numbered over the whole palace
// in the order of their commits; a number is never used again. A document's life is told as a
// row's is: the commit that bore it stands with it, the one that ended it among the ends of space
// 0 (ends.hpp), which is no vector space.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

namespace aeon::engine {

// The space number under which ends of documents are kept.
inline constexpr std::uint32_t kDocumentSpace = 0;

// Persisted: an item of a `word_documents` section, and what a RAM tail keeps of a document.
struct Document {
  std::uint64_t id = 0;
  std::uint64_t born = 0;
  std::int64_t time = 0;  // of the event
  std::uint32_t tenant = 0;
  std::uint32_t session = 0;
  std::uint32_t kind = 0;
  std::uint32_t words = 0;
  friend bool operator==(const Document&, const Document&) = default;
};
static_assert(sizeof(Document) == 40 && std::has_unique_object_representations_v<Document>);

// Persisted: an item of a `word_rows` section, by space and then document.
struct DocumentRow {
  std::uint32_t document = 0;
  std::uint32_t node = 0;
};
// Persisted: an item of a `word_row_spaces` section, by space.
struct DocumentRowSpace {
  std::uint32_t space = 0;
  std::uint32_t rows = 0;
};
static_assert(sizeof(DocumentRow) == 8 && std::has_unique_object_representations_v<DocumentRow>);
static_assert(sizeof(DocumentRowSpace) == 8);

// A term in a document.
struct Posting {
  std::uint32_t document = 0;
  std::uint8_t count = 0;   // how often, at most kMaxCount
  std::uint8_t length = 0;  // the document's words, as a length code
};
inline constexpr std::uint32_t kMaxCount = 255;

// The number of words of a document in a byte: exact below 32, then four significant bits, up to
// 2^19. Codes grow with what they stand for. Persisted.
[[nodiscard]] constexpr std::uint8_t length_code(std::uint32_t words) noexcept {
  words = std::min<std::uint32_t>(words, (1U << 19) - 1);
  if (words < 32) return static_cast<std::uint8_t>(words);
  const auto shift = static_cast<std::uint32_t>(std::bit_width(words)) - 5;  // from 1
  return static_cast<std::uint8_t>(32 + 16 * (shift - 1) + ((words >> shift) & 15));
}
// The fewest words that the code stands for.
[[nodiscard]] constexpr std::uint32_t length_of_code(std::uint8_t code) noexcept {
  if (code < 32) return code;
  const std::uint32_t shift = (code - 32U) / 16 + 1;
  return (16U + (code - 32U) % 16) << shift;
}
static_assert(length_code(31) == 31 && length_code(32) == 32 && length_code((1U << 19) - 1) == 255);
static_assert(length_of_code(length_code(100)) <= 100 && length_of_code(33) == 34);

}  // namespace aeon::engine
