#include "engine/text/utf8.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cassert>

#include "storage/codec.hpp"

namespace aeon::engine {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080ULL;

std::size_t skip_ascii(std::string_view text, std::size_t at) noexcept {
  constexpr std::size_t kBlock = 64;
  for (; at + kBlock <= text.size(); at += kBlock) {
    std::uint64_t any = 0;
    for (std::size_t i = 0; i < kBlock; i += 8) {
      any |= storage::load<std::uint64_t>(text.data() + at + i);
    }
    if ((any & kHighBits) != 0) break;
  }
  while (at + 8 <= text.size() &&
         (storage::load<std::uint64_t>(text.data() + at) & kHighBits) == 0) {
    at += 8;
  }
  while (at < text.size() && static_cast<std::uint8_t>(text[at]) < 0x80) ++at;
  return at;
}

// Bytes of the well-formed multi-byte sequence at the front, or 0. The second byte's range
// depends on the first: that is what rules out overlong forms, surrogates and too large numbers.
std::size_t sequence_length(std::string_view text) noexcept {
  const std::size_t length = utf8_length(text.front());
  if (length == 1 || text.size() < length) return 0;
  const auto lead = static_cast<std::uint8_t>(text[0]);
  const auto second = static_cast<std::uint8_t>(text[1]);
  const std::uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const std::uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (!is_utf8_continuation(text[i])) return 0;
  }
  return length;
}

constexpr auto kFoldOptions = static_cast<utf8proc_option_t>(
    UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) noexcept {
  std::size_t at = skip_ascii(text, 0);
  while (at < text.size()) {
    const std::size_t length = sequence_length(text.substr(at));
    if (length == 0) return at;
    at += length;
    if (at < text.size() && static_cast<std::uint8_t>(text[at]) < 0x80) at = skip_ascii(text, at);
  }
  return kValidUtf8;
}

std::string_view truncate_utf8(std::string_view text, std::size_t max_bytes) noexcept {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && is_utf8_continuation(text[max_bytes])) --max_bytes;
  return text.substr(0, max_bytes);
}

// An ASCII character never combines with what stands before it, but may combine with a mark that
// follows. So text is cut into runs that each start with one ASCII character (if any) before a
// stretch of others; folding the runs one by one equals folding the whole.
void CaseFolder::fold(std::string_view text, std::string& out) {
  out.clear();
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t other = skip_ascii(text, at);
    const std::size_t plain_end = other == text.size() || other == at ? other : other - 1;
    for (; at < plain_end; ++at) {
      const char c = text[at];
      out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
    }
    std::size_t run_end = other;
    while (run_end < text.size() && static_cast<std::uint8_t>(text[run_end]) >= 0x80) ++run_end;
    if (run_end > at) fold_run(text.substr(at, run_end - at), out);
    at = run_end;
  }
}

void CaseFolder::fold_run(std::string_view run, std::string& out) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(run.data());
  const auto size = static_cast<utf8proc_ssize_t>(run.size());
  // One entry more than the code points: utf8proc ends its result with a zero byte.
  scratch_.resize(std::max(scratch_.size(), run.size() + 1));
  auto count = utf8proc_decompose(bytes, size, scratch_.data(),
                                  static_cast<utf8proc_ssize_t>(scratch_.size() - 1), kFoldOptions);
  if (count >= static_cast<utf8proc_ssize_t>(scratch_.size())) {
    scratch_.resize(static_cast<std::size_t>(count) + 1);
    count = utf8proc_decompose(bytes, size, scratch_.data(), count, kFoldOptions);
  }
  assert(count >= 0 && "CaseFolder::fold takes valid UTF-8");
  if (count < 0) return;
  const auto written = utf8proc_reencode(scratch_.data(), count, kFoldOptions);
  if (written > 0) {
    out.append(reinterpret_cast<const char*>(scratch_.data()), static_cast<std::size_t>(written));
  }
}

}  // namespace aeon::engine
