// Many searches at one instant, arranged so that what one of them brings from memory serves the
// next: exact ones scan each piece of rows together; the others are first routed one after another,
// while the centroids are near, and then walk in the order of the clusters that they set out from,
// so that neighbours among the queries meet rows that are still in the cache.
#pragma once

#include <span>

#include "engine/search.hpp"

namespace aeon::engine {

struct BatchedSearch {
  VectorSearch search;
  Answer* answer = nullptr;
};

// As search_rows() for each, in no order; reorders `searches`. Allocates nothing once the calling
// thread has seen as many, and the answers are warm. Errors: those of search_rows(); the answers
// that were finished before hold, others are unchanged.
[[nodiscard]] Status search_batch(const Reading& reading, std::span<BatchedSearch> searches);

}  // namespace aeon::engine
