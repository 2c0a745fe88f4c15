#include "engine/segment_view.hpp"

#include <algorithm>
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
  AEON_ASSIGN(const auto history,
              read_array<SegmentHistory>(segment, storage::SectionKind::history));
  if (!history.empty()) view->history_ = history.front();
  AEON_TRY(view->open_partitions());
  AEON_TRY(view->open_nodes());
  AEON_ASSIGN(view->words_, WordSegment::open(segment));
  const storage::Section* ends = segment.find(storage::SectionKind::cluster_ends);
  if (ends != nullptr) {
    view->ends_offset_ = ends->offset;
    view->ends_count_ = ends->bytes / sizeof(EndEntry);
  }
  return view;
}

Result<std::shared_ptr<const SegmentView>> SegmentView::open_damaged(storage::Os& os,
                                                                     const std::string& directory,
                                                                     storage::PalaceUuid palace,
                                                                     std::uint64_t number,
                                                                     std::string& trouble) {
  std::shared_ptr<SegmentView> view(new SegmentView);
  AEON_ASSIGN(view->segment_, storage::Segment::open_damaged(os, directory, palace,
                                                             storage::FileKind::segment, number));
  AEON_ASSIGN(view->run_, storage::RunReader::open(*view->segment_));
  const auto clusters =
      read_array<ClusterEntry>(*view->segment_, storage::SectionKind::cluster_directory);
  if (clusters) view->clusters_ = *clusters;
  if (!clusters) trouble = clusters.error().message;
  if (const Status rows = view->open_partitions(); !rows) {
    view->partitions_.clear();
    trouble = rows.error().message;
  }
  // Rows are found without their index.
  if (!view->open_nodes()) view->nodes_.clear();
  return view;
}

Status SegmentView::open_partitions() {
  AEON_ASSIGN(const auto entries,
              read_array<PartitionEntry>(*segment_, storage::SectionKind::partition_directory));
  partitions_.reserve(entries.size());
  for (const PartitionEntry& entry : entries) {
    AEON_ASSIGN(const PartitionView partition, PartitionView::open(*segment_, entry));
    partitions_.push_back(partition);
  }
  return {};
}

Status SegmentView::open_nodes() {
  AEON_ASSIGN(const auto spaces,
              read_array<NodeSpace>(*segment_, storage::SectionKind::node_spaces));
  const storage::Section* blocks = segment_->find(storage::SectionKind::node_blocks);
  const storage::Section* places = segment_->find(storage::SectionKind::node_places);
  const storage::Section* links = segment_->find(storage::SectionKind::link_lists);
  if (spaces.empty()) return {};
  if (blocks == nullptr || places == nullptr || links == nullptr || links->offset % 64 != 0) {
    return fail(Errc::damaged,
                fmt::format("{}: it indexes rows by node, but a section of the index is missing",
                            segment_->path()));
  }
  places_offset_ = places->offset;
  links_offset_ = links->offset;
  for (const NodeSpace& space : spaces) {
    nodes_.push_back({space.space,
                      {*segment_, *blocks, space.rows},
                      {*segment_, *blocks, space.links},
                      {*segment_, *blocks, space.ends}});
  }
  return {};
}

const PartitionView* SegmentView::partition(std::uint32_t space,
                                            std::uint32_t tenant) const noexcept {
  const auto at = std::ranges::lower_bound(
      partitions_, std::tuple(space, tenant), {}, [](const PartitionView& partition) {
        return std::tuple(partition.entry().space, partition.entry().tenant);
      });
  const bool found =
      at != partitions_.end() && at->entry().space == space && at->entry().tenant == tenant;
  return found ? &*at : nullptr;
}

const SegmentView::Nodes* SegmentView::nodes(std::uint32_t space) const noexcept {
  const auto at = std::ranges::lower_bound(nodes_, space, {}, &Nodes::space);
  return at != nodes_.end() && at->space == space ? &*at : nullptr;
}

SegmentView::Row SegmentView::row(const Nodes& nodes, std::uint32_t node,
                                  bool& damaged) const noexcept {
  const std::uint64_t item = nodes.rows.find(node, damaged);
  if (item == NodeIndex::kNone) return {};
  const std::byte* at =
      segment_->checked(places_offset_ + item * sizeof(NodePlace), sizeof(NodePlace));
  if (at != nullptr) {
    const auto place = storage::load<NodePlace>(at);
    if (place.partition < partitions_.size() && place.row < partitions_[place.partition].rows()) {
      return {&partitions_[place.partition], place.row};
    }
  }
  damaged = true;
  return {};
}

const LinkList* SegmentView::links(const Nodes& nodes, std::uint32_t node,
                                   bool& damaged) const noexcept {
  const std::uint64_t item = nodes.links.find(node, damaged);
  if (item == NodeIndex::kNone) return nullptr;
  const std::byte* at =
      segment_->checked(links_offset_ + item * sizeof(LinkList), sizeof(LinkList));
  damaged = damaged || at == nullptr;
  return reinterpret_cast<const LinkList*>(at);
}

Status SegmentView::collect_links(std::vector<NodeLinks>& links) const {
  AEON_ASSIGN(const auto lists, read_array<LinkList>(*segment_, storage::SectionKind::link_lists));
  for (const Nodes& nodes : nodes_) {
    const NodePart& part = nodes.links.part();
    std::uint64_t item = part.first_item;
    bool damaged = false;
    nodes.links.for_each(damaged, [&](std::uint32_t node) {
      if (item < lists.size()) {
        links.push_back({nodes.space, node, reinterpret_cast<const std::byte*>(&lists[item])});
      }
      ++item;
    });
    if (damaged || item != part.first_item + part.items || item > lists.size()) {
      return fail(Errc::damaged,
                  fmt::format("{}: its links do not hold; run aeon verify", segment_->path()));
    }
  }
  return {};
}

Result<std::span<const wal::CommitHeader>> SegmentView::headers() const {
  return read_array<wal::CommitHeader>(*segment_, storage::SectionKind::commit_headers);
}

Result<std::span<const EndEntry>> SegmentView::ends() const {
  return read_array<EndEntry>(*segment_, storage::SectionKind::cluster_ends);
}

std::uint64_t SegmentView::ended_at(std::uint32_t space, std::uint32_t node,
                                    bool& damaged) const noexcept {
  if (ends_count_ == 0) return 0;
  const Nodes* nodes = this->nodes(space);
  if (nodes == nullptr) return search_ends(space, node, damaged);
  const std::uint64_t item = nodes->ends.find(node, damaged);
  if (item == NodeIndex::kNone) return 0;
  const std::byte* at = segment_->checked(ends_offset_ + item * sizeof(EndEntry), sizeof(EndEntry));
  if (at == nullptr) {
    damaged = true;
    return 0;
  }
  const auto entry = storage::load<EndEntry>(at);
  return entry.space == space && entry.node == node ? entry.commit : 0;
}

// Where no index tells: format version 1.
std::uint64_t SegmentView::search_ends(std::uint32_t space, std::uint32_t node,
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
