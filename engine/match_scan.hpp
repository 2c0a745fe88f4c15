// Search among the rows that a filter leaves, by visiting each of them where it lies: what costs
// least when they are few among many. The answer is exact; see search.hpp for why.
#pragma once

#include "engine/node_filter.hpp"
#include "engine/search.hpp"

namespace aeon::engine {

// As search_rows(), for search.nodes.
[[nodiscard]] Status scan_matches(const Reading& reading, const VectorSearch& search,
                                  Answer& answer);

}  // namespace aeon::engine
