#include "engine/cluster.hpp"

#include <algorithm>
#include <cstring>
#include <tuple>

#include <fmt/format.h>

namespace aeon::engine {

namespace {

constexpr std::uint64_t align64(std::uint64_t offset) { return (offset + 63) / 64 * 64; }

// Walks the rows of a partition in the order to be written.
class RowCursor {
 public:
  explicit RowCursor(const PartitionRows& partition)
      : blocks_(partition.blocks),
        order_(partition.route ? std::span(partition.route->grouping.order)
                               : std::span<const RowPlace>{}) {}

  // Calls visit(block, first row, count) for runs that make up the next `count` rows.
  template <typename Visit>
  Status take(std::uint32_t count, Visit&& visit) {
    for (; !order_.empty() && count > 0; --count) {
      const RowPlace place = order_.front();
      order_ = order_.subspan(1);
      AEON_TRY(visit(blocks_[place.block], place.row, 1U));
    }
    while (count > 0) {
      const RowBlock& block = blocks_[block_];
      const std::uint32_t run = std::min(count, block.count - row_);
      if (run > 0) AEON_TRY(visit(block, row_, run));
      row_ += run;
      count -= run;
      if (row_ == block.count) {
        ++block_;
        row_ = 0;
      }
    }
    return {};
  }

 private:
  std::span<const RowBlock> blocks_;
  std::span<const RowPlace> order_;
  std::size_t block_ = 0;
  std::uint32_t row_ = 0;
};

// Copies rows of one block behind the `at` rows that the hot part holds already.
void gather_hot(std::vector<std::byte>& hot, const HotLayout& to, std::uint32_t at,
                const RowBlock& from, std::uint32_t first, std::uint32_t count) {
  const auto copy = [&]<typename T>(std::uint64_t column, const T* source, std::size_t items) {
    std::memcpy(hot.data() + column + at * items * sizeof(T), source + first * items,
                count * items * sizeof(T));
  };
  copy(to.codes, from.codes, from.stride);
  copy(to.sums, from.sums, 1);
  copy(to.scales, from.scales, 1);
  copy(to.norms, from.norms, 1);
  copy(to.errors, from.errors, 1);
  copy(to.exponents, from.exponents, 1);
  copy(to.ids, from.ids, 1);
  copy(to.born, from.born, 1);
  copy(to.times, from.times, 1);
  copy(to.nodes, from.nodes, 1);
  copy(to.sessions, from.sessions, 1);
  copy(to.kinds, from.kinds, 1);
}

// Calls visit(partition, cursor, cluster number, rows) for every cluster in directory order.
template <typename Visit>
Status for_each_cluster(std::span<const PartitionRows> partitions, Visit&& visit) {
  for (const PartitionRows& partition : partitions) {
    RowCursor cursor(partition);
    if (partition.route) {
      std::uint32_t cluster = 0;
      for (const std::uint32_t rows : partition.route->grouping.rows) {
        AEON_TRY(visit(partition, cursor, ++cluster, rows));
      }
      continue;
    }
    for (std::uint64_t left = partition.rows(); left > 0;) {
      const auto rows = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, kClusterRows));
      AEON_TRY(visit(partition, cursor, 0U, rows));
      left -= rows;
    }
  }
  return {};
}

Status write_hot(storage::SegmentWriter& writer, std::span<const PartitionRows> partitions,
                 std::vector<ClusterEntry>& directory) {
  std::vector<std::byte> hot;
  AEON_TRY(writer.begin_section(storage::SectionKind::cluster_hot, storage::kPageBytes));
  AEON_TRY(for_each_cluster(
      partitions,
      [&](const PartitionRows& partition, RowCursor& cursor, std::uint32_t cluster,
          std::uint32_t rows) -> Status {
        const HotLayout layout = HotLayout::of(rows, partition.dimension);
        hot.assign(layout.bytes, std::byte{0});
        ClusterEntry entry;
        entry.space = partition.space;
        entry.tenant = partition.tenant;
        entry.cluster = cluster;
        entry.rows = rows;
        entry.dimension = partition.dimension;
        entry.precision = static_cast<std::uint32_t>(partition.precision);
        std::uint32_t at = 0;
        AEON_TRY(cursor.take(
            rows, [&](const RowBlock& block, std::uint32_t first, std::uint32_t count) -> Status {
              gather_hot(hot, layout, at, block, first, count);
              at += count;
              return {};
            }));
        const auto* born = reinterpret_cast<const std::uint64_t*>(hot.data() + layout.born);
        const auto [least, greatest] = std::minmax_element(born, born + rows);
        entry.first_born = *least;
        entry.last_born = *greatest;
        entry.hot_offset = writer.section_offset();
        entry.hot_bytes = layout.bytes;
        directory.push_back(entry);
        return writer.append(hot);
      }));
  return writer.end_section(directory.size());
}

Status write_cold(storage::SegmentWriter& writer, std::span<const PartitionRows> partitions,
                  std::vector<ClusterEntry>& directory) {
  std::size_t index = 0;
  AEON_TRY(writer.begin_section(storage::SectionKind::cluster_cold, storage::kPageBytes));
  AEON_TRY(for_each_cluster(
      partitions,
      [&](const PartitionRows& partition, RowCursor& cursor, std::uint32_t,
          std::uint32_t rows) -> Status {
        const std::size_t bytes = precise_bytes(partition.precision, partition.dimension);
        ClusterEntry& entry = directory[index++];
        AEON_TRY(writer.align(64));
        entry.cold_offset = writer.section_offset();
        entry.cold_bytes = bytes * rows;
        if (bytes == 0) return {};
        return cursor.take(
            rows, [&](const RowBlock& block, std::uint32_t first, std::uint32_t count) {
              const std::byte* from = precise_rows(block, first, count);
              if (from == nullptr) {
                return Status(fail(Errc::damaged,
                                   "settling rows: a precise row of an older segment is "
                                   "damaged; run aeon verify to see where"));
              }
              return writer.append({from, bytes * count});
            });
      }));
  return writer.end_section(directory.size());
}

Status write_routes(storage::SegmentWriter& writer, std::span<const PartitionRows> partitions) {
  std::vector<RouteEntry> routes;
  AEON_TRY(writer.begin_section(storage::SectionKind::cluster_centroids, storage::kPageBytes));
  for (const PartitionRows& partition : partitions) {
    if (!partition.route) continue;
    RouteEntry& entry = routes.emplace_back();
    entry.space = partition.space;
    entry.tenant = partition.tenant;
    entry.dimension = partition.dimension;
    AEON_TRY(write_centroids(writer, *partition.route, entry));
  }
  AEON_TRY(writer.end_section(routes.size()));
  AEON_TRY(writer.begin_section(storage::SectionKind::cluster_places));
  std::size_t index = 0;
  for (const PartitionRows& partition : partitions) {
    if (!partition.route) continue;
    AEON_TRY(write_places(writer, *partition.route, partition.blocks, routes[index++]));
  }
  AEON_TRY(writer.end_section(routes.size()));
  AEON_TRY(writer.begin_section(storage::SectionKind::cluster_routes));
  AEON_TRY(writer.append(std::as_bytes(std::span(routes))));
  return writer.end_section(routes.size());
}

}  // namespace

HotLayout HotLayout::of(std::uint32_t rows, std::uint32_t dimension) noexcept {
  HotLayout layout{};
  std::uint64_t at = 0;
  const auto column = [&](std::uint64_t item) {
    const std::uint64_t start = at;
    at = align64(at + item * rows);
    return start;
  };
  layout.codes = column(code_stride(dimension));
  layout.sums = column(4);
  layout.scales = column(4);
  layout.norms = column(4);
  layout.errors = column(4);
  layout.exponents = column(2);
  layout.ids = column(8);
  layout.born = column(8);
  layout.times = column(8);
  layout.nodes = column(4);
  layout.sessions = column(4);
  layout.kinds = column(4);
  layout.bytes = at;
  return layout;
}

std::uint64_t PartitionRows::rows() const noexcept {
  std::uint64_t rows = 0;
  for (const RowBlock& block : blocks) rows += block.count;
  return rows;
}

Status write_clusters(storage::SegmentWriter& writer, std::span<PartitionRows> partitions) {
  bool routed = false;
  for (PartitionRows& partition : partitions) {
    std::erase_if(partition.blocks, [](const RowBlock& block) { return block.count == 0; });
    if (partition.rows() < kRoutedRows) continue;
    partition.route = make_route(partition.blocks, partition.metric);
    routed = true;
  }
  std::vector<ClusterEntry> directory;
  AEON_TRY(write_hot(writer, partitions, directory));
  AEON_TRY(write_cold(writer, partitions, directory));
  AEON_TRY(writer.begin_section(storage::SectionKind::cluster_directory));
  AEON_TRY(writer.append(std::as_bytes(std::span(directory))));
  AEON_TRY(writer.end_section(directory.size()));
  return routed ? write_routes(writer, partitions) : Status{};
}

std::span<const ClusterEntry> find_partition(std::span<const ClusterEntry> entries,
                                             std::uint32_t space, std::uint32_t tenant) noexcept {
  const auto less = [](const ClusterEntry& entry,
                       const std::tuple<std::uint32_t, std::uint32_t>& t) {
    return std::tuple(entry.space, entry.tenant) < t;
  };
  const auto first =
      std::lower_bound(entries.begin(), entries.end(), std::tuple(space, tenant), less);
  auto last = first;
  while (last != entries.end() && last->space == space && last->tenant == tenant) ++last;
  return {first, last};
}

RowBlock read_cluster(const storage::Segment& segment, const ClusterEntry& entry,
                      bool& damaged) noexcept {
  RowBlock block;
  const storage::Section* hot = segment.find(storage::SectionKind::cluster_hot);
  const storage::Section* cold = segment.find(storage::SectionKind::cluster_cold);
  const auto precision = static_cast<Precision>(entry.precision);
  const HotLayout layout = HotLayout::of(entry.rows, entry.dimension);
  const std::uint64_t cold_bytes = precise_bytes(precision, entry.dimension) * entry.rows;
  if (hot == nullptr || cold == nullptr || entry.rows > kClusterRows || entry.columns != 0 ||
      entry.dimension > kMaxDimension || entry.hot_bytes != layout.bytes ||
      entry.hot_offset > hot->bytes || entry.hot_bytes > hot->bytes - entry.hot_offset ||
      entry.cold_bytes != cold_bytes || entry.cold_offset > cold->bytes ||
      entry.cold_bytes > cold->bytes - entry.cold_offset) {
    damaged = true;
    return block;
  }
  const std::byte* base = segment.checked(hot->offset + entry.hot_offset, entry.hot_bytes);
  if (base == nullptr) {
    damaged = true;
    return block;
  }
  const auto at = [base]<typename T>(std::uint64_t offset, const T*& column) {
    column = reinterpret_cast<const T*>(base + offset);
  };
  block.count = entry.rows;
  block.dimension = entry.dimension;
  block.precision = precision;
  block.stride = code_stride(entry.dimension);
  at(layout.codes, block.codes);
  at(layout.sums, block.sums);
  at(layout.scales, block.scales);
  at(layout.norms, block.norms);
  at(layout.errors, block.errors);
  at(layout.exponents, block.exponents);
  at(layout.ids, block.ids);
  at(layout.born, block.born);
  at(layout.times, block.times);
  at(layout.nodes, block.nodes);
  at(layout.sessions, block.sessions);
  at(layout.kinds, block.kinds);
  block.cold_segment = &segment;
  block.cold_offset = cold->offset + entry.cold_offset;
  return block;
}

}  // namespace aeon::engine
