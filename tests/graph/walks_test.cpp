// The walks of the graph against oracles that are naive and know everything: distances by relaxing
// all edges, PageRank and activation by iterating over the whole graph in long double.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "graph/activation.hpp"
#include "graph/breadth_first.hpp"
#include "graph/page_rank.hpp"

using namespace aeon;
using namespace aeon::graph;

namespace {

// Nodes are numbered from 1. Some edges are hidden: looked at, not walked.
class PlainGraph final : public Adjacency {
 public:
  explicit PlainGraph(std::size_t nodes) : edges_(nodes + 1), hidden_(nodes + 1) {}
  void link(std::uint64_t from, std::uint64_t to, double weight) {
    edges_[from].push_back({to, weight});
  }
  void hide(std::uint64_t from) { ++hidden_[from]; }
  [[nodiscard]] std::size_t nodes() const { return edges_.size() - 1; }
  [[nodiscard]] const std::vector<WalkEdge>& of(std::uint64_t node) const { return edges_[node]; }
  [[nodiscard]] std::uint64_t cost(std::uint64_t node) const {
    return hidden_[node] + edges_[node].size();
  }

  Result<bool> leaving(std::uint64_t node, std::uint64_t most, std::vector<WalkEdge>& edges,
                       std::uint64_t& touched) override {
    if (fails_at == node) return fail(Errc::damaged, "here");
    const std::uint64_t all = hidden_[node] + edges_[node].size();
    const std::uint64_t looked = std::min(all, most);
    touched += looked;
    const std::uint64_t shown = looked - std::min(looked, hidden_[node]);
    edges.assign(edges_[node].begin(), edges_[node].begin() + static_cast<std::ptrdiff_t>(shown));
    return looked == all;
  }
  std::uint64_t fails_at = 0;

 private:
  std::vector<std::vector<WalkEdge>> edges_;
  std::vector<std::uint64_t> hidden_;
};

std::size_t random_size(std::mt19937_64& random) { return 2 + random() % 40; }

// Sparse and dense, with hubs, cycles, self edges, parallel edges and nodes that lead nowhere.
void fill(PlainGraph& graph, std::mt19937_64& random, bool hides = false) {
  const std::size_t nodes = graph.nodes();
  const std::size_t edges = random() % (nodes * 5);
  for (std::size_t i = 0; i < edges; ++i) {
    const std::uint64_t from = random() % 4 == 0 ? 1 : 1 + random() % nodes;
    const std::uint64_t to = random() % 4 == 0 ? 1 + nodes / 2 : 1 + random() % nodes;
    graph.link(from, to, random() % 3 == 0 ? 1.0 : static_cast<double>(1 + random() % 90) / 10);
    if (hides && random() % 3 == 0) graph.hide(from);
  }
}

std::vector<std::uint64_t> random_starts(std::mt19937_64& random, const PlainGraph& graph) {
  std::vector<std::uint64_t> starts;
  for (std::uint64_t i = 0; i < 1 + random() % 3; ++i) {
    const std::uint64_t start = 1 + random() % graph.nodes();
    if (std::ranges::count(starts, start) == 0) starts.push_back(start);
  }
  return starts;
}

std::map<std::uint64_t, std::uint32_t> true_distances(const PlainGraph& graph,
                                                      std::span<const std::uint64_t> starts) {
  std::map<std::uint64_t, std::uint32_t> distances;
  for (const std::uint64_t start : starts) distances[start] = 0;
  for (std::size_t round = 0; round < graph.nodes(); ++round) {
    for (std::uint64_t node = 1; node <= graph.nodes(); ++node) {
      if (!distances.contains(node)) continue;
      for (const WalkEdge& edge : graph.of(node)) {
        const auto [at, added] = distances.try_emplace(edge.to, distances[node] + 1);
        if (!added) at->second = std::min(at->second, distances[node] + 1);
      }
    }
  }
  return distances;
}

// Solves rank = restart * start + (1 - restart) * rank * transition by iterating to the end.
std::vector<long double> true_ranks(const PlainGraph& graph, std::span<const std::uint64_t> starts,
                                    double restart) {
  std::vector<long double> walker(graph.nodes() + 1);
  for (const std::uint64_t start : starts) {
    walker[start] = 1.0L / static_cast<long double>(starts.size());
  }
  std::vector<long double> ranks(walker.size());
  const std::vector<long double> begin = walker;
  for (int step = 0; step < 400; ++step) {
    std::vector<long double> next(walker.size());
    for (std::uint64_t node = 1; node <= graph.nodes(); ++node) {
      ranks[node] += restart * walker[node];
      const long double moved = (1 - static_cast<long double>(restart)) * walker[node];
      long double weights = 0;
      for (const WalkEdge& edge : graph.of(node)) weights += edge.weight;
      for (const WalkEdge& edge : graph.of(node)) next[edge.to] += moved * edge.weight / weights;
      if (graph.of(node).empty()) {
        for (std::uint64_t to = 1; to <= graph.nodes(); ++to) next[to] += moved * begin[to];
      }
    }
    walker = next;
  }
  return ranks;
}

std::vector<long double> true_activation(const PlainGraph& graph,
                                         std::span<const std::uint64_t> starts, double decay,
                                         std::uint32_t rounds) {
  std::vector<long double> received(graph.nodes() + 1);
  for (const std::uint64_t start : starts) {
    received[start] = 1.0L / static_cast<long double>(starts.size());
  }
  std::vector<long double> sum = received;
  for (std::uint32_t round = 0; round < rounds; ++round) {
    std::vector<long double> next(received.size());
    for (std::uint64_t node = 1; node <= graph.nodes(); ++node) {
      long double weights = 0;
      for (const WalkEdge& edge : graph.of(node)) weights += edge.weight;
      for (const WalkEdge& edge : graph.of(node)) {
        next[edge.to] += decay * received[node] * edge.weight / weights;
      }
    }
    received = next;
    for (std::uint64_t node = 1; node <= graph.nodes(); ++node) sum[node] += received[node];
  }
  return sum;
}

}  // namespace

TEST_CASE("a breadth-first walk finds everything within its hops, at its true distance") {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    PlainGraph graph(random_size(random));
    fill(graph, random, true);
    const auto starts = random_starts(random, graph);
    const auto distances = true_distances(graph, starts);
    const auto hops = static_cast<std::uint32_t>(random() % 5);
    WalkBudget budget(UINT64_MAX);
    std::vector<Reached> reached;
    REQUIRE(reach(graph, starts, {hops, UINT64_MAX, 0}, budget, reached).has_value());
    REQUIRE(budget.complete());
    std::map<std::uint64_t, std::uint32_t> found;
    std::uint32_t before = 0;
    for (const Reached& node : reached) {
      REQUIRE(found.emplace(node.id, node.hops).second);
      REQUIRE(node.hops >= before);
      before = node.hops;
      REQUIRE((node.via == 0) == (node.hops == 0));
      if (node.via == 0) continue;
      REQUIRE(found.at(node.via) + 1 == node.hops);
      REQUIRE(std::ranges::count(graph.of(node.via), node.id, &WalkEdge::to) > 0);
    }
    std::map<std::uint64_t, std::uint32_t> wanted = distances;
    std::erase_if(wanted, [&](const auto& at) { return at.second > hops; });
    REQUIRE(found == wanted);
    // A bound on nodes or edges cuts the end off and nothing else.
    const std::uint64_t nodes = random() % 10;
    std::vector<Reached> fewer;
    WalkBudget some(random() % 30);
    REQUIRE(reach(graph, starts, {hops, nodes, 0}, some, fewer).has_value());
    REQUIRE(fewer.size() <= starts.size() + nodes);
    REQUIRE(some.touched() <= 30);
    for (std::size_t i = 0; i < fewer.size(); ++i) {
      REQUIRE(fewer[i].id == reached[i].id);
      REQUIRE(fewer[i].hops == reached[i].hops);
    }
    if (fewer.size() < reached.size() && fewer.size() < starts.size() + nodes) {
      REQUIRE_FALSE(some.complete());
    }
  }
}

TEST_CASE("a path is a shortest one") {
  std::mt19937_64 random(2);
  int found = 0;
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    PlainGraph graph(random_size(random));
    fill(graph, random);
    const auto starts = random_starts(random, graph);
    const std::uint64_t target = 1 + random() % graph.nodes();
    const auto distances = true_distances(graph, starts);
    WalkBudget budget(UINT64_MAX);
    std::vector<Reached> reached;
    REQUIRE(reach(graph, starts, {100, UINT64_MAX, target}, budget, reached).has_value());
    REQUIRE((reached.back().id == target) == distances.contains(target));
    if (!distances.contains(target)) continue;
    ++found;
    const auto path = path_to_last(reached);
    REQUIRE(path.size() == distances.at(target) + 1);
    REQUIRE(std::ranges::count(starts, path.front()) == 1);
    REQUIRE(path.back() == target);
    for (std::size_t i = 1; i < path.size(); ++i) {
      REQUIRE(std::ranges::count(graph.of(path[i - 1]), path[i], &WalkEdge::to) > 0);
    }
  }
  CHECK(found > 500);
}

TEST_CASE("PageRank by local push is within its residual of the true one") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 1500; ++round) {
    CAPTURE(round);
    PlainGraph graph(random_size(random));
    fill(graph, random, round % 2 == 0);
    const auto starts = random_starts(random, graph);
    const double restart = 0.1 + 0.1 * static_cast<double>(random() % 5);
    const double error = std::pow(10.0, -1.0 - static_cast<double>(random() % 6));
    const auto truth = true_ranks(graph, starts, restart);
    const bool bounded = random() % 4 == 0;
    WalkBudget budget(bounded ? random() % 50 : UINT64_MAX);
    std::vector<Ranked> ranked;
    const auto residual = page_rank(graph, starts, {restart, error}, budget, ranked);
    REQUIRE(residual.has_value());
    std::map<std::uint64_t, double> ranks;
    for (const Ranked& node : ranked) REQUIRE(ranks.emplace(node.id, node.rank).second);
    long double short_of = 0;
    for (std::uint64_t node = 1; node <= graph.nodes(); ++node) {
      const long double rank = ranks.contains(node) ? ranks[node] : 0;
      const long double difference = truth[node] - rank;
      REQUIRE(difference > -1e-12L);
      REQUIRE(difference < *residual + 1e-12L);
      short_of += difference;
    }
    REQUIRE(std::fabs(static_cast<double>(short_of) - *residual) < 1e-9);
    if (!bounded) {
      REQUIRE(budget.complete());
      // No node is left with more than its edges are worth, and the work is bounded.
      REQUIRE(static_cast<double>(budget.touched()) <=
              (1 / restart + 4) / error + 64 * static_cast<double>(graph.nodes()));
      double most = 0;
      for (std::uint64_t node = 1; node <= graph.nodes(); ++node) {
        most += error * static_cast<double>(std::max<std::uint64_t>(1, graph.cost(node)));
      }
      REQUIRE(*residual <= most + 1e-12);
    }
  }
}

TEST_CASE("of a node with more edges than its residual pays for only a part is read") {
  PlainGraph graph(100'002);
  graph.link(1, 2, 1);
  for (std::uint64_t to = 3; to <= 100'002; ++to) graph.link(2, to, 1);
  WalkBudget budget(UINT64_MAX);
  std::vector<Ranked> ranked;
  const std::vector<std::uint64_t> starts = {1};
  const auto residual = page_rank(graph, starts, {0.15, 1e-3}, budget, ranked);
  REQUIRE(residual.has_value());
  CHECK(budget.touched() < 5000);
  CHECK(budget.complete());
  CHECK(*residual > 0.8);
}

TEST_CASE("activation is within its stated error of the true one") {
  std::mt19937_64 random(4);
  for (int round = 0; round < 1500; ++round) {
    CAPTURE(round);
    PlainGraph graph(random_size(random));
    fill(graph, random, round % 2 == 0);
    const auto starts = random_starts(random, graph);
    const double decay = 0.2 + 0.2 * static_cast<double>(random() % 5);
    const auto rounds = static_cast<std::uint32_t>(random() % 6);
    const double least = random() % 2 == 0 ? 1e-300 : 1e-3 * static_cast<double>(1 + random() % 50);
    const auto truth = true_activation(graph, starts, decay, rounds);
    const bool bounded = random() % 4 == 0;
    WalkBudget budget(bounded ? random() % 40 : UINT64_MAX);
    std::vector<Activated> activated;
    const auto error = activate(graph, starts, {decay, rounds, least}, budget, activated);
    REQUIRE(error.has_value());
    if (!bounded && least == 1e-300) REQUIRE(*error < 1e-200);
    std::map<std::uint64_t, const Activated*> found;
    for (const Activated& node : activated) REQUIRE(found.emplace(node.id, &node).second);
    const auto distances = true_distances(graph, starts);
    long double short_of = 0;
    for (std::uint64_t node = 1; node <= graph.nodes(); ++node) {
      const long double has = found.contains(node) ? found[node]->activation : 0;
      const long double difference = truth[node] - has;
      REQUIRE(difference > -1e-12L);
      short_of += difference;
      if (found.contains(node) && *error < 1e-200) {
        REQUIRE(found[node]->round == distances.at(node));
      }
    }
    REQUIRE(short_of < *error + 1e-9L);
  }
}

TEST_CASE("a walk ends with the error of its graph") {
  PlainGraph graph(3);
  graph.link(1, 2, 1);
  graph.link(2, 3, 1);
  graph.fails_at = 2;
  const std::vector<std::uint64_t> starts = {1};
  WalkBudget budget(100);
  std::vector<Reached> reached;
  std::vector<Ranked> ranked;
  std::vector<Activated> activated;
  CHECK(reach(graph, starts, {5, 100, 0}, budget, reached).error().code == Errc::damaged);
  CHECK(page_rank(graph, starts, {}, budget, ranked).error().code == Errc::damaged);
  CHECK(activate(graph, starts, {}, budget, activated).error().code == Errc::damaged);
}
