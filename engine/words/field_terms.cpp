#include "engine/words/field_terms.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>

#include "engine/model.hpp"
#include "storage/checksum.hpp"
#include "storage/codec.hpp"

namespace aeon::engine {

namespace {

namespace json = boost::json;

constexpr char kField = 1;
constexpr char kHashed = static_cast<char>(0xff);
constexpr std::uint8_t kHashedValue = 0x80;
constexpr std::size_t kHashBytes = 16;
constexpr std::string_view kUncounted("\x01\x00", 2);

void append_hash(std::string& out, std::string_view text) {
  const auto hash = storage::hash128(storage::as_bytes(text), 0);
  out.append(big_endian(hash.high, 8)).append(big_endian(hash.low, 8));
}

void add(std::string_view term, WordList& list) {
  list.words.push_back({static_cast<std::uint32_t>(list.bytes.size()),
                        static_cast<std::uint8_t>(term.size()), false, false});
  list.bytes.append(term);
}

FieldTag kind_of(const json::value& value) noexcept {
  if (value.is_number()) return FieldTag::is_number;
  if (value.is_string()) return FieldTag::is_string;
  if (value.is_bool()) return FieldTag::is_bool;
  return value.is_array() ? FieldTag::is_array : FieldTag::is_other;
}

// Adds terms until there are too many.
class FieldTermList {
 public:
  explicit FieldTermList(WordList& list)
      : list_(list), words_before_(list.words.size()), bytes_before_(list.bytes.size()) {}

  void add_field(std::string_view name, const json::value& value) {
    FieldTerm term(name);
    term.set(kind_of(value));
    take(term);
    if (value.is_number()) {
      const std::uint64_t bits = sortable_number(value);
      term.set(FieldTag::number_2, big_endian(bits, 2));
      take(term);
      term.set(FieldTag::number_3, big_endian(bits, 3));
      take(term);
      term.set(FieldTag::number_4, big_endian(bits, 4));
      take(term);
    }
    if (term.set_value(value, false)) take(term);
    if (!value.is_array()) return;
    for (const json::value& element : value.get_array()) {
      if (full()) return;
      if (term.set_value(element, true)) take(term);
    }
  }
  [[nodiscard]] bool full() const { return list_.words.size() - words_before_ > kMostFieldTerms; }
  void finish() {
    if (!full()) return;
    list_.words.resize(words_before_);
    list_.bytes.resize(bytes_before_);
    add(kUncounted, list_);
  }

 private:
  void take(const FieldTerm& term) { add(term.term(), list_); }

  WordList& list_;
  const std::size_t words_before_;
  const std::size_t bytes_before_;
};

}  // namespace

std::string big_endian(std::uint64_t bits, std::size_t bytes) {
  std::string out(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>(bits >> (56 - 8 * i));
  return out;
}

std::uint64_t sortable_number(const json::value& number) noexcept {
  double value = 0;
  if (number.is_double()) value = number.get_double();
  if (number.is_int64()) value = static_cast<double>(number.get_int64());
  if (number.is_uint64()) value = static_cast<double>(number.get_uint64());
  if (value == 0) value = 0;  // there is one zero
  const auto bits = std::bit_cast<std::uint64_t>(value);
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

bool is_rounded(const json::value& number) noexcept {
  constexpr double kWhole = 0x1p53;
  double value = 0;
  if (number.is_double()) value = number.get_double();
  if (number.is_int64()) value = static_cast<double>(number.get_int64());
  if (number.is_uint64()) value = static_cast<double>(number.get_uint64());
  return std::abs(value) >= kWhole;
}

FieldTerm::FieldTerm(std::string_view name) {
  term_.push_back(kField);
  exact_name_ = name.size() <= kMaxFieldName;
  if (exact_name_) {
    term_.push_back(static_cast<char>(name.size()));
    term_.append(name);
  } else {
    term_.push_back(kHashed);
    append_hash(term_, name);
  }
  head_ = term_.size();
}

void FieldTerm::set(FieldTag tag) { set(tag, {}); }

void FieldTerm::set(FieldTag tag, std::string_view value) {
  term_.resize(head_);
  exact_ = exact_name_;
  if (head_ + 1 + value.size() <= kMaxTermBytes) {
    term_.push_back(static_cast<char>(tag));
    term_.append(value);
    return;
  }
  exact_ = false;
  term_.push_back(static_cast<char>(static_cast<std::uint8_t>(tag) | kHashedValue));
  append_hash(term_, value);
}

bool FieldTerm::set_value(const json::value& value, bool element) {
  if (value.is_number()) {
    set(element ? FieldTag::element_number : FieldTag::number,
        big_endian(sortable_number(value), 8));
    exact_ = exact_ && !is_rounded(value);
  } else if (value.is_string()) {
    const json::string& text = value.get_string();
    set(element ? FieldTag::element_string : FieldTag::string, {text.data(), text.size()});
  } else if (value.is_bool()) {
    if (element) {
      set(value.get_bool() ? FieldTag::element_yes : FieldTag::element_no);
    } else {
      set(value.get_bool() ? FieldTag::yes : FieldTag::no);
    }
  } else {
    return false;
  }
  return true;
}

void name_term(Named named, std::string_view name, std::string& term) {
  term.assign(1, static_cast<char>(named));
  if (name.size() <= kWholeName) {
    term.append(name);
    return;
  }
  term.push_back(kHashed);
  append_hash(term, name);
}

std::string_view uncounted_fields_term() noexcept { return kUncounted; }

void add_field_terms(std::string_view metadata, WordList& list) {
  if (metadata.empty()) return;
  boost::system::error_code error;
  json::monotonic_resource memory;
  const json::value value = json::parse(metadata, error, &memory);
  if (error || !value.is_object()) return;
  FieldTermList terms(list);
  for (const auto& [name, field] : value.get_object()) {
    if (terms.full()) break;
    terms.add_field({name.data(), name.size()}, field);
  }
  terms.finish();
}

void add_session_term(std::string_view session, WordList& list) {
  if (session.empty()) return;
  std::string term;
  name_term(Named::session, session, term);
  add(term, list);
}

void add_kind_term(std::string_view kind, WordList& list) {
  if (kind == kDefaultKind) return;
  std::string term;
  name_term(Named::kind, kind, term);
  add(term, list);
}

std::size_t field_group_bytes(std::string_view term) noexcept {
  if (term.size() < 2 || term.front() != kField) return 0;
  const std::size_t name = term[1] == kHashed
                               ? kHashBytes
                               : static_cast<std::size_t>(static_cast<unsigned char>(term[1]));
  const std::size_t head = 2 + name + 1;
  if (term.size() < head) return term.size();
  // Of unique values there may be many; a number's first bytes tell little.
  const auto tag = static_cast<FieldTag>(term[head - 1]);
  const bool number = tag == FieldTag::number || tag == FieldTag::element_number;
  return std::min(term.size(), head + (number ? 4 : 2));
}

}  // namespace aeon::engine
