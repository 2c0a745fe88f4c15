#include "graph/activation.hpp"

namespace aeon::graph {

namespace {

// What one unit that is not passed on in a round would have added by the end.
double worth(const ActivationSettings& settings, std::uint32_t round) {
  double sum = 0;
  double unit = 1;
  for (std::uint32_t i = round; i < settings.rounds; ++i) {
    unit *= settings.decay;
    sum += unit;
  }
  return sum;
}

}  // namespace

Result<double> activate(Adjacency& graph, std::span<const std::uint64_t> starts,
                        const ActivationSettings& settings, WalkBudget& budget,
                        std::vector<Activated>& activated) {
  activated.clear();
  MetNodes met;
  std::vector<double> received;  // in the round before, by the node's number
  std::vector<double> arriving;
  std::vector<std::uint32_t> active;  // those with something received, in the order they were met
  for (const std::uint64_t start : starts) {
    active.push_back(met.meet(start).first);
    received.push_back(1 / static_cast<double>(starts.size()));
    activated.push_back({start, received.back(), 0});
  }
  double short_of = 0;
  std::vector<WalkEdge> edges;
  bool all = true;
  for (std::uint32_t round = 0; round < settings.rounds; ++round) {
    std::vector<std::uint32_t> next;
    arriving.assign(received.size(), 0);
    for (const std::uint32_t number : active) {
      const double has = received[number];
      if (all && has >= settings.least) {
        AEON_ASSIGN(all, budget.leaving(graph, met.id(number), edges));
      }
      if (!all || has < settings.least) {
        short_of += has * worth(settings, round);
        continue;
      }
      double weights = 0;
      for (const WalkEdge& edge : edges) weights += edge.weight;
      for (const WalkEdge& edge : edges) {
        const auto [to, added] = met.meet(edge.to);
        if (added) {
          arriving.push_back(0);
          activated.push_back({edge.to, 0, round + 1});
        }
        const double amount = settings.decay * has * (edge.weight / weights);
        if (arriving[to] == 0 && amount > 0) next.push_back(to);
        arriving[to] += amount;
      }
    }
    for (const std::uint32_t number : next) activated[number].activation += arriving[number];
    received = arriving;
    active = std::move(next);
  }
  return short_of;
}

}  // namespace aeon::graph
