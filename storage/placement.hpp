// Where memory and background threads go on a machine with several memory nodes: a plan made of the
// machine's topology and nothing else. os_memory.hpp reads the topology and carries the plan out.
//
// What arenas hold is read by every thread of the process, whatever node it runs on. So their pages
// are spread over the nodes in turn: all readers are equally far away, and no node's memory has to
// serve them alone. A background thread works for long on buffers of its own: it stays on one
// node's processors, each thread on the next node. On one node there is nothing to decide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace aeon::storage {

struct Topology {
  struct Node {
    std::uint32_t number = 0;
    bool online = true;
    std::uint64_t memory_bytes = 0;           // that this process may use
    std::vector<std::uint32_t> processors{};  // that this process may run on
  };
  std::vector<Node> nodes{};
};

struct Placement {
  std::vector<std::uint32_t> memory_nodes{};          // pages go to these in turn
  std::vector<std::vector<std::uint32_t>> workers{};  // processors of worker 0, 1, ...
  // Empty: everything is left to the system.
  [[nodiscard]] bool empty() const noexcept { return memory_nodes.empty(); }
  // The processors of the worker with that number, any number; empty: all.
  [[nodiscard]] std::vector<std::uint32_t> processors_of(std::size_t worker) const {
    return workers.empty() ? std::vector<std::uint32_t>{} : workers[worker % workers.size()];
  }
};

// Only nodes with both memory and processors count. Memory without processors is far from everyone,
// and often slow: the system uses it when the rest is full. Processors without memory of their own
// are no place for work on memory. Fewer than two such nodes: an empty plan.
[[nodiscard]] Placement plan_placement(const Topology& topology);

}  // namespace aeon::storage
