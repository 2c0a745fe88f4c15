// Writes the partitions of a segment from rows in any blocks: groups what is large enough, packs
// rows cluster after cluster, and indexes rows, links and ends by node.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "engine/ends.hpp"
#include "engine/links.hpp"
#include "engine/partition.hpp"
#include "engine/row_block.hpp"
#include "storage/segment.hpp"

namespace aeon::engine {

// The rows of one space and tenant, from any number of blocks.
struct PartitionRows {
  std::uint32_t space = 0;
  std::uint32_t tenant = 0;
  std::uint32_t dimension = 0;
  Precision precision = Precision::int8;
  Metric metric = Metric::cosine;
  std::vector<RowBlock> blocks;

  [[nodiscard]] std::uint64_t rows() const noexcept;
};

// The links of a node, wherever they lie: in RAM, where they may still change but no longer do when
// this is used, or in a segment.
struct NodeLinks {
  std::uint32_t space = 0;
  std::uint32_t node = 0;
  const std::byte* list = nullptr;  // a LinkList's bytes
};

struct PartitionSources {
  std::vector<PartitionRows> partitions;  // sorted by (space, tenant)
  std::vector<NodeLinks> links;           // sorted by (space, node), one a node
  std::vector<EndEntry> ends;             // sorted by (space, node)
  // The lists of rows that are left out, sorted likewise: whoever was linked to one of them gets
  // links to what lay behind it.
  std::vector<NodeLinks> gone;
  // By space number - 1: all node numbers are below. Empty: not known.
  std::vector<std::uint32_t> next_node;
  bool whole = false;  // links to rows that are not here lead nowhere
};

// Writes the sections of rows, links and ends. Errors: too_large (more than 2^32 rows of one
// partition), damaged when a block's precise rows can't be read, and those of the writer.
[[nodiscard]] Status write_partitions(storage::SegmentWriter& writer, PartitionSources& sources);

}  // namespace aeon::engine
