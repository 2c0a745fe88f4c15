// Settled look-up by node number: which of the items of a segment (rows, lists of links, ends)
// belongs to a node. The items of a space stand in one array; for each 64 nodes a block says which
// of them have an item, and how many items stand before: one bit test and one count of bits.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "storage/codec.hpp"
#include "storage/segment.hpp"

namespace aeon::engine {

// Persisted: the items of a `node_blocks` section.
struct NodeBlock {
  std::uint64_t bits = 0;    // bit i: node 64 b + i has an item
  std::uint32_t before = 0;  // items of the part before this block
  std::uint32_t zero = 0;
};
static_assert(sizeof(NodeBlock) == 16 && std::has_unique_object_representations_v<NodeBlock>);

// Persisted: one kind of items of one space.
struct NodePart {
  std::uint32_t first_node = 0;
  std::uint32_t span = 0;        // of node numbers, from the first to the last with an item
  std::uint64_t blocks_at = 0;   // the first block's index in the section
  std::uint64_t first_item = 0;  // the first item's index in its section
  std::uint64_t items = 0;       // as many as the span: then every node in it has one

  [[nodiscard]] std::uint32_t first_block() const noexcept { return first_node / 64; }
  [[nodiscard]] std::uint64_t blocks() const noexcept {
    return span == 0 ? 0 : (std::uint64_t{first_node} + span - 1) / 64 - first_block() + 1;
  }
};
static_assert(sizeof(NodePart) == 32 && std::has_unique_object_representations_v<NodePart>);

// Persisted: the items of a `node_spaces` section, sorted by space.
struct NodeSpace {
  std::uint32_t space = 0;
  std::uint32_t zero = 0;
  NodePart rows;   // in node_places
  NodePart links;  // in link_lists
  NodePart ends;   // in cluster_ends
};
static_assert(sizeof(NodeSpace) == 104 && std::has_unique_object_representations_v<NodeSpace>);

// Persisted: the items of a `node_places` section.
struct NodePlace {
  std::uint32_t partition = 0;  // index in the segment's partition directory
  std::uint32_t row = 0;        // of that partition
};
static_assert(sizeof(NodePlace) == 8 && std::has_unique_object_representations_v<NodePlace>);

// Appends the blocks for `nodes` (ascending, without repetition) to those of a section. The items
// are those from `first_item` on, in the order of the nodes.
[[nodiscard]] inline NodePart index_nodes(std::span<const std::uint32_t> nodes,
                                          std::uint64_t first_item,
                                          std::vector<NodeBlock>& blocks) {
  NodePart part;
  part.first_item = first_item;
  part.items = nodes.size();
  part.blocks_at = blocks.size();
  if (nodes.empty()) return part;
  part.first_node = nodes.front();
  part.span = nodes.back() - nodes.front() + 1;
  blocks.resize(blocks.size() + part.blocks());
  const std::span<NodeBlock> own = std::span(blocks).subspan(part.blocks_at);
  for (const std::uint32_t node : nodes) {
    own[node / 64 - part.first_block()].bits |= std::uint64_t{1} << (node % 64);
  }
  std::uint32_t before = 0;
  for (NodeBlock& block : own) {
    block.before = before;
    before += static_cast<std::uint32_t>(std::popcount(block.bits));
  }
  return part;
}

// Reads one part. Wait-free, any thread.
class NodeIndex {
 public:
  NodeIndex() = default;
  // `blocks` is the segment's section of blocks.
  NodeIndex(const storage::Segment& segment, const storage::Section& blocks, const NodePart& part)
      : segment_(&segment), part_(part) {
    const std::uint64_t held = blocks.bytes / sizeof(NodeBlock);
    if (part.blocks_at > held || part.blocks() > held - part.blocks_at) part_ = {};
    base_ = blocks.offset + part_.blocks_at * sizeof(NodeBlock);
  }

  // The index of the node's item in its section, or kNone; `damaged` is set when the page that
  // would tell is bad.
  static constexpr std::uint64_t kNone = UINT64_MAX;
  [[nodiscard]] std::uint64_t find(std::uint32_t node, bool& damaged) const noexcept {
    const std::uint32_t past = node - part_.first_node;  // wraps below the first
    if (past >= part_.span) return kNone;
    if (part_.items == part_.span) return part_.first_item + past;
    const std::uint32_t block = node / 64 - part_.first_block();
    const std::byte* at = segment_->checked(base_ + block * sizeof(NodeBlock), sizeof(NodeBlock));
    if (at == nullptr) {
      damaged = true;
      return kNone;
    }
    const auto found = storage::load<NodeBlock>(at);
    const std::uint64_t bit = std::uint64_t{1} << (node % 64);
    if ((found.bits & bit) == 0) return kNone;
    const std::uint64_t rank =
        found.before + static_cast<std::uint64_t>(std::popcount(found.bits & (bit - 1)));
    return rank < part_.items ? part_.first_item + rank : kNone;
  }
  // Where find() will end if every node has an item, else kNone: for asking for memory ahead.
  [[nodiscard]] std::uint64_t guess(std::uint32_t node) const noexcept {
    const std::uint32_t past = node - part_.first_node;
    return past < part_.span && part_.items == part_.span ? part_.first_item + past : kNone;
  }
  // Calls visit(node) for every node with an item, ascending.
  template <typename Visit>
  void for_each(bool& damaged, Visit&& visit) const {
    for (std::uint32_t block = 0; block < part_.blocks(); ++block) {
      const std::byte* at = segment_->checked(base_ + block * sizeof(NodeBlock), sizeof(NodeBlock));
      if (at == nullptr) {
        damaged = true;
        return;
      }
      for (std::uint64_t bits = storage::load<NodeBlock>(at).bits; bits != 0; bits &= bits - 1) {
        visit((part_.first_block() + block) * 64 +
              static_cast<std::uint32_t>(std::countr_zero(bits)));
      }
    }
  }
  [[nodiscard]] const NodePart& part() const noexcept { return part_; }

 private:
  const storage::Segment* segment_ = nullptr;
  NodePart part_;
  std::uint64_t base_ = 0;
};

}  // namespace aeon::engine
