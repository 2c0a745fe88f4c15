// What a walk asks of a graph: the edges that leave a node, as far as the walk may see them.
//
// The walks (breadth_first.hpp, activation.hpp, page_rank.hpp) know nothing of memories, instants,
// filters or types: whoever implements Adjacency leaves out what is not to be walked and folds the
// weight of an edge's type into the edge's own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "storage/result.hpp"

namespace aeon::graph {

struct WalkEdge {
  std::uint64_t to = 0;
  double weight = 1;  // finite and above 0
};

class Adjacency {
 public:
  virtual ~Adjacency() = default;
  Adjacency() = default;
  Adjacency(const Adjacency&) = delete;
  Adjacency& operator=(const Adjacency&) = delete;

  // Replaces `edges` by the edges that leave `node`, in an order that is always the same, and adds
  // the number of edges looked at, those left out included, to `touched`. Stops once `most` were
  // looked at; false when there were more.
  [[nodiscard]] virtual Result<bool> leaving(std::uint64_t node, std::uint64_t most,
                                             std::vector<WalkEdge>& edges,
                                             std::uint64_t& touched) = 0;
};

// The edges that a walk may still look at.
class WalkBudget {
 public:
  explicit WalkBudget(std::uint64_t edges) noexcept : edges_(edges) {}
  [[nodiscard]] std::uint64_t left() const noexcept { return edges_ - touched_; }
  [[nodiscard]] std::uint64_t touched() const noexcept { return touched_; }
  // Whether every edge that was wanted was looked at.
  [[nodiscard]] bool complete() const noexcept { return complete_; }

  // The edges of a node; false when there are more than `most` or than the budget has left: then a
  // part of them is in `edges`.
  [[nodiscard]] Result<bool> leaving(Adjacency& graph, std::uint64_t node,
                                     std::vector<WalkEdge>& edges,
                                     std::uint64_t most = UINT64_MAX) {
    edges.clear();
    const std::uint64_t had = left();
    AEON_ASSIGN(const bool all, graph.leaving(node, std::min(had, most), edges, touched_));
    complete_ = complete_ && (all || most < had);
    return all;
  }

 private:
  std::uint64_t edges_;
  std::uint64_t touched_ = 0;
  bool complete_ = true;
};

// Numbers the nodes of a walk from 0 as it meets them.
class MetNodes {
 public:
  // The number of `id`, and whether it is new.
  std::pair<std::uint32_t, bool> meet(std::uint64_t id) {
    const auto [at, added] = numbers_.try_emplace(id, static_cast<std::uint32_t>(ids_.size()));
    if (added) ids_.push_back(id);
    return {at->second, added};
  }
  [[nodiscard]] std::uint64_t id(std::uint32_t number) const noexcept { return ids_[number]; }
  [[nodiscard]] std::size_t size() const noexcept { return ids_.size(); }
  void reserve(std::size_t nodes) {
    numbers_.reserve(nodes);
    ids_.reserve(nodes);
  }
  // Keeps the memory.
  void clear() noexcept {
    numbers_.clear();
    ids_.clear();
  }

 private:
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> numbers_;
  std::vector<std::uint64_t> ids_;
};

}  // namespace aeon::graph
