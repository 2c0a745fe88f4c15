// Search: rows are compared at INT8, and every row whose INT8 score could still belong among the k
// best is rescored at the stored precision.
//
// Which rows: with a wanted recall of 1, or where there are few, all of them, and the answer is
// exact. Else a walk over links (graph_search.hpp). What restricts the answer is told by terms
// (node_filter.hpp), so that few matches are visited one by one (match_scan.hpp), and among many a
// walk passes through the others. Where terms can't tell, all of the tails and of the clusters of
// each route (route.hpp) are read by falling promise, until the next one promises less than the
// k-th best score so far.
//
// Why the answer over the rows compared is exact and not only likely: write q = q' + dq and
// x = x' + dx, with q', x' the INT8 images. Then |q.x - q'.x'| <= |q| |dx| + |dq| |x'|
// (Cauchy-Schwarz), both lengths are known (a row carries |dx| as `error`), so each INT8 score
// comes with a margin. The k-th best lower bound is a threshold; a row whose upper bound is below
// it can't be among the k best by stored-precision score. All others are rescored, and the k best
// of those are the answer. The margins hold a surplus for float rounding.
#pragma once

#include <span>

#include "engine/lookaside/remembered.hpp"
#include "engine/model.hpp"
#include "engine/view.hpp"

namespace aeon::engine {

class Filter;
class NodeFilter;

struct VectorSearch {
  const SpaceInfo* space = nullptr;
  std::uint32_t tenant = 0;
  std::span<const float> vector;  // space->spec.dimension finite values
  std::uint32_t k = 10;
  float recall = 1;           // wanted: within (0, 1]
  std::uint32_t session = 0;  // 0: any
  std::uint32_t kind = 0;     // 0: any
  // The names of these, for terms.
  std::string_view session_name{};
  std::string_view kind_name{};
  TimeNs since = kBeginningOfTime;
  TimeNs until = kEndOfTime;
  const Filter* filter = nullptr;  // over metadata; null: none
  // The rows that session, kind, times and filter leave; null where terms can't tell.
  NodeFilter* nodes = nullptr;
  bool indexed = false;  // Reading::fields_are_indexed(), where that was asked
  // Rows near the query, if any are known: a walk sets out from them. Of its patience it takes so
  // large a share until it has found something better.
  std::span<const Nominee> starts{};
  float first_patience = 1;
  Findings* findings = nullptr;  // filled with what is worth to be remembered; null: nothing is
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
