// Settled rows: a partition holds the rows of one space and tenant in one segment. Many rows are
// grouped by nearness (grouping.hpp), and each group, a cluster, is a run of rows that lie one
// behind another; few rows stand in the order of their commits as one cluster. What every visit
// needs (heads and codes) is packed row by row in `partition_rows`, so that a cluster is one
// contiguous sweep and a single row one run of cache lines; what filters need stands in columns in
// `partition_columns`; precise rows lie in `cluster_cold` and are touched only to rescore. All
// three are in the order of the clusters. Byte tables: format.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/route.hpp"
#include "engine/row_block.hpp"
#include "storage/segment.hpp"

namespace aeon::engine {

// Persisted: the items of a `partition_directory` section, sorted by (space, tenant). Offsets are
// relative to their sections.
struct PartitionEntry {
  std::uint32_t space = 0;
  std::uint32_t tenant = 0;
  std::uint32_t dimension = 0;
  std::uint32_t precision = 0;  // Precision
  std::uint32_t rows = 0;
  std::uint32_t clusters = 0;   // 0: the rows are not grouped
  std::uint32_t districts = 0;  // groups of neighbouring clusters
  float largest_norm = 0;       // of a row
  std::uint64_t rows_offset = 0;
  std::uint64_t columns_offset = 0;
  std::uint64_t cold_offset = 0;
  std::uint64_t route_offset = 0;
  std::uint64_t first_born = 0;
  std::uint64_t last_born = 0;
  std::array<float, kRecallLevels.size()> reach{};  // for each of kRecallLevels
  float mean_distance = 0;                          // see spread.hpp
  float distance_deviation = 0;
};
static_assert(sizeof(PartitionEntry) == 120 && std::is_trivially_copyable_v<PartitionEntry>);

// Where the columns of a partition lie, in bytes from their start; each starts on 64 bytes.
struct ColumnLayout {
  std::uint64_t exponents, times, nodes, sessions, kinds, bytes;
  [[nodiscard]] static ColumnLayout of(std::uint32_t rows) noexcept;
};

// An open partition. Trivial to copy; valid as long as its segment. Wait-free.
class PartitionView {
 public:
  // Errors: damaged when the entry does not fit into the segment's sections.
  [[nodiscard]] static Result<PartitionView> open(const storage::Segment& segment,
                                                  const PartitionEntry& entry);

  [[nodiscard]] const PartitionEntry& entry() const noexcept { return *entry_; }
  [[nodiscard]] std::uint32_t rows() const noexcept { return entry_->rows; }
  // Rows [first, first + count) as a block after checking the pages of rows and columns; count 0
  // with `damaged` set when one of them does not hold.
  [[nodiscard]] RowBlock block(std::uint32_t first, std::uint32_t count,
                               bool& damaged) const noexcept;
  // For salvage: one row with its head, codes and precise values and no column that only filters
  // need, so that damage to those does not hide it.
  [[nodiscard]] RowBlock bare_row(std::uint32_t row, bool& damaged) const noexcept;
  // One packed row after checking its pages, or null; `row` must be below rows().
  [[nodiscard]] const std::byte* packed(std::uint32_t row) const noexcept {
    return segment_->checked(rows_at_ + row * stride_, stride_);
  }
  [[nodiscard]] const storage::Segment& segment() const noexcept { return *segment_; }
  // The route after checking its pages; nothing when the rows are not grouped or a page is damaged.
  [[nodiscard]] std::optional<RouteView> route() const noexcept;

 private:
  const storage::Segment* segment_ = nullptr;
  const PartitionEntry* entry_ = nullptr;
  std::size_t stride_ = 0;
  std::uint64_t rows_at_ = 0;  // offsets in the file
  std::uint64_t columns_at_ = 0;
  std::uint64_t cold_at_ = 0;
  std::uint64_t route_at_ = 0;
};

}  // namespace aeon::engine
