#include "engine/partition.hpp"

#include <fmt/format.h>

namespace aeon::engine {

namespace {

constexpr std::uint64_t align64(std::uint64_t offset) { return (offset + 63) / 64 * 64; }

// Whether a section holds [offset, offset + bytes); if so, `at` is where that begins in the file.
bool place(const storage::Segment& segment, storage::SectionKind kind, std::uint64_t offset,
           std::uint64_t bytes, std::uint64_t& at) {
  const storage::Section* section = segment.find(kind);
  if (section == nullptr) return bytes == 0;
  at = section->offset + offset;
  return offset <= section->bytes && bytes <= section->bytes - offset;
}

}  // namespace

ColumnLayout ColumnLayout::of(std::uint32_t rows) noexcept {
  ColumnLayout layout{};
  std::uint64_t at = 0;
  const auto column = [&](std::uint64_t item) {
    const std::uint64_t start = at;
    at = align64(at + item * rows);
    return start;
  };
  layout.exponents = column(2);
  layout.times = column(8);
  layout.nodes = column(4);
  layout.sessions = column(4);
  layout.kinds = column(4);
  layout.bytes = at;
  return layout;
}

Result<PartitionView> PartitionView::open(const storage::Segment& segment,
                                          const PartitionEntry& entry) {
  using storage::SectionKind;
  PartitionView view;
  view.segment_ = &segment;
  view.entry_ = &entry;
  view.stride_ = packed_stride(entry.dimension);
  const auto precision = static_cast<Precision>(entry.precision);
  const bool sane = entry.dimension >= 1 && entry.dimension <= kMaxDimension &&
                    precision >= Precision::int8 && precision <= Precision::float32 &&
                    entry.districts <= entry.clusters && entry.clusters <= entry.rows;
  const std::uint64_t route_bytes =
      entry.clusters == 0 ? 0
                          : RouteLayout::of(entry.clusters, entry.districts, entry.dimension).bytes;
  if (!sane ||
      !place(segment, SectionKind::partition_rows, entry.rows_offset, entry.rows * view.stride_,
             view.rows_at_) ||
      !place(segment, SectionKind::partition_columns, entry.columns_offset,
             ColumnLayout::of(entry.rows).bytes, view.columns_at_) ||
      !place(segment, SectionKind::cluster_cold, entry.cold_offset,
             entry.rows * precise_bytes(precision, entry.dimension), view.cold_at_) ||
      !place(segment, SectionKind::partition_routes, entry.route_offset, route_bytes,
             view.route_at_) ||
      view.rows_at_ % 16 != 0 || view.columns_at_ % 64 != 0 || view.route_at_ % 64 != 0) {
    return fail(Errc::damaged, fmt::format("{}: the directory says impossible things of the rows "
                                           "of space {}, tenant {}",
                                           segment.path(), entry.space, entry.tenant));
  }
  return view;
}

RowBlock PartitionView::block(std::uint32_t first, std::uint32_t count,
                              bool& damaged) const noexcept {
  RowBlock block;
  if (first > entry_->rows || count > entry_->rows - first) {
    damaged = true;
    return block;
  }
  const ColumnLayout layout = ColumnLayout::of(entry_->rows);
  const auto column = [&]<typename T>(std::uint64_t offset, const T*& values) {
    const std::byte* at =
        segment_->checked(columns_at_ + offset + first * sizeof(T), count * sizeof(T));
    values = reinterpret_cast<const T*>(at);
    return at != nullptr;
  };
  const std::byte* rows = segment_->checked(rows_at_ + first * stride_, count * stride_);
  if (rows == nullptr || !column(layout.exponents, block.exponents) ||
      !column(layout.times, block.times) || !column(layout.nodes, block.nodes) ||
      !column(layout.sessions, block.sessions) || !column(layout.kinds, block.kinds)) {
    damaged = true;
    return {};
  }
  block.count = count;
  block.dimension = entry_->dimension;
  block.precision = static_cast<Precision>(entry_->precision);
  block.set_packed(rows);
  block.cold_segment = segment_;
  block.cold_offset = cold_at_ + first * precise_bytes(block.precision, block.dimension);
  return block;
}

RowBlock PartitionView::bare_row(std::uint32_t row, bool& damaged) const noexcept {
  RowBlock block;
  const std::byte* rows = row < entry_->rows ? packed(row) : nullptr;
  const std::byte* exponent = segment_->checked(
      columns_at_ + ColumnLayout::of(entry_->rows).exponents + row * sizeof(std::int16_t),
      sizeof(std::int16_t));
  const auto precision = static_cast<Precision>(entry_->precision);
  if (rows == nullptr || (exponent == nullptr && precision == Precision::float16)) {
    damaged = true;
    return block;
  }
  block.count = 1;
  block.dimension = entry_->dimension;
  block.precision = precision;
  block.exponents = reinterpret_cast<const std::int16_t*>(exponent);
  block.set_packed(rows);
  block.cold_segment = segment_;
  block.cold_offset = cold_at_ + row * precise_bytes(block.precision, block.dimension);
  return block;
}

std::optional<RouteView> PartitionView::route() const noexcept {
  if (entry_->clusters == 0) return std::nullopt;
  const RouteLayout layout =
      RouteLayout::of(entry_->clusters, entry_->districts, entry_->dimension);
  const std::byte* base = segment_->checked(route_at_, layout.bytes);
  if (base == nullptr) return std::nullopt;
  RouteView view;
  view.dimension = entry_->dimension;
  view.reach = entry_->reach;
  view.clusters = layout.clusters.view(base, entry_->clusters);
  view.districts = layout.districts.view(base, entry_->districts);
  view.starts = reinterpret_cast<const std::uint32_t*>(base + layout.starts);
  view.district_starts = reinterpret_cast<const std::uint32_t*>(base + layout.district_starts);
  return view;
}

}  // namespace aeon::engine
