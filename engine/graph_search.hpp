// Approximate search: seeds from the nearest clusters, a walk over links, and the stored precision
// for the best of what was met.
#pragma once

#include <span>

#include "engine/search.hpp"
#include "engine/seeds.hpp"

namespace aeon::engine {

// How much a search does for a wanted recall. Recall is a floor over kinds of data, not a promise
// for each query; where the data has no neighbourhoods the search ends in a full scan.
struct Effort {
  std::uint32_t pages = 1;  // clusters scanned for seeds
  float slack = 0;          // this and what follows: see walk.hpp
  std::uint32_t patience = 0;
  std::uint32_t beyond = 0;  // the walk's width beyond its rank
  bool whole_tails = false;  // scanned for seeds, not only their samples
  [[nodiscard]] static Effort for_recall(float recall, Metric metric) noexcept;
};

// How a search is best done; and how, when that is to be exact.
[[nodiscard]] SearchPlan plan_search(const Reading& reading, const VectorSearch& search);
[[nodiscard]] SearchPlan plan_exact(const Reading& reading, const VectorSearch& search);

// As search_rows(). False, and nothing in `answer`, where the walk went on too long or found too
// little, or INT8 is too coarse to tell: everything is to be scanned then.
[[nodiscard]] bool search_graph(const Reading& reading, const VectorSearch& search, Answer& answer);

// The same in two steps, so that many searches can take the first together: the clusters to set out
// from, best first, valid until the next call of this thread; then the rest.
struct GraphSeeds {
  std::span<const SeedPage> pages;
  bool damaged = false;  // some clusters could not be read
};
[[nodiscard]] GraphSeeds seed_search(const Reading& reading, const VectorSearch& search);
[[nodiscard]] bool search_graph(const Reading& reading, const VectorSearch& search,
                                const GraphSeeds& seeds, Answer& answer);

}  // namespace aeon::engine
