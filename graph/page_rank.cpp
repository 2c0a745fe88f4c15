#include "graph/page_rank.hpp"

#include <algorithm>
#include <deque>

namespace aeon::graph {

namespace {

// A node's edges are read once, however often it is pushed.
struct Node {
  double estimate = 0;
  double residual = 0;
  std::uint32_t first = 0;  // of its edges in Push::edges_
  std::uint32_t count = 0;
  std::uint64_t cost = 0;  // edges looked at to know them, those left out included
  double weight = 0;       // of all its edges
  bool known = false;
  bool queued = false;
};
struct NumberedEdge {
  std::uint32_t to = 0;
  double weight = 0;
};

constexpr std::uint64_t kFirstRead = 64;

class Push {
 public:
  Push(Adjacency& graph, std::span<const std::uint64_t> seeds, const RankSettings& settings,
       WalkBudget& budget)
      : graph_(graph), seeds_(seeds.size()), settings_(settings), budget_(budget) {
    for (const std::uint64_t seed : seeds) nodes_[meet(seed)].residual = 1 / share();
    for (std::uint32_t seed = 0; seed < seeds_; ++seed) enqueue(seed);
  }

  Status run() {
    while (!queue_.empty()) {
      const std::uint32_t number = queue_.front();
      queue_.pop_front();
      nodes_[number].queued = false;
      while (!nodes_[number].known && is_due(nodes_[number])) {
        AEON_TRY(read_edges(number));
        if (!budget_.complete()) return {};
      }
      if (is_due(nodes_[number])) push(number);
    }
    return {};
  }

  double collect(std::vector<Ranked>& ranked) const {
    double left = 0;
    for (std::uint32_t number = 0; number < nodes_.size(); ++number) {
      const Node& node = nodes_[number];
      left += node.residual;
      if (node.estimate > 0) ranked.push_back({met_.id(number), node.estimate});
    }
    return left;
  }

 private:
  [[nodiscard]] double share() const noexcept { return static_cast<double>(seeds_); }
  [[nodiscard]] bool is_due(const Node& node) const noexcept {
    return node.residual >
           settings_.error * static_cast<double>(std::max<std::uint64_t>(1, node.cost));
  }

  std::uint32_t meet(std::uint64_t id) {
    const auto [number, added] = met_.meet(id);
    if (added) nodes_.emplace_back();
    return number;
  }

  void enqueue(std::uint32_t number) {
    Node& node = nodes_[number];
    if (node.queued || !is_due(node)) return;
    node.queued = true;
    queue_.push_back(number);
  }

  // Reads twice as many as before where there are too many to be paid for now, so that reading a
  // node in parts costs no more than a small multiple of reading it once.
  Status read_edges(std::uint32_t number) {
    const std::uint64_t most = std::max(kFirstRead, 2 * nodes_[number].cost);
    const std::uint64_t before = budget_.touched();
    AEON_ASSIGN(const bool all, budget_.leaving(graph_, met_.id(number), scratch_, most));
    nodes_[number].cost = budget_.touched() - before;
    if (!all) return {};
    const auto first = static_cast<std::uint32_t>(edges_.size());
    double weight = 0;
    for (const WalkEdge& edge : scratch_) {
      edges_.push_back({meet(edge.to), edge.weight});
      weight += edge.weight;
    }
    Node& node = nodes_[number];  // meet() may have moved it
    node.first = first;
    node.count = static_cast<std::uint32_t>(edges_.size() - first);
    node.weight = weight;
    node.known = true;
    return {};
  }

  void push(std::uint32_t number) {
    Node& node = nodes_[number];
    const double residual = node.residual;
    const double moved = (1 - settings_.restart) * residual;
    node.estimate += settings_.restart * residual;
    node.residual = 0;
    if (node.count == 0) {
      for (std::uint32_t seed = 0; seed < seeds_; ++seed) give(seed, moved / share());
      return;
    }
    for (std::uint32_t i = node.first; i < node.first + node.count; ++i) {
      give(edges_[i].to, moved * (edges_[i].weight / node.weight));
    }
  }

  void give(std::uint32_t number, double amount) {
    nodes_[number].residual += amount;
    enqueue(number);
  }

  Adjacency& graph_;
  const std::size_t seeds_;  // the first nodes met
  const RankSettings settings_;
  WalkBudget& budget_;
  MetNodes met_;
  std::vector<Node> nodes_;
  std::vector<NumberedEdge> edges_;
  std::deque<std::uint32_t> queue_;
  std::vector<WalkEdge> scratch_;
};

}  // namespace

Result<double> page_rank(Adjacency& graph, std::span<const std::uint64_t> seeds,
                         const RankSettings& settings, WalkBudget& budget,
                         std::vector<Ranked>& ranked) {
  ranked.clear();
  Push push(graph, seeds, settings, budget);
  AEON_TRY(push.run());
  return push.collect(ranked);
}

}  // namespace aeon::graph
