// Groups rows by nearness: a tree of k-means over INT8 rows (Lloyd; the tree as in hierarchical
// k-means, Nister and Stewenius 2006), cut where a node is small enough. Neighbours come
// to lie in one group, so that a search reads a few groups instead of everything.
//
// Distances are Euclidean, between rows scaled to length 1 where the metric is the cosine. Training
// looks at a sample of a node, assignment at all of its rows with the many-row kernel, so a level
// of the tree costs about 64 comparisons a row. Rows that no split can tell apart (copies) are cut
// into groups as they come. The same rows in the same order give the same groups.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/model.hpp"
#include "engine/row_block.hpp"

namespace aeon::engine {

// Rows of a group on average. A search ranks all groups and scans a few: more rows make larger
// groups, so that neither becomes the most of its work.
[[nodiscard]] inline std::uint32_t wanted_group_rows(std::uint64_t rows) noexcept {
  const double wanted = std::sqrt(static_cast<double>(rows)) / 3;
  return static_cast<std::uint32_t>(std::clamp(wanted, 160.0, 512.0));
}

inline constexpr std::uint32_t kDistrictRows = 20'000;

// A row of the blocks that were grouped.
struct RowPlace {
  std::uint32_t block = 0;
  std::uint32_t row = 0;
};

struct Grouping {
  std::vector<RowPlace> order;      // group after group, by node number within a group
  std::vector<std::uint32_t> rows;  // of each group
  std::vector<float> centroids;     // of each group: the mean of its rows, `dimension` values
  std::vector<float> radii;         // of each group: root mean square distance from the centroid
  // The first group of each district: groups of one branch of the tree, up to about kDistrictRows
  // rows. Empty when the tree has no such branch.
  std::vector<std::uint32_t> districts;
  [[nodiscard]] std::size_t groups() const noexcept { return rows.size(); }
  [[nodiscard]] std::span<const float> centroid(std::size_t group) const noexcept {
    const std::size_t dimension = centroids.size() / rows.size();
    return std::span(centroids).subspan(group * dimension, dimension);
  }
};

// What a row's codes are multiplied by to give the row as it is grouped.
[[nodiscard]] inline float grouping_factor(const RowBlock& block, std::uint32_t row,
                                           Metric metric) noexcept {
  return metric == Metric::cosine ? block.scales[row] / block.norms[row] : block.scales[row];
}

// `blocks` hold rows of one space and tenant, at least one.
[[nodiscard]] Grouping group_rows(std::span<const RowBlock> blocks, Metric metric);

}  // namespace aeon::engine
