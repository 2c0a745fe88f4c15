// Search by words: the k visible documents with the highest BM25 scores, exactly.
//
//   score = sum over the query's terms of  times * idf * c (k1 + 1) / (c + k1 (1 - b + b l / L))
//   idf = ln(1 + (N - n + 0.5) / (n + 0.5))
//
// c: how often the term stands in the document (at most 255); l: the document's words (to four
// significant bits above 31); L: their mean; N: the tenant's documents, n: those with the term,
// both as of the snapshot. n is exact where up to kCountedPostings hold the term or nothing of the
// palace was ever replaced or forgotten; above that, it is what a sample of the postings says. A
// prefix is one term: its n is the sum over the terms that begin so (kMostExpansions of them, in
// order), each of which scores with it.
//
// Scores are summed as integers (1 / 65,536), so that the order of the sum, and with it the way
// postings lie in segments, changes nothing. Equal scores: the older version first.
//
// Tails and segments hold documents of ascending numbers, so each is searched on its own, with the
// k-th best score so far as the bar. Within one, windows of documents are looked at in order; a
// window whose blocks can't reach the bar is passed by unread, and so are, for most documents of
// the others, the lists of frequent terms. (Turtle and Flood 1995, "Query evaluation: strategies
// and optimizations": max-score; Ding and Suel 2011, "Faster top-k document retrieval using
// block-max indexes"; Robertson and Zaragoza 2009, "The probabilistic relevance framework".)
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/model.hpp"
#include "engine/view.hpp"
#include "engine/words/word_query.hpp"

namespace aeon::engine {

class Filter;
class WordTerms;

inline constexpr std::uint32_t kCountedPostings = 1024;
inline constexpr std::size_t kMostExpansions = 64;  // of a prefix
inline constexpr std::size_t kMostTerms = 64;       // that score: the rarest, if there are more
inline constexpr std::size_t kMostDemands = 32;     // + and - in one query

struct WordSearch {
  const WordQuery* query = nullptr;
  std::uint32_t tenant = 0;
  std::uint32_t k = 10;
  float k1 = 0.9F;
  float b = 0;
  std::uint32_t session = 0;  // 0: any
  std::uint32_t kind = 0;     // 0: any
  TimeNs since = kBeginningOfTime;
  TimeNs until = kEndOfTime;
  const Filter* filter = nullptr;  // over metadata; null: none
  bool indexed = false;            // Reading::fields_are_indexed(): terms tell what passes
};

struct WordHit {
  std::uint32_t document = 0;
  float score = 0;
  MemoryId id = 0;
  CommitNumber born = 0;
  TimeNs time = 0;
  std::uint32_t session = 0;
};

struct WordAnswer {
  std::vector<WordHit> hits{};  // best first
  std::uint64_t postings = 0;   // looked at
  bool partial = false;         // a damaged place was left out
};

// Wait-free; allocates nothing once the calling thread and the answer are warm. Errors:
// invalid_argument (more than kMostDemands), damaged (the counts of the tenant).
// `terms` is left as the search used it: sources, terms and weights.
[[nodiscard]] Status search_words(const Reading& reading, const WordSearch& search,
                                  WordTerms& terms, WordAnswer& answer);

}  // namespace aeon::engine
