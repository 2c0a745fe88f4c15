// Settled rows: clusters in a segment. A cluster holds up to kClusterRows rows of one space and
// tenant in columns. Many rows are grouped by nearness, a cluster a group, and get a route
// (route.hpp); few stay in the order of their commits and are all scanned. A cluster's hot part
// (codes, stamps) is one contiguous sweep, its cold part (precise rows) lies in a section of its
// own and is touched only to rescore. Byte tables: format.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/route.hpp"
#include "engine/row_block.hpp"
#include "storage/segment.hpp"

namespace aeon::engine {

inline constexpr std::uint32_t kClusterRows = 4096;

// Persisted: the items of a `cluster_directory` section, sorted by (space, tenant, cluster,
// slice). Offsets are relative to their sections. Cluster 0: rows in commit order; 1 and up: groups
// of neighbours, which have a route. Within a cluster rows stand by node number.
struct ClusterEntry {
  std::uint32_t space = 0;
  std::uint32_t tenant = 0;
  std::uint32_t cluster = 0;
  std::uint32_t slice = 0;  // 0: the base; n: the n-th addition to it
  std::uint32_t rows = 0;
  std::uint32_t dimension = 0;
  std::uint32_t precision = 0;  // Precision
  std::uint32_t columns = 0;    // bit set of optional columns; none is defined yet
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

// Where the columns of a hot part lie, in bytes from its start; each starts on 64 bytes.
struct HotLayout {
  std::uint64_t codes, sums, scales, norms, errors, exponents, ids, born, times, nodes, sessions,
      kinds, bytes;
  [[nodiscard]] static HotLayout of(std::uint32_t rows, std::uint32_t dimension) noexcept;
};

// The rows of one space and tenant, from any number of blocks, in the order to be written.
struct PartitionRows {
  std::uint32_t space = 0;
  std::uint32_t tenant = 0;
  std::uint32_t dimension = 0;
  Precision precision = Precision::int8;
  Metric metric = Metric::cosine;
  std::vector<RowBlock> blocks;
  std::optional<Route> route;  // set by write_clusters where the rows are many

  [[nodiscard]] std::uint64_t rows() const noexcept;
};

// Groups what is large enough, and writes the sections of rows, directory and routes. `partitions`
// must be sorted by (space, tenant). Errors: damaged when a block's precise rows can't be read, and
// those of the writer.
[[nodiscard]] Status write_clusters(storage::SegmentWriter& writer,
                                    std::span<PartitionRows> partitions);

// The directory's entries for a partition; `entries` is sorted.
[[nodiscard]] std::span<const ClusterEntry> find_partition(std::span<const ClusterEntry> entries,
                                                           std::uint32_t space,
                                                           std::uint32_t tenant) noexcept;

// A settled cluster as a block of columns after checking its hot pages; count 0 with `damaged`
// set when a page or the entry itself does not hold.
[[nodiscard]] RowBlock read_cluster(const storage::Segment& segment, const ClusterEntry& entry,
                                    bool& damaged) noexcept;

}  // namespace aeon::engine
