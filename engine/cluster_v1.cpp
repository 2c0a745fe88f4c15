#include "engine/cluster_v1.hpp"

namespace aeon::engine {

namespace {

constexpr std::uint64_t align64(std::uint64_t offset) { return (offset + 63) / 64 * 64; }

// Where the columns of a hot part lie, in bytes from its start; each starts on 64 bytes.
struct HotLayout {
  std::uint64_t codes, sums, scales, norms, errors, exponents, ids, born, times, nodes, sessions,
      kinds, bytes;
};

HotLayout layout_of(std::uint32_t rows, std::uint32_t dimension) noexcept {
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

}  // namespace

RowBlock read_cluster(const storage::Segment& segment, const ClusterEntry& entry,
                      bool& damaged) noexcept {
  RowBlock block;
  const storage::Section* hot = segment.find(storage::SectionKind::cluster_hot);
  const storage::Section* cold = segment.find(storage::SectionKind::cluster_cold);
  const auto precision = static_cast<Precision>(entry.precision);
  const HotLayout layout = layout_of(entry.rows, entry.dimension);
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
  const auto column = [base]<typename T>(std::uint64_t offset, Column<T>& values) {
    values = Column<T>(reinterpret_cast<const T*>(base + offset));
  };
  block.count = entry.rows;
  block.dimension = entry.dimension;
  block.precision = precision;
  block.stride = code_stride(entry.dimension);
  at(layout.codes, block.codes);
  column(layout.sums, block.sums);
  column(layout.scales, block.scales);
  column(layout.norms, block.norms);
  column(layout.errors, block.errors);
  at(layout.exponents, block.exponents);
  column(layout.ids, block.ids);
  column(layout.born, block.born);
  at(layout.times, block.times);
  at(layout.nodes, block.nodes);
  at(layout.sessions, block.sessions);
  at(layout.kinds, block.kinds);
  block.cold_segment = &segment;
  block.cold_offset = cold->offset + entry.cold_offset;
  return block;
}

}  // namespace aeon::engine
