// Cuts a document into passages for remembering: pieces of a few hundred bytes that can be found
// and understood alone, each under the headings that it stands under.
//
// Neighbouring blocks (document_blocks.hpp) below one heading are joined until a passage is worth
// finding, 200 bytes where there is that much, and stay below 1,200. A longer paragraph is cut at
// ends of sentences, a list before items, a table between rows; fenced code stays whole up to
// 4,096 bytes. No passage is longer than that and none ends inside a character. Nothing but white
// space, the marks of headings ("##", "====") and a byte order mark is left out: a heading with
// nothing below it is a passage of its own.
//
// Pure functions; linear in the document; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/document_blocks.hpp"
#include "storage/result.hpp"

namespace aeon::engine {

inline constexpr std::size_t kPassageLeast = 200;   // bytes; aimed at
inline constexpr std::size_t kPassageGoal = 800;    // blocks are joined up to here
inline constexpr std::size_t kPassageMost = 1200;   // aimed at
inline constexpr std::size_t kPassageLimit = 4096;  // kept

struct Passage {
  std::string title;         // the headings above, outermost first, "A > B"; empty when none
  std::string text;          // never empty; line breaks are LF
  std::uint64_t offset = 0;  // of the text's first byte in the document; grows from one to the next
};

// Errors: invalid_utf8 (names the byte offset; convert Latin-1 or UTF-16 files first),
// invalid_argument (a NUL byte: the document is binary). An empty document has no passages.
[[nodiscard]] Result<std::vector<Passage>> split_passages(std::string_view document,
                                                          DocumentFormat format);

// Markdown for names that end in .md, .markdown or .mdx, in any case; else plain.
[[nodiscard]] DocumentFormat document_format_of(std::string_view file_name) noexcept;

}  // namespace aeon::engine
