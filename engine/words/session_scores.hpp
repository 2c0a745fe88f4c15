// Sessions scored as if each were one text: BM25 over the counts of a term in all its documents,
// with b = 0. The rarest terms first, until kSessionPostings were looked at; what is left of the
// frequent ones says little about a session. How many sessions there are is counted on a sample of
// kSampledDocuments documents, which is exact up to so many.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/words/word_terms.hpp"

namespace aeon::engine {

inline constexpr std::uint64_t kSessionPostings = 32'768;
inline constexpr std::uint32_t kSampledDocuments = 4096;

// Holds scratch: warm it allocates nothing. Not thread-safe.
class SessionScores {
 public:
  // `terms` is what a search has found; its cursors are used. Returns whether nothing damaged was
  // met.
  bool score(WordTerms& terms, std::uint32_t tenant, float k1);
  // 0 for what has none of the terms.
  [[nodiscard]] float of(std::uint32_t session) const noexcept {
    const auto at = index_.find(session);
    return at == index_.end() ? 0 : scores_[at->second];
  }
  [[nodiscard]] float best() const noexcept { return best_; }

 private:
  struct Count {
    std::uint32_t session = 0;  // index in scores_
    std::uint32_t times = 0;
  };
  [[nodiscard]] std::uint32_t sessions_in(const WordTerms& terms, std::uint32_t tenant,
                                          bool& damaged);
  void count_term(WordTerms& terms, std::size_t term, std::uint64_t& left, bool& damaged);

  boost::unordered_flat_map<std::uint32_t, std::uint32_t> index_;  // session -> place in scores_
  boost::unordered_flat_map<std::uint32_t, std::uint32_t> seen_;
  std::vector<float> scores_;
  std::vector<std::uint32_t> counts_;                // of the term at hand, by place
  std::vector<std::uint32_t> touched_;               // places counted for it
  std::vector<Count> all_;                           // of all terms, one after the other
  std::vector<std::pair<std::size_t, float>> ends_;  // of each term in all_; its weight
  std::vector<std::uint32_t> order_;
  float best_ = 0;
};

}  // namespace aeon::engine
