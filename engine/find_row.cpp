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

std::optional<FoundRow> find_in(const Tail& tail, RowName name, std::uint32_t tenant) {
  const SpaceTail* space = tail.space(name.space);
  if (space == nullptr) return {};
  const SpaceTail::Row row = space->row(name.node);
  if (row.packed == nullptr || row.tail->tenant() != tenant) return {};
  const std::uint32_t index = row.tail->index_in(*row.chunk, row.packed);
  return FoundRow{row.tail->block(*row.chunk, index + 1), index};
}

std::optional<FoundRow> find_in(const SegmentView& segment, RowName name, std::uint32_t tenant,
                                bool& damaged) {
  if (const SegmentView::Nodes* nodes = segment.nodes(name.space)) {
    const SegmentView::Row row = segment.row(*nodes, name.node, damaged);
    if (row.partition == nullptr || row.partition->entry().tenant != tenant) return {};
    const RowBlock block = row.partition->block(row.row, 1, damaged);
    if (block.count == 0 || block.nodes[0] != name.node) return {};
    return FoundRow{block, 0};
  }
  for (const ClusterEntry& entry : segment.clusters()) {
    if (entry.space != name.space || entry.tenant != tenant) continue;
    if (auto found = find_in(read_cluster(segment.segment(), entry, damaged), name.node)) {
      return found;
    }
  }
  return {};
}

}  // namespace

Result<FoundRow> find_row(const Reading& reading, RowName name, std::uint32_t tenant) {
  bool damaged = false;
  for (const auto& tail : reading.view.tails()) {
    if (const auto found = find_in(*tail, name, tenant)) return *found;
  }
  for (const auto& segment : reading.view.segments()) {
    if (const auto found = find_in(*segment, name, tenant, damaged)) return *found;
  }
  return fail(Errc::damaged, fmt::format("row {} of space {} is {}; run aeon verify", name.node,
                                         name.space, damaged ? "on a damaged page" : "missing"));
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
