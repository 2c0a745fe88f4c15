#include "api/terminal_text.hpp"

#include <cstdint>

#include <utf8proc.h>

namespace aeon::api {
namespace {

bool is_space(std::int32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 || c == 0x2028 ||
         c == 0x2029;
}

// Format characters order text right to left and hide it; a terminal needs none of them.
bool is_unsafe(std::int32_t c) {
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN: return true;
    default: return false;
  }
}

}  // namespace

std::string terminal_text(std::string_view text, std::size_t columns) {
  std::string out;
  std::size_t used = 0;
  bool blank = false;
  while (!text.empty()) {
    std::int32_t c = 0;
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
    const auto size = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size()), &c);
    const std::size_t length = size > 0 ? static_cast<std::size_t>(size) : 1;
    const std::string_view character = text.substr(0, length);
    text.remove_prefix(length);
    if (size > 0 && is_space(c)) {
      blank = used > 0;
      continue;
    }
    if (size <= 0 || is_unsafe(c)) continue;
    const auto width = static_cast<std::size_t>(utf8proc_charwidth(c));
    if (used + (blank ? 1 : 0) + width > columns) return out += "…";
    if (blank) out += ' ';
    used += (blank ? 1 : 0) + width;
    blank = false;
    out += character;
  }
  return out;
}

}  // namespace aeon::api
