// Search: rows are compared at INT8, and every row whose INT8 score could still belong among the k
// best is rescored at the stored precision.
//
// Which rows: with a wanted recall of 1, or where there are few, all of them, and the answer is
// exact. Else a walk over links (graph_search.hpp); and where a filter would let a walk find too
// little, all of the tails and of the clusters of each route (route.hpp) by falling promise, until
// the next one promises less than the k-th best score so far.
//
// Why the answer over the rows compared is exact and not only likely: write q = q' + dq and
// x = x' + dx, with q', x' the INT8 images. Then |q.x - q'.x'| <= |q| |dx| + |dq| |x'|
// (Cauchy-Schwarz), both lengths are known (a row carries |dx| as `error`), so each INT8 score
// comes with a margin. The k-th best lower bound is a threshold; a row whose upper bound is below
// it can't be among the k best by stored-precision score. All others are rescored, and the k best
// of those are the answer. The margins hold a surplus for float rounding.
#pragma once

#include <span>

#include "engine/model.hpp"
#include "engine/view.hpp"

namespace aeon::engine {

class Filter;

struct VectorSearch {
  const SpaceInfo* space = nullptr;
  std::uint32_t tenant = 0;
  std::span<const float> vector;  // space->spec.dimension finite values
  std::uint32_t k = 10;
  float recall = 1;           // wanted: within (0, 1]
  std::uint32_t session = 0;  // 0: any
  std::uint32_t kind = 0;     // 0: any
  TimeNs since = kBeginningOfTime;
  TimeNs until = kEndOfTime;
  const Filter* filter = nullptr;  // over metadata; null: none
};

// Fills hits, partial, exact and rows_scanned of `answer`. Wait-free; allocates nothing once the
// calling thread and the answer are warm. Errors: damaged (a filter needed a damaged record).
[[nodiscard]] Status search_rows(const Reading& reading, const VectorSearch& search,
                                 Answer& answer);

// Several exact searches (recall 1) of one space and tenant: every piece of rows is read from
// memory once for all of them. As so many calls of search_rows(), if a little slower for each
// alone.
inline constexpr std::size_t kTogether = 8;
[[nodiscard]] Status scan_together(const Reading& reading, std::span<const VectorSearch> searches,
                                   std::span<Answer* const> answers);

}  // namespace aeon::engine
