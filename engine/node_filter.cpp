#include "engine/node_filter.hpp"

#include <algorithm>

#include "engine/filter.hpp"
#include "engine/search.hpp"
#include "engine/words/field_terms.hpp"
#include "engine/words/word_source.hpp"

namespace aeon::engine {

bool NodeFilter::can_tell(const RowRestriction& restriction) {
  if (!restriction.session.empty()) return true;
  if (!restriction.kind.empty() && restriction.kind != kDefaultKind) return true;
  return restriction.filter != nullptr && !restriction.filter->matches({});
}

void NodeFilter::find(const Reading& reading, const RowRestriction& restriction) {
  reading_ = &reading;
  restriction_ = restriction;
  may_.clear();
  sure_.clear();
  count_ = 0;
  damaged_ = false;
  for (const auto& segment : reading.view.segments()) {
    if (const auto source = source_of(*segment, reading.commit, damaged_)) find_in(*source);
  }
  for (const auto& tail : reading.view.tails()) {
    if (const auto source = source_of(*tail, reading.commit)) find_in(*source);
  }
}

void NodeFilter::add(std::uint32_t node, bool sure) {
  const std::size_t word = node / 64;
  if (word >= may_.size()) {
    may_.resize(word + 1);
    sure_.resize(word + 1);
  }
  const std::uint64_t bit = std::uint64_t{1} << (node % 64);
  count_ += (may_[word] & bit) == 0 ? 1 : 0;
  may_[word] |= bit;
  if (sure) sure_[word] |= bit;
}

bool NodeFilter::fits(const Document& document) const noexcept {
  return document.tenant == restriction_.tenant &&
         (restriction_.session_number == 0 || document.session == restriction_.session_number) &&
         (restriction_.kind_number == 0 || document.kind == restriction_.kind_number) &&
         document.time >= restriction_.since &&
         (document.time < restriction_.until || restriction_.until == kEndOfTime);
}

void NodeFilter::find_in(const WordSource& source) {
  const std::string_view kind =
      restriction_.kind == kDefaultKind ? std::string_view{} : restriction_.kind;
  const Verdict& verdict = fields_.find(source, restriction_.tenant, restriction_.filter,
                                        restriction_.session, kind, damaged_);
  const bool look = verdict.any_tenant || restriction_.session.size() > kWholeName ||
                    (restriction_.kind_number != 0 && (kind.empty() || kind.size() > kWholeName)) ||
                    restriction_.since != kBeginningOfTime || restriction_.until != kEndOfTime;
  const auto fits_at = [&](std::uint32_t i) {
    if (!look) return true;
    const Document* document = source.find(source.first + i, damaged_);
    return document != nullptr && fits(*document);
  };
  if (source.tail != nullptr) {
    const WordTail& words = source.tail->words();
    verdict.may.for_each([&](std::uint32_t i) {
      if (!fits_at(i)) return;
      for (const RowName& row : words.rows_of(i)) {
        if (row.space == restriction_.space) add(row.node, verdict.sure.test(i));
      }
    });
    return;
  }
  const auto rows = source.segment->words().rows(restriction_.space, damaged_);
  const auto take = [&](const DocumentRow& row) {
    const std::uint32_t i = row.document - source.first;
    if (i >= source.limit - source.first || !verdict.may.test(i) || !fits_at(i)) return;
    add(row.node, verdict.sure.test(i));
  };
  // Many documents: all rows in one sweep. Few: a search for each, from the one before.
  constexpr std::uint64_t kSweptToSought = 16;
  if (verdict.may.count() * kSweptToSought > rows.size()) {
    for (const DocumentRow& row : rows) take(row);
    return;
  }
  auto at = rows.begin();
  verdict.may.for_each([&](std::uint32_t i) {
    at = std::ranges::lower_bound(at, rows.end(), source.first + i, {}, &DocumentRow::document);
    for (; at != rows.end() && at->document == source.first + i; ++at) take(*at);
  });
}

Result<bool> NodeFilter::matches(std::uint32_t node, MemoryId id) {
  if (restriction_.filter == nullptr || test(sure_, node)) return true;
  const Result<bool> visible = reading_->try_version(id, version_);
  if (!visible && visible.error().code == Errc::damaged) {
    damaged_ = true;  // what it says is not known; the rest answers
    return false;
  }
  if (!visible) return std::unexpected(visible.error());
  return *visible && restriction_.filter->matches(version_.record.metadata);
}

NodeFilter* find_nodes(const Reading& reading, const VectorSearch& search) {
  const RowRestriction restriction{.space = search.space->number,
                                   .tenant = search.tenant,
                                   .filter = search.filter,
                                   .session = search.session_name,
                                   .kind = search.kind_name,
                                   .session_number = search.session,
                                   .kind_number = search.kind,
                                   .since = search.since,
                                   .until = search.until};
  if (!NodeFilter::can_tell(restriction)) return nullptr;
  thread_local NodeFilter nodes;
  nodes.find(reading, restriction);
  return &nodes;
}

}  // namespace aeon::engine
