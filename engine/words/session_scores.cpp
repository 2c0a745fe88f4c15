#include "engine/words/session_scores.hpp"

#include <algorithm>
#include <cmath>

namespace aeon::engine {

bool SessionScores::score(WordTerms& terms, std::uint32_t tenant, float k1) {
  index_.clear();
  scores_.clear();
  counts_.clear();
  all_.clear();
  ends_.clear();
  best_ = 0;
  bool damaged = false;
  order_.resize(terms.terms().size());
  for (std::uint32_t i = 0; i < order_.size(); ++i) order_[i] = i;
  std::ranges::sort(order_, {},
                    [&](std::uint32_t i) { return std::pair(terms.terms()[i].documents, i); });
  std::uint64_t left = kSessionPostings;
  for (const std::uint32_t term : order_) {
    if (terms.terms()[term].demand == WordTerms::kForbidden) continue;
    count_term(terms, term, left, damaged);
    ends_.emplace_back(all_.size(), static_cast<float>(terms.terms()[term].times));
  }
  scores_.assign(index_.size(), 0);
  const auto sampled = static_cast<double>(sessions_in(terms, tenant, damaged));
  const double sessions = std::max(sampled, static_cast<double>(index_.size()));
  std::size_t first = 0;
  for (const auto& [end, times] : ends_) {
    const auto with = static_cast<double>(end - first);
    const auto weight = static_cast<float>(std::log1p((sessions - with + 0.5) / (with + 0.5)));
    for (; first < end; ++first) {
      const auto count = static_cast<float>(all_[first].times);
      scores_[all_[first].session] += times * weight * count * (k1 + 1) / (count + k1);
    }
  }
  for (const float score : scores_) best_ = std::max(best_, score);
  return !damaged;
}

void SessionScores::count_term(WordTerms& terms, std::size_t term, std::uint64_t& left,
                               bool& damaged) {
  touched_.clear();
  for (std::size_t s = 0; s < terms.sources().size() && left > 0; ++s) {
    if (!terms.opened(s, term)) continue;
    const WordSource& source = terms.sources()[s];
    PostingCursor& cursor = terms.cursor(s, term);
    for (std::uint32_t block = 0; block < cursor.blocks() && left > 0; ++block) {
      if (cursor.bound(block).first >= source.limit) break;
      const UnpackedBlock* data = cursor.unpack(block, damaged);
      if (data == nullptr) continue;
      left -= std::min<std::uint64_t>(left, data->size);
      for (std::uint32_t i = 0; i < data->size && data->documents[i] < source.limit; ++i) {
        const Document* document = source.find(data->documents[i], damaged);
        if (document == nullptr || document->session == 0) continue;
        if (!terms.ends().none() && terms.ends().ended(data->documents[i], damaged)) continue;
        const auto next = static_cast<std::uint32_t>(counts_.size());
        const auto [at, added] = index_.try_emplace(document->session, next);
        if (added) counts_.push_back(0);
        if (counts_[at->second] == 0) touched_.push_back(at->second);
        counts_[at->second] += data->counts[i];
      }
    }
  }
  for (const std::uint32_t place : touched_) {
    all_.push_back({place, counts_[place]});
    counts_[place] = 0;
  }
}

std::uint32_t SessionScores::sessions_in(const WordTerms& terms, std::uint32_t tenant,
                                         bool& damaged) {
  seen_.clear();
  std::uint64_t documents = 0;
  for (const WordSource& source : terms.sources()) documents += source.limit - source.first;
  const std::uint64_t step = std::max<std::uint64_t>(1, documents / kSampledDocuments);
  std::uint32_t last = 0;
  for (const WordSource& source : terms.sources()) {
    for (std::uint64_t at = source.first; at < source.limit; at += step) {
      const Document* document = source.find(static_cast<std::uint32_t>(at), damaged);
      if (document == nullptr || document->tenant != tenant || document->session == 0) continue;
      if (document->session == last) continue;
      last = document->session;
      seen_.try_emplace(last, 0);
    }
  }
  return static_cast<std::uint32_t>(seen_.size());
}

}  // namespace aeon::engine
