#include "graph/breadth_first.hpp"

#include <algorithm>

namespace aeon::graph {

Status reach(Adjacency& graph, std::span<const std::uint64_t> starts, const ReachBounds& bounds,
             WalkBudget& budget, std::vector<Reached>& reached) {
  MetNodes met;
  reached.clear();
  for (const std::uint64_t start : starts) {
    if (!met.meet(start).second) continue;
    reached.push_back({start, 0, 0});
    if (start == bounds.target) return {};
  }
  const std::size_t most =
      reached.size() + static_cast<std::size_t>(std::min<std::uint64_t>(bounds.nodes, UINT32_MAX));
  std::vector<WalkEdge> edges;
  for (std::size_t next = 0; next < reached.size(); ++next) {
    const Reached from = reached[next];
    if (from.hops == bounds.hops || reached.size() >= most) return {};
    AEON_ASSIGN(const bool all, budget.leaving(graph, from.id, edges));
    for (const WalkEdge& edge : edges) {
      if (!met.meet(edge.to).second) continue;
      reached.push_back({edge.to, from.id, from.hops + 1});
      if (edge.to == bounds.target || reached.size() >= most) return {};
    }
    if (!all) return {};
  }
  return {};
}

std::vector<std::uint64_t> path_to_last(std::span<const Reached> reached) {
  std::vector<std::uint64_t> path;
  if (reached.empty()) return path;
  std::uint64_t wanted = reached.back().id;
  for (std::size_t i = reached.size(); i-- > 0 && wanted != 0;) {
    if (reached[i].id != wanted) continue;
    path.push_back(wanted);
    wanted = reached[i].via;
  }
  std::ranges::reverse(path);
  return path;
}

}  // namespace aeon::graph
