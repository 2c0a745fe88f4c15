#include "api/json_line.hpp"

#include <cmath>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace aeon::api {
namespace {

template <typename Number>
std::string number_text(Number value) {
  return std::isfinite(value) ? fmt::format("{}", value) : std::string("null");
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

JsonLine& JsonLine::add(std::string_view name, std::string_view text) {
  std::string quoted;
  append_json_string(quoted, text);
  return add_raw(name, quoted);
}

JsonLine& JsonLine::add(std::string_view name, bool value) {
  return add_raw(name, value ? "true" : "false");
}

JsonLine& JsonLine::add(std::string_view name, float value) {
  return add_raw(name, number_text(value));
}

JsonLine& JsonLine::add(std::string_view name, double value) {
  return add_raw(name, number_text(value));
}

JsonLine& JsonLine::add(std::string_view name, std::span<const float> values) {
  std::string array = "[";
  for (const float value : values) {
    if (array.size() > 1) array += ',';
    array += number_text(value);
  }
  return add_raw(name, array + ']');
}

JsonLine& JsonLine::add_raw(std::string_view name, std::string_view json) {
  if (text_.size() > 1) text_ += ',';
  append_json_string(text_, name);
  text_ += ':';
  text_ += json;
  return *this;
}

std::string JsonLine::finish() && {
  text_ += '}';
  return std::move(text_);
}

std::string json_array(std::span<const std::string> values) {
  return fmt::format("[{}]", fmt::join(values, ","));
}

}  // namespace aeon::api
