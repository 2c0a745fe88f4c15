#include "engine/node_map.hpp"

#include <algorithm>

#include "engine/node_filter.hpp"

namespace aeon::engine {

namespace {

std::size_t copy(const LiveLinks& live, std::uint32_t* links) noexcept {
  std::size_t count = 0;
  for (const auto& slot : live.nodes) {
    links[count] = slot.load(std::memory_order_acquire);  // (2) of LiveLinks
    if (links[count] == kNoNode) break;
    ++count;
  }
  return count;
}

std::size_t copy(const LinkList& list, std::uint32_t* links) noexcept {
  std::size_t count = 0;
  for (; count < kMaxLinks && list.nodes[count] != kNoNode; ++count)
    links[count] = list.nodes[count];
  return count;
}

}  // namespace

NodeMap::NodeMap() {
  constexpr std::size_t kUsual = 64;
  tails_.reserve(kUsual);
  settled_.reserve(kUsual);
  tails_with_ends_.reserve(kUsual);
  settled_with_ends_.reserve(kUsual);
}

void NodeMap::open(const Reading& reading, std::uint32_t space, NodeFilter* filter) {
  commit_ = reading.commit;
  space_ = space;
  filter_ = filter;
  tails_.clear();
  settled_.clear();
  tails_with_ends_.clear();
  settled_with_ends_.clear();
  damaged_ = false;
  const auto tails = reading.view.tails();
  for (auto tail = tails.rbegin(); tail != tails.rend(); ++tail) {
    const SpaceTail* nodes = (*tail)->space(space);
    if (nodes == nullptr) continue;
    tails_.push_back(nodes);
    if (nodes->has_ends()) tails_with_ends_.push_back(nodes);
  }
  const auto segments = reading.view.segments();
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    const SegmentView::Nodes* nodes = (*segment)->nodes(space);
    if (nodes != nullptr) settled_.push_back({segment->get(), nodes});
    if ((*segment)->has_ends()) settled_with_ends_.push_back(segment->get());
  }
}

const std::byte* NodeMap::packed(std::uint32_t node) noexcept {
  for (const Settled& source : settled_) {
    const SegmentView::Row row = source.segment->row(*source.nodes, node, damaged_);
    if (row.partition == nullptr) continue;
    const std::byte* packed = row.partition->packed(row.row);
    damaged_ = damaged_ || packed == nullptr;
    return packed;
  }
  for (const SpaceTail* tail : tails_) {
    if (const std::byte* packed = tail->row(node).packed) return packed;
  }
  return nullptr;
}

std::size_t NodeMap::links(std::uint32_t node, std::uint32_t* links) noexcept {
  for (const SpaceTail* tail : tails_) {
    if (const LiveLinks* live = tail->links(node)) return copy(*live, links);
  }
  for (const Settled& source : settled_) {
    const LinkList* list = source.segment->links(*source.nodes, node, damaged_);
    if (list != nullptr) return copy(*list, links);
  }
  return 0;
}

std::size_t links_of(const View& view, std::uint32_t space, std::uint32_t node,
                     std::uint32_t* links) noexcept {
  const auto tails = view.tails();
  for (auto tail = tails.rbegin(); tail != tails.rend(); ++tail) {
    const SpaceTail* nodes = (*tail)->space(space);
    const LiveLinks* live = nodes == nullptr ? nullptr : nodes->links(node);
    if (live != nullptr) return copy(*live, links);
  }
  const auto segments = view.segments();
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    const SegmentView::Nodes* nodes = (*segment)->nodes(space);
    bool damaged = false;  // fewer links then; the walk that meets the page says so
    const LinkList* list = nodes == nullptr ? nullptr : (*segment)->links(*nodes, node, damaged);
    if (list != nullptr) return copy(*list, links);
  }
  return 0;
}

bool NodeMap::is_visible(const RowHead& head, std::uint32_t node) {
  if (filter_ != nullptr && !filter_->may_match(node)) return false;
  if (head.born > commit_) return false;
  const auto before = [this](std::uint64_t ended) { return ended != 0 && ended <= commit_; };
  for (const SpaceTail* tail : tails_with_ends_) {
    if (before(tail->ended_at(node))) return false;
  }
  for (const SegmentView* segment : settled_with_ends_) {
    bool unknown = false;
    if (before(segment->ended_at(space_, node, unknown))) return false;
    // A row whose end can't be read may have been forgotten: it is left out.
    damaged_ = damaged_ || unknown;
    if (unknown) return false;
  }
  if (filter_ == nullptr) return true;
  const Result<bool> matches = filter_->matches(node, head.id);
  damaged_ = damaged_ || !matches;
  return matches && *matches;
}

}  // namespace aeon::engine
