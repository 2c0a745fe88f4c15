// How far a palace seems to hold an answer at all, from 0 to 1; docs/confidence.md says what that
// means and what it does not. Both scores compare the query with what the palace itself is like, so
// that neither needs a set of questions to be set up with.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/model.hpp"
#include "engine/view.hpp"
#include "engine/words/word_query.hpp"
#include "engine/words/word_search.hpp"

namespace aeon::engine {

class WordTerms;

// Rows of a space that say how near its rows lie to each other, and the hits by words that are
// looked at.
inline constexpr std::uint32_t kNearnessSample = 64;
inline constexpr std::size_t kCoveringHits = 10;
// The best by an inner product need not be the nearest: so many are looked at for that.
inline constexpr std::size_t kNearestHits = 10;

// By words: of the weight of all words that the query may or must find, each its idf, the share
// that stands in one memory, the largest among the best hits. A word that no memory holds has the
// idf of its absence, the largest there is. Grammar words, and words that must not be there, have
// no part. Nothing where the query has no words. `terms` is what the search left; `documents` of
// the tenant. Sets `damaged` where a place that would tell is bad.
[[nodiscard]] std::optional<float> covered_share(WordTerms& terms, const WordQuery& query,
                                                 std::uint64_t documents,
                                                 std::span<const WordHit> hits, bool& damaged);

// By a vector: the share of rows of the space whose nearest other row is no nearer to them than the
// nearest of `hits` is to the query, (1 + those) / (1 + all), over up to kNearnessSample rows at
// even distances and the rows that they link to. That is the p-value of a conformal test (Vovk,
// Gammerman and Shafer 2005): of queries that are like the stored rows, at most a share p gets p or
// less. By distance where that is the metric, else by cosine; what INT8 images can't tell apart is
// equal. `hits`, best first: the kNearestHits first are looked at. Nothing where no row has a
// neighbour or no hit's row is to be found; 0 without hits. Wait-free; allocates nothing once the
// calling thread is warm.
[[nodiscard]] std::optional<float> conformal_nearness(const Reading& reading,
                                                      const SpaceInfo& space, std::uint32_t tenant,
                                                      std::span<const float> query,
                                                      std::span<const Hit> hits);

}  // namespace aeon::engine
