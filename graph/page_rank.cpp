#include "graph/page_rank.hpp"

#include <algorithm>
#include <cassert>

namespace aeon::graph {

namespace {

constexpr std::uint64_t kFirstRead = 64;
constexpr std::size_t kUsualNodes = 4096;
constexpr std::size_t kUsualEdges = 16'384;

}  // namespace

// Room for a usual walk, so that a warm thread seldom meets one that needs more.
PageRank::PageRank() {
  nodes_.reserve(kUsualNodes);
  edges_.reserve(kUsualEdges);
  queue_.reserve(2 * kUsualNodes);
  leaving_.reserve(1024);
  met_.reserve(kUsualNodes);
}

Status PageRank::run(Adjacency& graph, std::span<const RankSeed> seeds,
                     const RankSettings& settings, WalkBudget& budget) {
  assert(!seeds.empty());
  settings_ = settings;
  met_.clear();
  nodes_.clear();
  shares_.clear();
  edges_.clear();
  queue_.clear();
  head_ = 0;
  for (const RankSeed& seed : seeds) {
    nodes_[meet(seed.id)].residual = seed.share;
    shares_.push_back(seed.share);
  }
  assert(nodes_.size() == shares_.size());
  for (std::uint32_t seed = 0; seed < shares_.size(); ++seed) enqueue(seed);
  while (head_ < queue_.size()) {
    const std::uint32_t number = dequeue();
    while (!nodes_[number].known && is_due(nodes_[number])) {
      AEON_TRY(read_edges(graph, number, budget));
      if (!budget.complete()) return {};
    }
    if (is_due(nodes_[number])) push(number);
  }
  return {};
}

double PageRank::arrived(std::size_t node) const noexcept {
  const double started = node < shares_.size() ? settings_.restart * shares_[node] : 0;
  return std::max(0.0, nodes_[node].estimate - started);
}

double PageRank::residual() const noexcept {
  double left = 0;
  for (const Node& node : nodes_) left += node.residual;
  return left;
}

bool PageRank::is_due(const Node& node) const noexcept {
  return node.residual >
         settings_.error * static_cast<double>(std::max<std::uint64_t>(1, node.cost));
}

std::uint32_t PageRank::meet(std::uint64_t id) {
  const auto [number, added] = met_.meet(id);
  if (added) nodes_.emplace_back();
  return number;
}

void PageRank::enqueue(std::uint32_t number) {
  Node& node = nodes_[number];
  if (node.queued || !is_due(node)) return;
  node.queued = true;
  queue_.push_back(number);
}

// What was taken is dropped now and then, so that the queue stays as long as what waits in it.
std::uint32_t PageRank::dequeue() {
  const std::uint32_t number = queue_[head_++];
  nodes_[number].queued = false;
  if (head_ >= kUsualNodes && 2 * head_ >= queue_.size()) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  return number;
}

// Reads twice as many as before where there are too many to be paid for now, so that reading a
// node in parts costs no more than a small multiple of reading it once.
Status PageRank::read_edges(Adjacency& graph, std::uint32_t number, WalkBudget& budget) {
  const std::uint64_t most = std::max(kFirstRead, 2 * nodes_[number].cost);
  const std::uint64_t before = budget.touched();
  AEON_ASSIGN(const bool all, budget.leaving(graph, met_.id(number), leaving_, most));
  nodes_[number].cost = budget.touched() - before;
  if (!all) return {};
  const auto first = static_cast<std::uint32_t>(edges_.size());
  double weight = 0;
  for (const WalkEdge& edge : leaving_) {
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

void PageRank::push(std::uint32_t number) {
  Node& node = nodes_[number];
  const double residual = node.residual;
  const double moved = (1 - settings_.restart) * residual;
  node.estimate += settings_.restart * residual;
  node.residual = 0;
  if (node.count == 0) {
    for (std::uint32_t seed = 0; seed < shares_.size(); ++seed) give(seed, moved * shares_[seed]);
    return;
  }
  const double weight = node.weight;
  for (std::uint32_t i = node.first, end = node.first + node.count; i < end; ++i) {
    give(edges_[i].to, moved * (edges_[i].weight / weight));
  }
}

void PageRank::give(std::uint32_t number, double amount) {
  nodes_[number].residual += amount;
  enqueue(number);
}

Result<double> page_rank(Adjacency& graph, std::span<const std::uint64_t> seeds,
                         const RankSettings& settings, WalkBudget& budget,
                         std::vector<Ranked>& ranked) {
  ranked.clear();
  std::vector<RankSeed> shared;
  for (const std::uint64_t seed : seeds) {
    shared.push_back({seed, 1 / static_cast<double>(seeds.size())});
  }
  PageRank walk;
  AEON_TRY(walk.run(graph, shared, settings, budget));
  for (std::size_t node = 0; node < walk.size(); ++node) {
    if (walk.rank(node) > 0) ranked.push_back({walk.id(node), walk.rank(node)});
  }
  return walk.residual();
}

}  // namespace aeon::graph
