#include "engine/find_row.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace aeon::engine {

namespace {

std::optional<FoundRow> find_in(const RowBlock& block, std::uint32_t node) {
  if (block.count == 0 || node < block.nodes[0] || node > block.nodes[block.count - 1]) return {};
  const std::uint32_t* end = block.nodes + block.count;
  const std::uint32_t* at = std::lower_bound(block.nodes, end, node);
  if (at == end || *at != node) return {};
  return FoundRow{block, static_cast<std::uint32_t>(at - block.nodes)};
}

}  // namespace

Result<FoundRow> find_row(const Reading& reading, RowName name, std::uint32_t tenant) {
  std::optional<FoundRow> found;
  bool damaged = false;
  for (const auto& tail : reading.view.tails()) {
    const RowTail* rows = tail->rows(name.space, tenant);
    if (rows == nullptr) continue;
    rows->for_each_block([&](const RowBlock& block) {
      if (!found) found = find_in(block, name.node);
    });
    if (found) return *found;
  }
  for (const auto& segment : reading.view.segments()) {
    auto entries = find_partition(segment->clusters(), name.space, tenant);
    if (const RouteEntry* route = segment->route(name.space, tenant)) {
      const std::uint32_t cluster = cluster_of(segment->segment(), *route, name.node, damaged);
      entries = cluster < entries.size() ? entries.subspan(cluster, 1) : entries.first(0);
    }
    for (const ClusterEntry& entry : entries) {
      found = find_in(read_cluster(segment->segment(), entry, damaged), name.node);
      if (found) return *found;
    }
  }
  return fail(Errc::damaged, fmt::format("row {} of space {} is {}; run aeon verify", name.node,
                                         name.space, damaged ? "in a damaged cluster" : "missing"));
}

Status read_row(const Reading& reading, RowName name, std::uint32_t tenant, CommitNumber version,
                MemoryId id, std::span<float> values) {
  AEON_ASSIGN(const FoundRow found, find_row(reading, name, tenant));
  if (found.block.ids[found.row] != id || found.block.born[found.row] != version ||
      found.block.dimension != values.size()) {
    return fail(Errc::damaged, fmt::format("row {} of space {} does not belong to version {} of "
                                           "memory {}; run aeon verify",
                                           name.node, name.space, version, id));
  }
  if (stored_values(found.block, found.row, values)) return {};
  return fail(Errc::damaged, fmt::format("the vector of memory {} is on a damaged page; run aeon "
                                         "verify",
                                         id));
}

}  // namespace aeon::engine
