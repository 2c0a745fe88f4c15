// Spreading activation, normalised by degree: the starts are active, and in every round each node
// passes a part of what it has just received on along its edges, in proportion to their weights. A
// node with many edges gives each of them little, so hubs do not drown what is near.
//
// Source: the idea is A. Collins and E. Loftus, "A Spreading-Activation Theory of Semantic
// Processing", Psychological Review 82 (1975); dividing by the weight of all edges of the giver
// makes a round a step of a random walk, so that no more activation is ever passed on than came in.
//
//   received(v, 0)     = 1 / starts for a start, else 0
//   received(v, i + 1) = sum over edges (u, v) of decay * received(u, i) * weight / weights(u)
//   activation(v)      = sum over rounds 0 .. rounds of received(v, i)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/adjacency.hpp"

namespace aeon::graph {

struct Activated {
  std::uint64_t id = 0;
  double activation = 0;
  std::uint32_t round = 0;  // in which it first received some: its distance
};

struct ActivationSettings {
  double decay = 0.8;  // within (0, 1]
  std::uint32_t rounds = 3;
  double least = 1e-4;  // what a node received and is less than this is not passed on
};

// Appends every node that received something, in the order they were met. `starts` are not empty
// and distinct. Returns the most that any activation may be short of, and all of them together,
// because of `least` or the budget: what was not passed on, times what it could have become.
[[nodiscard]] Result<double> activate(Adjacency& graph, std::span<const std::uint64_t> starts,
                                      const ActivationSettings& settings, WalkBudget& budget,
                                      std::vector<Activated>& activated);

}  // namespace aeon::graph
