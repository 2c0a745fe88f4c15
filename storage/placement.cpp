#include "storage/placement.hpp"

namespace aeon::storage {

Placement plan_placement(const Topology& topology) {
  Placement placement;
  for (const Topology::Node& node : topology.nodes) {
    if (!node.online || node.memory_bytes == 0 || node.processors.empty()) continue;
    placement.memory_nodes.push_back(node.number);
    placement.workers.push_back(node.processors);
  }
  return placement.memory_nodes.size() < 2 ? Placement{} : placement;
}

}  // namespace aeon::storage
