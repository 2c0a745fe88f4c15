#include "engine/segment_view.hpp"

#include <tuple>

#include <fmt/format.h>

#include "storage/codec.hpp"

namespace aeon::engine {

namespace {

// A section as an array of T, after checking all its pages. Empty when there is no such section.
template <typename T>
Result<std::span<const T>> read_array(const storage::Segment& segment, storage::SectionKind kind) {
  const storage::Section* section = segment.find(kind);
  if (section == nullptr || section->bytes == 0) return std::span<const T>{};
  if (section->bytes % sizeof(T) != 0 || section->offset % alignof(T) != 0) {
    return fail(Errc::damaged, fmt::format("{}: section {} has an impossible size", segment.path(),
                                           static_cast<unsigned>(kind)));
  }
  AEON_ASSIGN(const std::span<const std::byte> bytes,
              segment.read(section->offset, section->bytes));
  return std::span(reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T));
}

}  // namespace

Result<std::shared_ptr<const SegmentView>> SegmentView::open(storage::Os& os,
                                                             const std::string& directory,
                                                             storage::PalaceUuid palace,
                                                             const storage::SegmentInfo& info) {
  std::shared_ptr<SegmentView> view(new SegmentView);
  AEON_ASSIGN(view->segment_,
              storage::Segment::open(os, directory, palace, storage::FileKind::segment, info));
  const storage::Segment& segment = *view->segment_;
  AEON_ASSIGN(view->run_, storage::RunReader::open(segment));
  AEON_ASSIGN(view->clusters_,
              read_array<ClusterEntry>(segment, storage::SectionKind::cluster_directory));
  AEON_ASSIGN(view->routes_, read_array<RouteEntry>(segment, storage::SectionKind::cluster_routes));
  for (const RouteEntry& route : view->routes_) {
    if (find_partition(view->clusters_, route.space, route.tenant).size() == route.clusters)
      continue;
    return fail(Errc::damaged,
                fmt::format("{}: a route has other clusters than the directory", segment.path()));
  }
  const storage::Section* ends = segment.find(storage::SectionKind::cluster_ends);
  if (ends != nullptr) {
    view->ends_offset_ = ends->offset;
    view->ends_count_ = ends->bytes / sizeof(EndEntry);
  }
  return view;
}

const RouteEntry* SegmentView::route(std::uint32_t space, std::uint32_t tenant) const noexcept {
  for (const RouteEntry& route : routes_) {
    if (route.space == space && route.tenant == tenant) return &route;
  }
  return nullptr;
}

Result<std::span<const wal::CommitHeader>> SegmentView::headers() const {
  return read_array<wal::CommitHeader>(*segment_, storage::SectionKind::commit_headers);
}

Result<std::span<const EndEntry>> SegmentView::ends() const {
  return read_array<EndEntry>(*segment_, storage::SectionKind::cluster_ends);
}

std::uint64_t SegmentView::ended_at(std::uint32_t space, std::uint32_t node,
                                    bool& damaged) const noexcept {
  const auto entry_at = [this](std::uint64_t index) {
    return segment_->checked(ends_offset_ + index * sizeof(EndEntry), sizeof(EndEntry));
  };
  std::uint64_t low = 0;
  std::uint64_t high = ends_count_;
  // Entries from here up to the next one that is greater can't be read.
  std::uint64_t hidden = UINT64_MAX;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    std::uint64_t probe = middle;
    const std::byte* at = entry_at(probe);
    while (at == nullptr && ++probe < high) at = entry_at(probe);
    if (at != nullptr) {
      const auto entry = storage::load<EndEntry>(at);
      if (entry.space == space && entry.node == node) return entry.commit;
      if (std::tuple(entry.space, entry.node) < std::tuple(space, node)) {
        low = probe + 1;
        continue;
      }
    }
    if (probe != middle) hidden = middle;
    high = middle;
  }
  damaged = damaged || low == hidden;
  return 0;
}

}  // namespace aeon::engine
