// Routing: which clusters of a partition a search reads, and when it may stop.
//
// A partition that was grouped (grouping.hpp) has a route: for each cluster its centroid c at INT8
// and the root mean square distance r of its rows from it. For a query q a row x = c + d of the
// cluster scores
//   dot, cosine (rows and query scaled to length 1)   q.x      = q.c + q.d
//   l2                                              -|q-x|^2   = -|q-c|^2 - |d|^2 + 2 (q-c).d
// The inner product with d is not known, but bounded: |q.d| <= |q| |d|. In many dimensions it is
// far from that bound. So a cluster is given the promise
//   base + reach * slope,   base = q.c or -|q-c|^2 - r^2,   slope = |q| r or 2 |q-c| r
// with one number `reach` between 0 (d is perpendicular) and 1 (d points at the query) for all.
// Clusters are read by falling promise until the next promise is below the k-th best score found.
//
// What reach a wanted recall needs is a property of the data. It is measured when the route is
// made: some of the rows are asked as queries, their true neighbours are found by a full scan, and
// for each neighbour the least reach is noted with which its cluster would have been read. The
// quantiles of these are the table `reach`. A row's own cluster is judged with the row taken out of
// it, as it would look to a query that was never stored.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/grouping.hpp"
#include "engine/model.hpp"
#include "engine/row_block.hpp"
#include "simd/int8_query.hpp"
#include "storage/segment.hpp"

namespace aeon::engine {

// A partition gets a route from this many rows on; below, scanning all is as fast.
inline constexpr std::uint64_t kRoutedRows = 1024;

inline constexpr std::array<float, 8> kRecallLevels = {0.50F, 0.80F, 0.90F,  0.95F,
                                                       0.98F, 0.99F, 0.995F, 1.0F};

// Centroids in columns, each starting on 64 bytes, from some base.
struct CentroidView {
  std::uint32_t count = 0;
  const std::int8_t* codes = nullptr;
  const std::int32_t* sums = nullptr;
  const float* scales = nullptr;
  const float* squares = nullptr;  // |c|^2
  const float* radii = nullptr;
};
struct CentroidLayout {
  std::uint64_t codes, sums, scales, squares, radii;
  [[nodiscard]] CentroidView view(const std::byte* base, std::uint32_t count) const noexcept;
};

// A partition's part of a `partition_routes` section: the first row of each cluster and, at the
// end, the number of rows; the centroids; the same for districts, which count in clusters.
struct RouteLayout {
  std::uint64_t starts, district_starts;
  CentroidLayout clusters, districts;
  std::uint64_t bytes;
  [[nodiscard]] static RouteLayout of(std::uint32_t clusters, std::uint32_t districts,
                                      std::uint32_t dimension) noexcept;
};

struct RouteView {
  std::uint32_t dimension = 0;
  CentroidView clusters;
  CentroidView districts;  // neighbouring clusters together, where there are many; else none
  // Ascending where the file is honest; whoever uses them checks.
  const std::uint32_t* starts = nullptr;
  const std::uint32_t* district_starts = nullptr;
  std::array<float, kRecallLevels.size()> reach{};
};

// A partition's route as it is written.
struct Route {
  Grouping grouping;
  std::array<float, kRecallLevels.size()> reach{};
};

// Groups the rows and measures reach. `blocks` as for group_rows().
[[nodiscard]] Route make_route(std::span<const RowBlock> blocks, Metric metric);

// Appends a partition's part to an open section.
[[nodiscard]] Status write_route(storage::SegmentWriter& writer, const Route& route,
                                 std::uint32_t dimension);

// What clusters promise to one query.
class Promises {
 public:
  // `norm`: of the query. The codes are the query's.
  Promises(const simd::Int8Query& codes, float scale, float norm, Metric metric) noexcept
      : codes_(codes), scale_(scale), norm_(norm), metric_(metric) {}
  // One score for each of the centroids [first, first + promises.size()), comparable with scores
  // of rows.
  void rate(const CentroidView& centroids, std::uint32_t first, float reach,
            std::span<float> promises) const;

 private:
  const simd::Int8Query& codes_;
  const float scale_;
  const float norm_;
  const Metric metric_;
};

// The reach for a wanted recall within (0, 1], between the table's levels in proportion.
[[nodiscard]] float reach_for(const RouteView& route, float recall) noexcept;

}  // namespace aeon::engine
