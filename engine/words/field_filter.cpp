#include "engine/words/field_filter.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "engine/filter.hpp"
#include "engine/filter_node.hpp"

namespace aeon::engine {

namespace json = boost::json;

void DocumentBits::assign(std::uint32_t documents, bool value) {
  documents_ = documents;
  words_.assign((std::size_t{documents} + 63) / 64, 0);
  if (value) complement();
}

void DocumentBits::keep(const DocumentBits& other) noexcept {
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
}
void DocumentBits::add(const DocumentBits& other) noexcept {
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}
void DocumentBits::remove(const DocumentBits& other) noexcept {
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
}

// Bits behind the last document stay clear.
void DocumentBits::complement() noexcept {
  for (std::uint64_t& word : words_) word = ~word;
  if (documents_ % 64 != 0) words_.back() &= (std::uint64_t{1} << (documents_ % 64)) - 1;
}

std::uint64_t DocumentBits::count() const noexcept {
  std::uint64_t count = 0;
  for (const std::uint64_t word : words_) count += static_cast<std::uint64_t>(std::popcount(word));
  return count;
}

const Verdict& FieldFilter::find(const WordSource& source, std::uint32_t tenant,
                                 const Filter* filter, std::string_view session,
                                 std::string_view kind, bool& damaged) {
  source_ = source;
  tenant_ = tenant;
  damaged_ = false;
  taken_ = 0;
  uncounted_.assign(source.limit - source.first, false);
  add_term(uncounted_fields_term(), uncounted_);
  any_uncounted_ = uncounted_.count() != 0;
  Verdict& all = take();
  if (filter != nullptr) {
    evaluate(filter->root(), all);
    // A list that could not be read lacks documents, and a complement makes members of them: then
    // every memory is asked.
    if (damaged_) {
      all.may.assign(source.limit - source.first, true);
      all.sure.assign(source.limit - source.first, false);
      all.any_tenant = true;
    }
  } else {
    all.may.assign(source.limit - source.first, true);
    all.sure.assign(source.limit - source.first, true);
    all.any_tenant = true;
  }
  if (!session.empty()) keep_named(Named::session, session, all);
  if (!kind.empty()) keep_named(Named::kind, kind, all);
  damaged = damaged || damaged_;
  return all;
}

void FieldFilter::keep_named(Named named, std::string_view name, Verdict& out) {
  Verdict& those = take();
  name_term(named, name, name_term_);
  add_term(name_term_, those.may);
  out.may.keep(those.may);
  out.sure.keep(those.may);
  out.any_tenant = false;
  hand_back();
}

Verdict& FieldFilter::take() {
  if (taken_ == verdicts_.size()) verdicts_.push_back(std::make_unique<Verdict>());
  Verdict& verdict = *verdicts_[taken_++];
  const std::uint32_t documents = source_.limit - source_.first;
  verdict.may.assign(documents, false);
  verdict.sure.assign(documents, false);
  verdict.any_tenant = false;
  return verdict;
}

void FieldFilter::evaluate(const FilterNode& node, Verdict& out) {
  switch (node.op) {
    case FilterOperator::all:
    case FilterOperator::any: return group(node, out);
    case FilterOperator::none: {
      evaluate(*node.children.front(), out);
      std::swap(out.may, out.sure);
      out.may.complement();
      out.sure.complement();
      out.any_tenant = true;
      return;
    }
    default: break;
  }
  condition(node, out);
  if (!any_uncounted_) return;
  out.may.add(uncounted_);
  out.sure.remove(uncounted_);
}

void FieldFilter::group(const FilterNode& node, Verdict& out) {
  const bool all = node.op == FilterOperator::all;
  if (all) {
    out.may.complement();
    out.sure.complement();
    out.any_tenant = true;
  }
  for (const auto& child : node.children) {
    Verdict& verdict = take();
    evaluate(*child, verdict);
    if (all) {
      out.may.keep(verdict.may);
      out.sure.keep(verdict.sure);
      out.any_tenant = out.any_tenant && verdict.any_tenant;
    } else {
      out.may.add(verdict.may);
      out.sure.add(verdict.sure);
      out.any_tenant = out.any_tenant || verdict.any_tenant;
    }
    hand_back();
  }
}

void FieldFilter::condition(const FilterNode& node, Verdict& out) {
  FieldTerm term(node.field);
  switch (node.op) {
    case FilterOperator::exists: return exists(node, out);
    case FilterOperator::equal: return add_value(term, node.operand, false, out);
    case FilterOperator::in:
      for (const json::value& wanted : node.operand.get_array()) {
        add_value(term, wanted, false, out);
      }
      return;
    case FilterOperator::not_equal: return not_equal(term, node, out);
    case FilterOperator::contains: return contains(term, node, out);
    default: return ordered(term, node, out);
  }
}

void FieldFilter::exists(const FilterNode& node, Verdict& out) {
  FieldTerm term(node.field);
  for (const FieldTag tag : {FieldTag::is_number, FieldTag::is_string, FieldTag::is_bool,
                             FieldTag::is_array, FieldTag::is_other}) {
    term.set(tag);
    add_term(term.term(), out.may);
  }
  if (term.exact()) out.sure.add(out.may);
  if (node.operand.get_bool()) return;
  std::swap(out.may, out.sure);
  out.may.complement();
  out.sure.complement();
  out.any_tenant = true;
}

void FieldFilter::add_value(FieldTerm& term, const json::value& value, bool element, Verdict& out) {
  if (!term.set_value(value, element)) return;
  if (!term.exact()) return add_term(term.term(), out.may);
  Verdict& found = take();
  add_term(term.term(), found.may);
  out.may.add(found.may);
  out.sure.add(found.may);
  hand_back();
}

namespace {
FieldTag kind_of(const json::value& value) noexcept {
  if (value.is_number()) return FieldTag::is_number;
  return value.is_string() ? FieldTag::is_string : FieldTag::is_bool;
}
}  // namespace

// Of the operand's type, and not equal.
void FieldFilter::not_equal(FieldTerm& term, const FilterNode& node, Verdict& out) {
  term.set(kind_of(node.operand));
  add_term(term.term(), out.may);
  if (term.exact()) out.sure.add(out.may);
  Verdict& same = take();
  add_value(term, node.operand, false, same);
  out.may.remove(same.sure);
  out.sure.remove(same.may);
  hand_back();
}

// An array with the value, or a string with that string inside, which its terms do not tell.
void FieldFilter::contains(FieldTerm& term, const FilterNode& node, Verdict& out) {
  add_value(term, node.operand, true, out);
  if (!node.operand.is_string()) return;
  term.set(FieldTag::is_string);
  add_term(term.term(), out.may);
}

void FieldFilter::ordered(FieldTerm& term, const FilterNode& node, Verdict& out) {
  if (!node.operand.is_number()) {
    term.set(kind_of(node.operand));
    return add_term(term.term(), out.may);
  }
  const std::uint64_t bits = sortable_number(node.operand);
  const bool above = node.op == FilterOperator::greater || node.op == FilterOperator::greater_equal;
  const bool with =
      node.op == FilterOperator::less_equal || node.op == FilterOperator::greater_equal;
  // Of numbers that round to the same as the operand it can't be told on which side they are.
  term.set(FieldTag::number);
  const bool rounded = is_rounded(node.operand);
  const bool sure_with = with && !rounded;
  if (above && (sure_with || bits != UINT64_MAX)) {
    add_range(term, sure_with ? bits : bits + 1, UINT64_MAX, 0, out.may);
  } else if (!above && (sure_with || bits != 0)) {
    add_range(term, 0, sure_with ? bits : bits - 1, 0, out.may);
  }
  term.set(FieldTag::is_number);
  if (term.exact()) out.sure.add(out.may);
  if (!rounded) return;
  term.set(FieldTag::number, big_endian(bits, 8));
  add_term(term.term(), out.may);
}

// As few terms as will do: those of two bytes for what they cover wholly, longer ones at both ends.
void FieldFilter::add_range(FieldTerm& term, std::uint64_t low, std::uint64_t high,
                            std::size_t level, DocumentBits& out) {
  struct Level {
    FieldTag tag;
    unsigned bytes;
  };
  static constexpr std::array kLevels = {Level{FieldTag::number_2, 2}, Level{FieldTag::number_3, 3},
                                         Level{FieldTag::number_4, 4}, Level{FieldTag::number, 8}};
  if (low > high) return;
  const auto [tag, bytes] = kLevels[level];
  const unsigned shift = 64 - 8 * bytes;
  const std::uint64_t rest = shift == 0 ? 0 : (std::uint64_t{1} << shift) - 1;
  // The first and the last prefix all of whose numbers are within.
  std::uint64_t first = low >> shift;
  std::uint64_t last = high >> shift;
  bool any = true;
  if ((low & rest) != 0) any = first++ != UINT64_MAX >> shift;
  if ((high & rest) != rest) any = last-- != 0 && any;
  if (!any || first > last) {
    if (level + 1 < kLevels.size()) add_range(term, low, high, level + 1, out);
    return;
  }
  term.set(tag, big_endian(first << shift, bytes));
  const std::string from(term.term());
  term.set(tag, big_endian(last << shift, bytes));
  add_terms(from, term.term(), out);
  if (level + 1 == kLevels.size()) return;
  if (low < first << shift) add_range(term, low, (first << shift) - 1, level + 1, out);
  const std::uint64_t end = (last << shift) | rest;
  if (end < high) add_range(term, end + 1, high, level + 1, out);
}

void FieldFilter::add_terms(std::string_view from, std::string_view to, DocumentBits& out) {
  if (source_.tail != nullptr) return add_tail_terms(from, to, out);
  term_key(from_key_, tenant_, from);
  term_key(to_key_, tenant_, to);
  cursor_.reset(source_.segment->run());
  for (cursor_.seek(from_key_); cursor_.valid(); cursor_.next()) {
    const auto parts = split_term_key(cursor_.key());
    if (!parts || parts->list > to_key_) {
      // Another table, or a key that does not decode.
      damaged_ = damaged_ || (!parts && is_term_key(cursor_.key()));
      break;
    }
    const auto list = PostingList::open(cursor_.value());
    if (!list) {
      damaged_ = true;
      continue;
    }
    for (std::uint32_t i = 0; i < list->blocks(); ++i) {
      if (!list->unpack(i, block_)) {
        damaged_ = true;
        continue;
      }
      for (std::uint32_t at = 0; at < block_.size; ++at) add_document(block_.documents[at], out);
    }
  }
  damaged_ = damaged_ || !cursor_.status();
}

void FieldFilter::add_tail_terms(std::string_view from, std::string_view to, DocumentBits& out) {
  const WordTail& words = source_.tail->words();
  const auto add = [&](const PostingChain& chain) {
    chain.for_each([&](const Posting& posting) { add_document(posting.document, out); });
  };
  if (from == to) {
    if (const PostingChain* chain = words.find(tenant_, from)) add(*chain);
    return;
  }
  tail_terms_.reset(words);
  for (tail_terms_.seek(tenant_, from); tail_terms_.valid(); tail_terms_.next()) {
    const std::string_view key = tail_terms_.key();
    if (storage::KeyDecoder(key).u32() != tenant_ || key.substr(4) > to) break;
    add(tail_terms_.chain());
  }
}

}  // namespace aeon::engine
