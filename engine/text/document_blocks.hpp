// The blocks of a document: headings, paragraphs, lists, code. What passages.hpp builds on; use
// that instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace aeon::engine {

enum class DocumentFormat : std::uint8_t { plain, markdown };

enum class BlockKind : std::uint8_t {
  heading,
  paragraph,
  list,  // items, each starting a line
  code,  // fenced code, front matter: lines that belong together
  rows,  // a table: lines that stand alone
};

// A run of whole lines. Blocks are in order, do not overlap, start at a character that is no
// white space or at most kKeptIndent bytes of indentation before it, and leave out nothing but
// white space and the marks of headings.
struct Block {
  BlockKind kind;
  std::uint8_t level = 0;  // of a heading: 1 is the outermost
  // A plain-text heading over indented text ("NAME" in a manual page, a version in a changelog):
  // it ends where a block starts at the margin.
  bool over_indented = false;
  bool indented = false;  // the first line does not start at the margin
  std::size_t begin = 0;
  std::size_t end = 0;  // after the last character that is no white space
};

inline constexpr std::size_t kLongestHeading = 120;  // bytes; a longer line is text
inline constexpr std::size_t kKeptIndent = 16;

// `document` is valid UTF-8. Linear.
[[nodiscard]] std::vector<Block> find_blocks(std::string_view document, DocumentFormat format);

// Whether `line` starts a list item ("- ", "* ", "+ ", "1. ", "2) "), after any indentation.
[[nodiscard]] bool starts_item(std::string_view line) noexcept;

[[nodiscard]] constexpr bool is_space(char c) noexcept {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

}  // namespace aeon::engine
