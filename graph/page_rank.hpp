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

// Where a walker starts, and how likely.
struct RankSeed {
  std::uint64_t id = 0;
  double share = 0;  // above 0; those of all seeds add up to 1
};

// Holds the nodes of a walk; once warm another walk of that size allocates nothing. Not
// thread-safe.
class PageRank {
 public:
  PageRank();

  // Walks from the seeds, which are not empty and distinct. Errors: those of the graph.
  [[nodiscard]] Status run(Adjacency& graph, std::span<const RankSeed> seeds,
                           const RankSettings& settings, WalkBudget& budget);

  // The nodes that were met, in that order, the seeds first.
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  [[nodiscard]] std::uint64_t id(std::size_t node) const noexcept {
    return met_.id(static_cast<std::uint32_t>(node));
  }
  [[nodiscard]] double rank(std::size_t node) const noexcept { return nodes_[node].estimate; }
  // What of the rank came along edges: without the walker who is there because he starts there.
  [[nodiscard]] double arrived(std::size_t node) const noexcept;
  [[nodiscard]] double residual() const noexcept;

 private:
  // A node's edges are read once, however often it is pushed.
  struct Node {
    double estimate = 0;
    double residual = 0;
    double weight = 0;        // of all its edges
    std::uint64_t cost = 0;   // edges looked at to know them, those left out included
    std::uint32_t first = 0;  // of its edges in edges_
    std::uint32_t count = 0;
    bool known = false;
    bool queued = false;
  };
  struct NumberedEdge {
    std::uint32_t to = 0;
    double weight = 0;
  };

  [[nodiscard]] bool is_due(const Node& node) const noexcept;
  std::uint32_t meet(std::uint64_t id);
  void enqueue(std::uint32_t number);
  std::uint32_t dequeue();
  Status read_edges(Adjacency& graph, std::uint32_t number, WalkBudget& budget);
  void push(std::uint32_t number);
  void give(std::uint32_t number, double amount);

  RankSettings settings_;
  MetNodes met_;
  std::vector<Node> nodes_;
  std::vector<double> shares_;  // of the seeds, which are the first nodes
  std::vector<NumberedEdge> edges_;
  std::vector<std::uint32_t> queue_;  // from head_ on
  std::size_t head_ = 0;
  std::vector<WalkEdge> leaving_;
};

// Appends every node with an estimate above 0, in the order they were met. `seeds` are not empty
// and distinct; each begins with the same share. Returns the residual.
[[nodiscard]] Result<double> page_rank(Adjacency& graph, std::span<const std::uint64_t> seeds,
                                       const RankSettings& settings, WalkBudget& budget,
                                       std::vector<Ranked>& ranked);

}  // namespace aeon::graph
