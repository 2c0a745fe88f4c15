// The terms that metadata, session and kind of a memory are found by. They stand among the words of
// its document (memory_words.hpp), so they are committed, seen, settled and dropped with them; no
// text gives such a term, since they begin with a control character.
//
//   field    [01][length of name u8][name][tag u8][value]
//   session  [02][name]
//   kind     [03][name], unless it is kDefaultKind
//   [01][00]: the metadata has more than kMostFieldTerms terms, and none of them is here
//
// A name of more than kMaxFieldName bytes stands as ff and 16 bytes of hash. So does a value, or
// the name of a session or kind, that would make the term longer than kMaxTermBytes; the tag of
// such a value has bit 7 set. Numbers are 8 bytes that sort as they do, rounded to double; what
// stands for ranges of them are the first 2, 3 and 4 of those bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "engine/text/words.hpp"

namespace aeon::engine {

inline constexpr std::size_t kMaxFieldName = 24;
inline constexpr std::size_t kMostFieldTerms = 512;
// Longer names of sessions and kinds are hashed.
inline constexpr std::size_t kWholeName = kMaxTermBytes - 1;

// Persisted, as they begin the sort order of a field's terms.
enum class FieldTag : std::uint8_t {
  // What kind of value the field has; no value follows.
  is_number = 1,
  is_string = 2,
  is_bool = 3,
  is_array = 4,
  is_other = 5,  // null, or an object
  // The value.
  number_2 = 8,  // so many of its bytes
  number_3 = 9,
  number_4 = 10,
  number = 11,
  string = 12,
  no = 13,
  yes = 14,
  // An element of an array.
  element_number = 16,
  element_string = 17,
  element_no = 18,
  element_yes = 19,
};

// Makes the terms of one field, one after another.
class FieldTerm {
 public:
  explicit FieldTerm(std::string_view name);

  // Each replaces the term before.
  void set(FieldTag tag);
  void set(FieldTag tag, std::string_view value);
  // The value of a number, string or boolean, or of an element of an array; false for others.
  [[nodiscard]] bool set_value(const boost::json::value& value, bool element);
  [[nodiscard]] std::string_view term() const noexcept { return term_; }
  // Whether no other field and value has this term.
  [[nodiscard]] bool exact() const noexcept { return exact_; }

 private:
  std::string term_;
  std::size_t head_ = 0;  // bytes of it that the name takes
  bool exact_name_ = true;
  bool exact_ = true;
};

// The 8 bytes of a number.
[[nodiscard]] std::uint64_t sortable_number(const boost::json::value& number) noexcept;
// Whether whole numbers round to that of `number` that are not equal to it.
[[nodiscard]] bool is_rounded(const boost::json::value& number) noexcept;
[[nodiscard]] std::string big_endian(std::uint64_t bits, std::size_t bytes);

enum class Named : char { session = 2, kind = 3 };
void name_term(Named named, std::string_view name, std::string& term);
[[nodiscard]] std::string_view uncounted_fields_term() noexcept;

// Appends the terms of a JSON object, or of nothing, which must be valid.
void add_field_terms(std::string_view metadata, WordList& list);
void add_session_term(std::string_view session, WordList& list);
void add_kind_term(std::string_view kind, WordList& list);

// How many of its bytes a term is grouped by; 0: it is no term of a field.
[[nodiscard]] std::size_t field_group_bytes(std::string_view term) noexcept;

}  // namespace aeon::engine
