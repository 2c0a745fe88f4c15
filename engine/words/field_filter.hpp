// Which documents a filter over metadata holds for, told by their terms (field_terms.hpp) without
// reading a memory.
//
// Terms do not tell everything: whether a string contains another, or is less than it, and what a
// hash or a rounded number stands for. So a filter gives two sets, of documents for which it *may*
// hold and, among them, those for which it does (*surely*). A part that is not known is in the
// first and not in the second, and "not" makes each of the other's complement; whoever finds a
// document that is only in the first asks its metadata.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "engine/words/field_terms.hpp"
#include "engine/words/word_source.hpp"
#include "storage/run.hpp"

namespace aeon::engine {

class Filter;
struct FilterNode;

// Documents of one source: bit i is document first + i.
class DocumentBits {
 public:
  void assign(std::uint32_t documents, bool value);
  void set(std::uint32_t i) noexcept { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
  [[nodiscard]] bool test(std::uint32_t i) const noexcept {
    return (words_[i / 64] >> (i % 64) & 1) != 0;
  }
  void reset(std::uint32_t i) noexcept { words_[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
  void keep(const DocumentBits& other) noexcept;  // those that are in both
  void add(const DocumentBits& other) noexcept;
  void remove(const DocumentBits& other) noexcept;
  void complement() noexcept;
  [[nodiscard]] std::uint64_t count() const noexcept;
  // Calls visit(i), ascending.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (std::uint32_t word = 0; word < words_.size(); ++word) {
      for (std::uint64_t bits = words_[word]; bits != 0; bits &= bits - 1) {
        visit(word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits)));
      }
    }
  }

 private:
  std::uint32_t documents_ = 0;
  std::vector<std::uint64_t> words_;
};

struct Verdict {
  DocumentBits may;
  DocumentBits sure;
  // A complement was taken somewhere, so that documents of other tenants may be among those that
  // the sets hold.
  bool any_tenant = false;
};

// Keeps its memory between uses: one object a thread.
class FieldFilter {
 public:
  // The documents of `source` and `tenant` that are of the session and of the kind (their names;
  // empty: any; not kDefaultKind) and for which the filter (null: none) holds. Valid until the next
  // call. `damaged` is set where a place that would tell is bad: those of the session or kind may
  // be missing then, and the filter surely holds for none.
  [[nodiscard]] const Verdict& find(const WordSource& source, std::uint32_t tenant,
                                    const Filter* filter, std::string_view session,
                                    std::string_view kind, bool& damaged);

 private:
  // The next verdict that is free, empty; given back by hand_back(), last first.
  [[nodiscard]] Verdict& take();
  void hand_back() noexcept { --taken_; }

  void keep_named(Named named, std::string_view name, Verdict& out);
  void evaluate(const FilterNode& node, Verdict& out);
  void group(const FilterNode& node, Verdict& out);
  void condition(const FilterNode& node, Verdict& out);
  void exists(const FilterNode& node, Verdict& out);
  void not_equal(FieldTerm& term, const FilterNode& node, Verdict& out);
  void contains(FieldTerm& term, const FilterNode& node, Verdict& out);
  void ordered(FieldTerm& term, const FilterNode& node, Verdict& out);
  void add_value(FieldTerm& term, const boost::json::value& value, bool element, Verdict& out);
  // Adds the documents of numbers whose 8 bytes are within [low, high].
  void add_range(FieldTerm& term, std::uint64_t low, std::uint64_t high, std::size_t level,
                 DocumentBits& out);

  void add_term(std::string_view term, DocumentBits& out) { add_terms(term, term, out); }
  // Of all terms within [from, to], which have one length.
  void add_terms(std::string_view from, std::string_view to, DocumentBits& out);
  void add_tail_terms(std::string_view from, std::string_view to, DocumentBits& out);
  void add_document(std::uint32_t document, DocumentBits& out) const noexcept {
    if (document - source_.first < source_.limit - source_.first) out.set(document - source_.first);
  }

  WordSource source_;
  std::uint32_t tenant_ = 0;
  bool damaged_ = false;
  DocumentBits uncounted_;  // documents whose fields gave too many terms
  bool any_uncounted_ = false;
  std::vector<std::unique_ptr<Verdict>> verdicts_;
  std::size_t taken_ = 0;
  WordTail::Terms tail_terms_;
  storage::RunCursor cursor_;
  std::string name_term_;
  std::string from_key_;
  std::string to_key_;
  UnpackedBlock block_;
};

}  // namespace aeon::engine
