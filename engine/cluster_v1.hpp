// Rows as format version 1 settled them: clusters of up to kClusterRows rows in commit order, all
// in columns, without a graph. Read only; the next merge writes them as partitions. Byte tables:
// format.md.
#pragma once

#include <cstdint>

#include "engine/row_block.hpp"
#include "storage/segment.hpp"

namespace aeon::engine {

inline constexpr std::uint32_t kClusterRows = 4096;

// Persisted: the items of a `cluster_directory` section, sorted by (space, tenant, cluster,
// slice). Offsets are relative to their sections.
struct ClusterEntry {
  std::uint32_t space = 0;
  std::uint32_t tenant = 0;
  std::uint32_t cluster = 0;
  std::uint32_t slice = 0;
  std::uint32_t rows = 0;
  std::uint32_t dimension = 0;
  std::uint32_t precision = 0;  // Precision
  std::uint32_t columns = 0;
  std::uint64_t hot_offset = 0;
  std::uint64_t hot_bytes = 0;
  std::uint64_t cold_offset = 0;
  std::uint64_t cold_bytes = 0;
  std::uint64_t first_born = 0;
  std::uint64_t last_born = 0;
  std::uint64_t reserved = 0;
};
static_assert(sizeof(ClusterEntry) == 88);
static_assert(std::has_unique_object_representations_v<ClusterEntry>);

// A settled cluster as a block of columns after checking its hot pages; count 0 with `damaged`
// set when a page or the entry itself does not hold.
[[nodiscard]] RowBlock read_cluster(const storage::Segment& segment, const ClusterEntry& entry,
                                    bool& damaged) noexcept;

}  // namespace aeon::engine
