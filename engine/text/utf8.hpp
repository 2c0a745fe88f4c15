// UTF-8 as every text of a palace is held: well-formed, foldable for matching, and cut only
// between characters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace aeon::engine {

inline constexpr std::size_t kValidUtf8 = static_cast<std::size_t>(-1);

// The offset of the first byte that starts no well-formed sequence (overlong forms, surrogates
// and numbers above U+10FFFF are malformed), or kValidUtf8. Linear; thread-safe.
[[nodiscard]] std::size_t find_invalid_utf8(std::string_view text) noexcept;

[[nodiscard]] inline bool is_valid_utf8(std::string_view text) noexcept {
  return find_invalid_utf8(text) == kValidUtf8;
}

// Bytes of the character that starts with `lead`, 1 for a byte that starts none.
[[nodiscard]] constexpr std::size_t utf8_length(char lead) noexcept {
  const auto byte = static_cast<std::uint8_t>(lead);
  return byte < 0xc2 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 1;
}

[[nodiscard]] constexpr bool is_utf8_continuation(char c) noexcept {
  return (static_cast<std::uint8_t>(c) & 0xc0) == 0x80;
}

// The longest prefix of `text` that has at most `max_bytes` bytes and ends between two
// characters. `text` must be valid; then so is the result. Constant time; thread-safe.
[[nodiscard]] std::string_view truncate_utf8(std::string_view text, std::size_t max_bytes) noexcept;

// NFKC case folding (Unicode's NFKC_Casefold: compatibility forms unified, case folded, characters
// without appearance dropped, composed), so that "Straße", "STRASSE" and "ｓｔｒａｓｓｅ" are one.
// Runs of ASCII take a short path that gives the same bytes. What a code point folds to is fixed
// by Unicode once it is assigned; code points without a meaning yet fold to themselves.
//
// Holds scratch that is reused from call to call; not thread-safe, use one per thread.
class CaseFolder {
 public:
  // Replaces `out` with the folded form. Linear, but for the sorting of long runs of combining
  // marks. `text` must be valid and must not alias `out`.
  void fold(std::string_view text, std::string& out);

 private:
  void fold_run(std::string_view run, std::string& out);
  std::vector<std::int32_t> scratch_;
};

}  // namespace aeon::engine
