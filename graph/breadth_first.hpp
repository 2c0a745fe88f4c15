// Breadth-first walks: everything within so many edges of the start, and the shortest path.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/adjacency.hpp"

namespace aeon::graph {

struct Reached {
  std::uint64_t id = 0;
  std::uint64_t via = 0;   // the node before it on a shortest path; 0 for a start
  std::uint32_t hops = 0;  // edges from the nearest start
};

// What a walk may do. Each bound is on its own; the walk ends at the first one that it meets.
struct ReachBounds {
  std::uint32_t hops = 0;
  std::uint64_t nodes = 0;   // that are answered, starts not counted
  std::uint64_t target = 0;  // ends the walk as soon as it is met; 0: none
};

// Appends starts and what is reached from them, nearest first; where distances are equal, in the
// order of the edges of what was met before. Every node once, at its true distance: a bound cuts
// the end of the list off, never its middle.
[[nodiscard]] Status reach(Adjacency& graph, std::span<const std::uint64_t> starts,
                           const ReachBounds& bounds, WalkBudget& budget,
                           std::vector<Reached>& reached);

// The nodes of the path that ends at the last of `reached`, from its start on.
[[nodiscard]] std::vector<std::uint64_t> path_to_last(std::span<const Reached> reached);

}  // namespace aeon::graph
