#include "engine/words/memory_words.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <span>

#include <boost/json/parse.hpp>

#include "engine/words/document.hpp"
#include "engine/words/field_terms.hpp"

namespace aeon::engine {

namespace {

constexpr std::array<std::string_view, 2> kFields = {"title", "speaker"};

// As English stemming leaves them, and as they are.
struct Month {
  std::string_view stem;
  std::string_view name;
};
constexpr std::array<Month, 12> kMonths = {{{"januari", "january"},
                                            {"februari", "february"},
                                            {"march", "march"},
                                            {"april", "april"},
                                            {"may", "may"},
                                            {"june", "june"},
                                            {"juli", "july"},
                                            {"august", "august"},
                                            {"septemb", "september"},
                                            {"octob", "october"},
                                            {"novemb", "november"},
                                            {"decemb", "december"}}};

WordAnalyzer& analyzer() {
  thread_local WordAnalyzer instance;
  return instance;
}

void find_fields(std::string_view metadata, Language language, WordList& list) {
  const auto named = [metadata](std::string_view field) {
    return metadata.find(field) != std::string_view::npos;
  };
  if (std::ranges::none_of(kFields, named)) return;
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(metadata, error);
  if (error || !value.is_object()) return;
  for (const std::string_view field : kFields) {
    const boost::json::value* const found = value.as_object().if_contains(field);
    if (found == nullptr || !found->is_string()) continue;
    const boost::json::string& text = found->as_string();
    if (!is_valid_utf8({text.data(), text.size()})) continue;
    analyzer().analyse({text.data(), text.size()}, language, list);
  }
}

// Sorts the terms and counts them.
void count_terms(MemoryWords& out) {
  auto& terms = out.terms;
  terms.clear();
  out.length = 0;
  for (const WordList::Word& word : out.list.words) {
    terms.push_back({word.begin, word.length, 1});
    out.length += word.whole ? 1 : 0;
  }
  const auto text_of = [&out](const MemoryWords::Term& term) { return out.term(term); };
  std::ranges::sort(terms, {}, text_of);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (kept > 0 && text_of(terms[kept - 1]) == text_of(terms[i])) {
      if (terms[kept - 1].times < kMaxCount) ++terms[kept - 1].times;
    } else {
      terms[kept++] = terms[i];
    }
  }
  terms.resize(kept);
}

// The numbers and the name of a day.
struct DateTerms {
  std::array<char, 12> digits{};
  std::array<std::string_view, 3> terms;

  DateTerms(std::int64_t time, Language language) {
    using namespace std::chrono;
    const year_month_day date(floor<days>(sys_time<nanoseconds>(nanoseconds(time))));
    char* const middle = digits.data() + 4;
    const auto day = std::to_chars(digits.data(), middle, static_cast<unsigned>(date.day()));
    const auto year = std::to_chars(middle, digits.data() + digits.size(), int{date.year()});
    const Month& month = kMonths[static_cast<unsigned>(date.month()) - 1];
    terms = {std::string_view(digits.data(), day.ptr), std::string_view(middle, year.ptr),
             language == Language::english ? month.stem : month.name};
    std::ranges::sort(terms);
  }
};

void encode_term(storage::Encoder& encoder, std::string_view term, std::uint8_t times) {
  encoder.bytes(term);
  encoder.fixed(times);
}

}  // namespace

void find_words(const IndexedText& memory, MemoryWords& out) {
  out.language = memory.language;
  out.list.clear();
  analyzer().analyse(memory.text, memory.language, out.list);
  find_fields(memory.metadata, memory.language, out.list);
  if (memory.analyzer >= kFirstFieldAnalyzer) {
    add_field_terms(memory.metadata, out.list);
    add_session_term(memory.session, out.list);
    add_kind_term(memory.kind, out.list);
  }
  count_terms(out);
}

void add_session(MemoryWords& words, std::string_view session) {
  add_session_term(session, words.list);
  count_terms(words);
}

void encode_words(std::string& out, const MemoryWords& words, std::int64_t event_time) {
  const DateTerms date(event_time, words.language);
  const auto text_of = [&words](const MemoryWords::Term& term) { return words.term(term); };
  const std::span<const std::string_view> dates(date.terms.data(), words.length == 0 ? 0 : 3);
  std::size_t added = 0;
  for (const std::string_view term : dates) {
    if (!std::ranges::binary_search(words.terms, term, {}, text_of)) ++added;
  }
  storage::Encoder encoder(out);
  encoder.varint(words.terms.size() + added);
  std::size_t next = 0;  // of the date's terms
  for (const MemoryWords::Term& term : words.terms) {
    const std::string_view text = text_of(term);
    for (; next < dates.size() && dates[next] < text; ++next) {
      encode_term(encoder, dates[next], 1);
    }
    std::uint8_t times = term.times;
    if (next < dates.size() && dates[next] == text) {
      if (times < kMaxCount) ++times;
      ++next;
    }
    encode_term(encoder, text, times);
  }
  for (; next < dates.size(); ++next) encode_term(encoder, dates[next], 1);
}

}  // namespace aeon::engine
