// Approximate search: seeds from the nearest clusters, a walk over links, and the stored precision
// for the best of what was met.
#pragma once

#include "engine/search.hpp"

namespace aeon::engine {

// How much a search does for a wanted recall. Recall is a floor over kinds of data, not a promise
// for each query; where the data has no neighbourhoods the search ends in a full scan.
struct Effort {
  std::uint32_t pages = 1;  // clusters scanned for seeds
  float slack = 0;          // see walk.hpp
  std::uint32_t patience = 0;
  [[nodiscard]] static Effort for_recall(float recall, Metric metric) noexcept;
};

// How a search is best done.
enum class SearchPlan : std::uint8_t {
  scan,    // all rows: exact was asked for, or they are so few that it costs no more
  routes,  // clusters by falling promise: a filter may leave a walk with too little
  graph,   // links lead to all rows, and to follow them is cheaper
};
[[nodiscard]] SearchPlan plan_search(const Reading& reading, const VectorSearch& search);

// As search_rows(). False, and nothing in `answer`, where the walk went on too long or found too
// little: everything is to be scanned then.
[[nodiscard]] Result<bool> search_graph(const Reading& reading, const VectorSearch& search,
                                        Answer& answer);

}  // namespace aeon::engine
