// The rows of one space by their node numbers, at one instant: where a row lies, its links, its
// end. Gathers what tails and segments know, so that a search asks one place. Reading it is
// wait-free; it allocates only when it is opened for more sources than ever before.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/view.hpp"

namespace aeon::engine {

class NodeFilter;

class NodeMap {
 public:
  // Room for a usual view, so that a warm thread seldom meets one that needs more.
  NodeMap();
  // For the rows of `space` as `reading` sees them; replaces what was open before. Rows that
  // `filter` does not leave are not visible.
  void open(const Reading& reading, std::uint32_t space, NodeFilter* filter = nullptr);

  // The packed row of a node, or null when no readable source has it.
  [[nodiscard]] const std::byte* packed(std::uint32_t node) noexcept;
  // The node's links, as many as come before the first kNoNode; `links` has kMaxLinks places.
  [[nodiscard]] std::size_t links(std::uint32_t node, std::uint32_t* links) noexcept;
  // Ask for the memory that links() and packed() will look at, as far as it can be told cheaply.
  void prefetch_links(std::uint32_t node) const noexcept {
    for (const SpaceTail* tail : tails_) tail->prefetch_links(node);
    for (const Settled& source : settled_) source.segment->prefetch_links(*source.nodes, node);
  }
  void prefetch_row(std::uint32_t node) const noexcept {
    for (const SpaceTail* tail : tails_) tail->prefetch_row(node);
    for (const Settled& source : settled_) source.segment->prefetch_row(*source.nodes, node);
  }
  // Whether the row can be seen: born and not ended at the reading's commit. `head` is the row's.
  [[nodiscard]] bool is_visible(const RowHead& head, std::uint32_t node);
  // A page that was needed does not hold.
  [[nodiscard]] bool damaged() const noexcept { return damaged_; }

 private:
  struct Settled {
    const SegmentView* segment = nullptr;
    const SegmentView::Nodes* nodes = nullptr;
  };
  CommitNumber commit_ = 0;
  std::uint32_t space_ = 0;
  NodeFilter* filter_ = nullptr;
  std::vector<const SpaceTail*> tails_;  // newest first
  std::vector<Settled> settled_;         // newest first
  // Those of the above with ends; a segment of format version 1 has no other look-up.
  std::vector<const SpaceTail*> tails_with_ends_;
  std::vector<const SegmentView*> settled_with_ends_;
  bool damaged_ = false;
};

// A node's links in the newest source that has them; `links` has kMaxLinks places.
[[nodiscard]] std::size_t links_of(const View& view, std::uint32_t space, std::uint32_t node,
                                   std::uint32_t* links) noexcept;

}  // namespace aeon::engine
