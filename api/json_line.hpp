// Writes one JSON object as one line. Floats are written as the shortest text that reads back to
// the same bits, which is why this does not go through a JSON library's own number printing.
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <string_view>

namespace aeon::api {

// Appends `text` quoted and escaped. `text` must be valid UTF-8; control characters are escaped,
// so the result holds no line break.
void append_json_string(std::string& out, std::string_view text);

class JsonLine {
 public:
  JsonLine& add(std::string_view name, std::string_view text);
  JsonLine& add(std::string_view name, const char* text) {
    return add(name, std::string_view(text));
  }
  JsonLine& add(std::string_view name, bool value);
  JsonLine& add(std::string_view name, float value);   // null when not finite
  JsonLine& add(std::string_view name, double value);  // null when not finite
  JsonLine& add(std::string_view name, std::integral auto value)
    requires(!std::same_as<decltype(value), bool>)
  {
    return add_raw(name, std::to_string(value));
  }
  JsonLine& add(std::string_view name, std::span<const float> values);
  // `json` must be one JSON value without a line break.
  JsonLine& add_raw(std::string_view name, std::string_view json);

  // The object, without a line end. The line may not be added to afterwards.
  [[nodiscard]] std::string finish() &&;

 private:
  std::string text_ = "{";
};

// "[a,b]" of values that are JSON already.
[[nodiscard]] std::string json_array(std::span<const std::string> values);

}  // namespace aeon::api
