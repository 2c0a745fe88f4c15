// Personalised PageRank by local push: how likely a walker is at each node who starts at one of the
// seeds, follows edges in proportion to their weights, and goes back to a seed with a fixed
// probability at every step.
//
// Source: R. Andersen, F. Chung, K. Lang, "Local Graph Partitioning using PageRank Vectors", FOCS
// 2006: an estimate p and a residual r are kept for the nodes met so far. Pushing a node moves the
// restart's share of its residual into its estimate and the rest along its edges. A node is pushed
// while its residual is above `error` times its number of edges (those that
// the walk leaves out included), so a push costs at most what it
// takes off the residual: all pushes together touch at most 1 / (restart * error) edges, however
// large the graph is. Of a node with more edges than its residual pays for only so many are read
// that this is known.
//
//   p(v) <= rank(v) <= p(v) + residual, and the errors of all nodes add up to the residual
//
// holds on any graph, directed or not. Where a node has no edge to follow the walker goes back to
// a seed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/adjacency.hpp"

namespace aeon::graph {

struct Ranked {
  std::uint64_t id = 0;
  double rank = 0;
};

struct RankSettings {
  double restart = 0.15;  // within (0, 1)
  double error = 1e-4;    // above 0
};

// Appends every node with an estimate above 0, in the order they were met. `seeds` are not empty
// and distinct; each begins with the same share. Returns the residual.
[[nodiscard]] Result<double> page_rank(Adjacency& graph, std::span<const std::uint64_t> seeds,
                                       const RankSettings& settings, WalkBudget& budget,
                                       std::vector<Ranked>& ranked);

}  // namespace aeon::graph
