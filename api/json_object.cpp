#include "api/json_object.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "api/time_text.hpp"
#include "engine/text/utf8.hpp"

namespace aeon::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 40;  // room for metadata, which has 32, within a line
constexpr std::string_view kBlanks = " \t\r\n";

// Walks JSON that a real parser has found well-formed, to see where each value begins and ends.
class ValidJson {
 public:
  explicit ValidJson(std::string_view text) : text_(text) { skip_blanks(); }

  [[nodiscard]] bool done() const { return at_ >= text_.size(); }
  // Steps over `c` and the blanks behind it, when it is there.
  bool skip(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    skip_blanks();
    return true;
  }
  std::string_view value() {
    const std::size_t start = at_;
    std::size_t depth = 0;
    do {
      const char c = done() ? '\0' : text_[at_];
      if (c == '"') {
        skip_string();
      } else if (c == '[' || c == '{') {
        ++depth;
        ++at_;
      } else if (c == ']' || c == '}') {
        --depth;
        ++at_;
      } else if (depth > 0) {
        ++at_;
      } else {
        at_ = std::min(text_.find_first_of(" \t\r\n,]}:", at_), text_.size());
      }
    } while (depth > 0 && !done());
    const std::string_view found = text_.substr(start, at_ - start);
    skip_blanks();
    return found;
  }

 private:
  void skip_blanks() { at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size()); }
  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    at_ = std::min(at_ + 1, text_.size());
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

Result<json::value> parse_value(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::system::error_code code;
  json::value value = json::parse(json::string_view(text.data(), text.size()), code, {}, options);
  if (code) {
    return fail(Errc::invalid_json,
                fmt::format("malformed JSON ({}); write one JSON object a line", code.message()));
  }
  return value;
}

std::string string_from_raw(std::string_view raw) {
  const json::value value = json::parse(json::string_view(raw.data(), raw.size()));
  return std::string(value.as_string());
}

Result<float> parse_float(std::string_view text) {
  float value = 0;
  const char* end = text.data() + text.size();
  auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code == std::errc::result_out_of_range) {
    // Too small reads as the nearest float; too large is the caller's mistake.
    value = std::strtof(std::string(text).c_str(), nullptr);
  } else if (code != std::errc{} || stop != end) {
    return fail(Errc::invalid_json, fmt::format("\"{}\" is no number", text.substr(0, 32)));
  }
  if (!std::isfinite(value)) {
    return fail(Errc::not_finite,
                fmt::format("{} is no finite float; leave such vectors out", text.substr(0, 32)));
  }
  return value;
}

}  // namespace

Result<JsonObject> JsonObject::parse(std::string_view text) {
  if (const std::size_t bad = engine::find_invalid_utf8(text); bad != engine::kValidUtf8) {
    return fail(Errc::invalid_utf8,
                fmt::format("byte {} is not UTF-8; convert the text, or send it as base64 in "
                            "\"bytes\"",
                            bad + 1));
  }
  AEON_ASSIGN(json::value value, parse_value(text));
  if (!value.is_object()) {
    return fail(Errc::invalid_json, "the JSON is no object; write {\"text\": ...}");
  }
  JsonObject object;
  ValidJson walk(text);
  walk.skip('{');
  while (!walk.done() && !walk.skip('}')) {
    JsonMember member;
    member.name = string_from_raw(walk.value());
    walk.skip(':');
    member.raw = walk.value();
    walk.skip(',');
    if (object.find(member.name) != nullptr) {
      return fail(Errc::invalid_json,
                  fmt::format("the name \"{}\" is there twice; keep one", member.name));
    }
    member.value = std::move(value.as_object()[member.name]);
    object.members_.push_back(std::move(member));
  }
  return object;
}

const JsonMember* JsonObject::find(std::string_view name) const noexcept {
  for (const JsonMember& member : members_) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

std::unexpected<Error> wrong_type(const JsonMember& member, std::string_view wanted) {
  return fail(Errc::invalid_json, fmt::format("\"{}\" must be {}", member.name, wanted));
}

Result<std::string> string_of(const JsonMember& member) {
  if (!member.value.is_string()) return wrong_type(member, "a string");
  return std::string(member.value.as_string());
}

Result<bool> bool_of(const JsonMember& member) {
  if (!member.value.is_bool()) return wrong_type(member, "true or false");
  return member.value.as_bool();
}

Result<std::uint64_t> unsigned_of(const JsonMember& member) {
  std::uint64_t value = 0;
  const char* end = member.raw.data() + member.raw.size();
  const auto [stop, code] = std::from_chars(member.raw.data(), end, value);
  if (code != std::errc{} || stop != end) {
    return wrong_type(member, "a whole number from 0 to 18446744073709551615");
  }
  return value;
}

Result<float> float_of(const JsonMember& member) {
  if (!member.value.is_number()) return wrong_type(member, "a number");
  return parse_float(member.raw);
}

Result<TimeNs> time_of(const JsonMember& member) {
  if (member.value.is_string()) {
    const json::string& text = member.value.as_string();
    return parse_time({text.data(), text.size()});
  }
  if (!member.value.is_int64()) {
    return wrong_type(member, "an RFC 3339 string or whole nanoseconds since 1970");
  }
  return member.value.as_int64();
}

Result<std::vector<JsonMember>> array_of(const JsonMember& member) {
  if (!member.value.is_array()) return wrong_type(member, "an array");
  std::vector<JsonMember> elements;
  ValidJson walk(member.raw);
  walk.skip('[');
  for (const json::value& value : member.value.as_array()) {
    elements.push_back({member.name, walk.value(), value});
    walk.skip(',');
  }
  return elements;
}

Result<std::vector<float>> floats_of(const JsonMember& member) {
  if (!member.value.is_array()) return wrong_type(member, "an array of numbers");
  std::vector<float> floats;
  floats.reserve(member.value.as_array().size());
  ValidJson walk(member.raw);
  walk.skip('[');
  for (const json::value& value : member.value.as_array()) {
    if (!value.is_number()) return wrong_type(member, "an array of numbers");
    AEON_ASSIGN(const float number, parse_float(walk.value()));
    floats.push_back(number);
    walk.skip(',');
  }
  return floats;
}

Result<JsonObject> object_of(const JsonMember& member) {
  if (!member.value.is_object()) return wrong_type(member, "an object");
  return JsonObject::parse(member.raw);
}

Result<std::vector<float>> parse_floats(std::string_view text) {
  constexpr std::string_view kSeparators = " \t\r\n,";
  const std::size_t first = text.find_first_not_of(kBlanks);
  const std::size_t last = text.find_last_not_of(kBlanks);
  if (first != std::string_view::npos && text[first] == '[' && text[last] == ']') {
    text = text.substr(first + 1, last - first - 1);
  }
  std::vector<float> floats;
  while (true) {
    const std::size_t start = text.find_first_not_of(kSeparators);
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const std::size_t end = std::min(text.find_first_of(kSeparators), text.size());
    AEON_ASSIGN(const float number, parse_float(text.substr(0, end)));
    floats.push_back(number);
    text.remove_prefix(end);
  }
  return floats;
}

}  // namespace aeon::api
