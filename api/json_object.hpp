// A line of JSON taken apart. Every member keeps its exact text beside its value, so that metadata
// is stored byte for byte as it came and floats are read once, straight to float.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.hpp"
#include "storage/result.hpp"

namespace aeon::api {

struct JsonMember {
  std::string name;
  std::string_view raw;  // the value's text, without white space around it
  boost::json::value value;
};

class JsonObject {
 public:
  // Reads one JSON object; nothing but white space may follow. The members' raw texts point into
  // `text`, which must outlive the object. Errors: invalid_utf8; invalid_json (malformed, no
  // object, a name twice, nested deeper than 32).
  [[nodiscard]] static Result<JsonObject> parse(std::string_view text);
  [[nodiscard]] const std::vector<JsonMember>& members() const noexcept { return members_; }
  [[nodiscard]] const JsonMember* find(std::string_view name) const noexcept;

 private:
  std::vector<JsonMember> members_;
};

// The value of a member as the type that the caller needs. Errors: invalid_json (another type),
// naming the member, and those of the value itself.
[[nodiscard]] Result<std::string> string_of(const JsonMember& member);
[[nodiscard]] Result<bool> bool_of(const JsonMember& member);
[[nodiscard]] Result<std::uint64_t> unsigned_of(const JsonMember& member);
[[nodiscard]] Result<float> float_of(const JsonMember& member);  // also not_finite
// RFC 3339 or whole nanoseconds. Also invalid_argument.
[[nodiscard]] Result<TimeNs> time_of(const JsonMember& member);
// Also not_finite, for a number beyond float.
[[nodiscard]] Result<std::vector<float>> floats_of(const JsonMember& member);
// A member of another type than the reader takes.
[[nodiscard]] std::unexpected<Error> wrong_type(const JsonMember& member, std::string_view wanted);

// The members of an object that is itself a value; raw texts point into `member.raw`.
[[nodiscard]] Result<JsonObject> object_of(const JsonMember& member);
// The elements of an array, each under the array's name.
[[nodiscard]] Result<std::vector<JsonMember>> array_of(const JsonMember& member);

// "[1, 2.5]" or numbers apart by blanks, commas or line ends. Errors: invalid_json, not_finite.
[[nodiscard]] Result<std::vector<float>> parse_floats(std::string_view text);

}  // namespace aeon::api
