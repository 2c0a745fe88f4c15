#include "engine/words/word_terms.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "engine/words/document.hpp"

namespace aeon::engine {

// Room for a usual search, so that a warm thread seldom meets one that needs more.
WordTerms::WordTerms() {
  constexpr std::size_t kUsual = 64;
  sources_.reserve(kUsual);
  terms_.reserve(kUsual);
  bytes_.reserve(kUsual * kUsual);
  cursors_.resize(kUsual);
  opened_.reserve(kUsual * kUsual);
  clause_documents_.reserve(kUsual);
  demand_of_clause_.reserve(kUsual);
  expansions_.reserve(kUsual * kUsual);
  expansion_bytes_.reserve(kUsual * kUsual * kMaxTermBytes);
}

DocumentEnds::DocumentEnds() {
  tails_.reserve(64);
  segments_.reserve(64);
}

void DocumentEnds::find(const Reading& reading) {
  commit_ = reading.commit;
  tails_.clear();
  segments_.clear();
  for (const auto& tail : reading.view.tails()) {
    const SpaceTail* space = tail->space(kDocumentSpace);
    if (space != nullptr && space->has_ends()) tails_.push_back(space);
  }
  for (const auto& segment : reading.view.segments()) {
    if (segment->has_ends() && segment->nodes(kDocumentSpace) != nullptr) {
      segments_.push_back(segment.get());
    }
  }
}

bool DocumentEnds::ended(std::uint32_t document, bool& damaged) const noexcept {
  for (const SpaceTail* tail : tails_) {
    const std::uint64_t at = tail->ended_at(document);
    if (at != 0) return at <= commit_;
  }
  for (const SegmentView* segment : segments_) {
    bool unknown = false;
    const std::uint64_t at = segment->ended_at(kDocumentSpace, document, unknown);
    damaged = damaged || unknown;
    if (unknown) return true;
    if (at != 0) return at <= commit_;
  }
  return false;
}

Status WordTerms::find(const Reading& reading, const WordSearch& search) {
  damaged_ = false;
  hopeless_ = false;
  find_sources(reading);
  ends_.find(reading);
  AEON_TRY(find_terms(search));
  AEON_ASSIGN(const WordCounts counts, reading.word_counts(search.tenant));
  open_and_count(search);
  weigh(search, counts);
  return {};
}

void WordTerms::find_sources(const Reading& reading) {
  sources_.clear();
  for (const auto& segment : reading.view.segments()) {
    if (const auto source = source_of(*segment, reading.commit, damaged_)) {
      sources_.push_back(*source);
    }
  }
  for (const auto& tail : reading.view.tails()) {
    if (const auto source = source_of(*tail, reading.commit)) sources_.push_back(*source);
  }
}

Status WordTerms::find_terms(const WordSearch& search) {
  const WordQuery& query = *search.query;
  terms_.clear();
  bytes_.clear();
  demand_of_clause_.assign(query.clauses.size(), 0);
  demanded_ = 0;
  has_demands_ = !query.phrases.empty();
  std::size_t demands = 0;
  for (std::uint32_t i = 0; i < query.clauses.size(); ++i) {
    const WordQuery::Clause& clause = query.clauses[i];
    if (clause.demand != Demand::may) {
      has_demands_ = true;
      if (++demands >= kMostDemands) {
        return fail(Errc::invalid_argument,
                    fmt::format("the text demands more than {} words by + and -; leave some out",
                                kMostDemands - 1));
      }
      demand_of_clause_[i] = clause.demand == Demand::must_not ? kForbidden : 1U << (demands - 1);
      if (clause.demand == Demand::must) demanded_ |= demand_of_clause_[i];
    }
    const std::string_view text = query.text(clause.begin, clause.length);
    if (clause.prefix) {
      expand(search, i, text);
    } else {
      add_term(text, i, clause.times);
    }
  }
  return {};
}

void WordTerms::add_term(std::string_view text, std::uint32_t clause, std::uint8_t times) {
  Term& term = terms_.emplace_back();
  term.begin = static_cast<std::uint32_t>(bytes_.size());
  term.length = static_cast<std::uint32_t>(text.size());
  term.clause = clause;
  term.times = times;
  term.demand = demand_of_clause_[clause];
  bytes_.append(text);
}

// The first kMostExpansions terms of each source hold those of all.
void WordTerms::expand(const WordSearch& search, std::uint32_t clause, std::string_view prefix) {
  thread_local storage::RunCursor cursor;
  thread_local std::string key;
  expansions_.clear();
  expansion_bytes_.clear();
  expansion_bytes_.reserve(sources_.size() * kMostExpansions * kMaxTermBytes);  // views stay
  const auto add = [this](std::string_view term) {
    const std::size_t begin = expansion_bytes_.size();
    expansion_bytes_.append(term);
    expansions_.push_back(std::string_view(expansion_bytes_).substr(begin));
  };
  for (const WordSource& source : sources_) {
    std::size_t added = 0;
    if (source.tail != nullptr) {
      thread_local WordTail::Terms terms;
      terms.reset(source.tail->words());
      terms.seek(search.tenant, prefix);
      for (; terms.valid() && added < kMostExpansions; terms.next(), ++added) {
        const std::string_view found = terms.key();
        if (storage::KeyDecoder(found).u32() != search.tenant) break;
        if (!found.substr(4).starts_with(prefix)) break;
        add(found.substr(4));
      }
      continue;
    }
    term_key(key, search.tenant, prefix);
    key.resize(key.size() - 2);  // without the end of the text
    cursor.reset(source.segment->run());
    std::string_view last;
    for (cursor.seek(key); cursor.valid() && cursor.key().starts_with(key); cursor.next()) {
      const auto parts = split_term_key(cursor.key());
      if (!parts || parts->term.size() > kMaxTermBytes) {
        damaged_ = true;
        continue;
      }
      if (parts->term == last) continue;
      if (added++ == kMostExpansions) break;
      add(parts->term);
      last = expansions_.back();
    }
    damaged_ = damaged_ || !cursor.status();
  }
  std::ranges::sort(expansions_);
  const auto rest = std::ranges::unique(expansions_);
  expansions_.erase(rest.begin(), rest.end());
  if (expansions_.size() > kMostExpansions) expansions_.resize(kMostExpansions);
  for (const std::string_view term : expansions_)
    add_term(term, clause, search.query->clauses[clause].times);
}

void WordTerms::open_and_count(const WordSearch& search) {
  clause_documents_.assign(search.query->clauses.size(), 0);
  const bool all = terms_.size() <= kMostTerms;
  const std::size_t slots = all ? sources_.size() * terms_.size() : 0;
  if (cursors_.size() < slots) cursors_.resize(slots);
  opened_.assign(slots, 0);
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    Term& term = terms_[i];
    const std::string_view text = std::string_view(bytes_).substr(term.begin, term.length);
    term.documents = 0;
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      PostingCursor& cursor = all ? cursors_[s * terms_.size() + i] : counting_;
      if (!cursor.open(sources_[s], search.tenant, text, damaged_)) continue;
      term.documents += count(sources_[s], cursor);
      if (all) opened_[s * terms_.size() + i] = 1;
    }
    clause_documents_[term.clause] += term.documents;
  }
  if (all) return;
  // What is demanded stays, and of the others the rarest; in the order of the query.
  const auto rank = [](const Term& term) {
    return std::pair(term.demand == 0, term.documents == 0 ? UINT64_MAX : term.documents);
  };
  thread_local std::vector<std::pair<bool, std::uint64_t>> ranks;
  ranks.clear();
  for (const Term& term : terms_) ranks.push_back(rank(term));
  std::ranges::nth_element(ranks, ranks.begin() + kMostTerms - 1);
  const auto last = ranks[kMostTerms - 1];
  std::size_t demanded = 0;
  for (const Term& term : terms_) demanded += term.demand != 0 ? 1 : 0;
  std::size_t left = std::max(demanded, kMostTerms);
  std::size_t below = 0;
  for (const Term& term : terms_) below += rank(term) < last ? 1 : 0;
  std::size_t ties = left - std::min(left, below);
  std::erase_if(terms_, [&](const Term& term) {
    if (term.demand != 0 || rank(term) < last) return false;
    if (rank(term) > last || ties == 0) return true;
    --ties;
    return false;
  });
  const std::size_t kept = sources_.size() * terms_.size();
  if (cursors_.size() < kept) cursors_.resize(kept);
  opened_.assign(kept, 0);
  for (std::size_t s = 0; s < sources_.size(); ++s) {
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      const std::string_view text =
          std::string_view(bytes_).substr(terms_[i].begin, terms_[i].length);
      const bool found =
          cursors_[s * terms_.size() + i].open(sources_[s], search.tenant, text, damaged_);
      opened_[s * terms_.size() + i] = found ? 1 : 0;
    }
  }
}

// Of the postings before the limit those whose document is alive; by a sample where there are many.
std::uint64_t WordTerms::count(const WordSource& source, PostingCursor& cursor) {
  std::uint32_t blocks = 0;
  std::uint64_t total = 0;
  for (; blocks < cursor.blocks() && cursor.bound(blocks).first < source.limit; ++blocks) {
    total += cursor.size(blocks);
  }
  const auto alive_in = [&](std::uint32_t block, std::uint64_t& seen) {
    std::uint64_t alive = 0;
    const UnpackedBlock* data = cursor.unpack(block, damaged_);
    for (std::uint32_t i = 0; data != nullptr && i < data->size; ++i) {
      if (data->documents[i] >= source.limit) break;
      ++seen;
      if (ends_.none() || !ends_.ended(data->documents[i], damaged_)) ++alive;
    }
    return alive;
  };
  if (blocks == 0) return 0;
  std::uint64_t seen = 0;
  if (ends_.none()) {
    // All blocks but the last are whole.
    if (cursor.bound(blocks - 1).last < source.limit) return total;
    return total - cursor.size(blocks - 1) + alive_in(blocks - 1, seen);
  }
  if (total <= kCountedPostings) {
    std::uint64_t alive = 0;
    for (std::uint32_t i = 0; i < blocks; ++i) alive += alive_in(i, seen);
    return alive;
  }
  constexpr std::uint32_t kSampledBlocks = 8;
  const std::uint32_t stride = std::max(1U, blocks / kSampledBlocks);
  std::uint64_t alive = 0;
  for (std::uint32_t i = stride / 2; i < blocks; i += stride) alive += alive_in(i, seen);
  return std::max<std::uint64_t>(1, seen == 0 ? total : total * alive / seen);
}

void WordTerms::weigh(const WordSearch& search, const WordCounts& counts) {
  const double all = static_cast<double>(std::max<std::uint64_t>(1, counts.documents));
  mean_length_ = static_cast<float>(std::max(1.0, static_cast<double>(counts.words) / all));
  std::uint32_t found = 0;
  bool any = false;
  for (Term& term : terms_) {
    const double with = std::min(all, static_cast<double>(clause_documents_[term.clause]));
    if (term.documents == 0) continue;
    if (term.demand == kForbidden) continue;
    any = true;
    found |= term.demand;
    const double idf = std::log1p((all - with + 0.5) / (with + 0.5));
    term.weight = static_cast<float>(term.times * idf * (double{search.k1} + 1));
  }
  hopeless_ = !any || (found & demanded_) != demanded_;
}

}  // namespace aeon::engine
