// What a RAM tail knows of the rows of one space by their node numbers: where the rows lie that it
// holds, which rows ended, and the links that changed, of its own rows and of settled ones. One
// writer; any thread reads, wait-free.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/ends.hpp"
#include "engine/links.hpp"
#include "engine/node_table.hpp"
#include "engine/row_tail.hpp"

namespace aeon::engine {

class SpaceTail {
 public:
  // Where a row of this tail lies.
  struct Row {
    const RowTail* tail = nullptr;
    const RowTail::Chunk* chunk = nullptr;
    const std::byte* packed = nullptr;  // null: the tail does not hold the row
  };

  explicit SpaceTail(std::uint32_t space) : space_(space) {}

  // Readers:
  [[nodiscard]] Row row(std::uint32_t node) const noexcept {
    const RowSlot* slot = rows_.find(node);
    if (slot == nullptr) return {};
    const std::byte* packed = slot->packed.load(std::memory_order_acquire);  // (2)
    if (packed == nullptr) return {};
    return {slot->tail, slot->chunk, packed};
  }
  // The node's links where they were set or changed since the tail began, else null.
  [[nodiscard]] const LiveLinks* links(std::uint32_t node) const noexcept {
    const auto* slot = links_.find(node);
    return slot == nullptr ? nullptr : slot->load(std::memory_order_acquire);  // (4)
  }
  void prefetch_links(std::uint32_t node) const noexcept {
    if (const auto* slot = links_.find(node)) __builtin_prefetch(slot);
  }
  void prefetch_row(std::uint32_t node) const noexcept {
    if (const auto* slot = rows_.find(node)) __builtin_prefetch(slot);
  }
  // The commit that ended the node, or 0. Ends written by commits that are not published yet may
  // show; the caller compares with its snapshot.
  [[nodiscard]] std::uint64_t ended_at(std::uint32_t node) const noexcept {
    const auto* slot = ends_.find(node);
    // Relaxed: the end of a commit was stored before the commit was published, and a reader learns
    // of the commit by an acquire load of the published number; older readers may see 0 or the
    // number, and treat both alike since it lies after their snapshot.
    return slot == nullptr ? 0 : slot->load(std::memory_order_relaxed);
  }
  // Whether any row ended here so far.
  [[nodiscard]] bool has_ends() const noexcept {
    return ends_count_.load(std::memory_order_relaxed) != 0;  // as for the ends themselves
  }
  [[nodiscard]] std::uint32_t space() const noexcept { return space_; }

  // Writer, false or null when memory is out:
  [[nodiscard]] bool add_row(storage::Arena& arena, RowTail& tail, const RowData& row,
                             const RowStamp& stamp);
  [[nodiscard]] bool end_row(storage::Arena& arena, std::uint32_t node, std::uint64_t commit);
  // The links to change: those that are here, else a copy of `before`.
  [[nodiscard]] LiveLinks* edit_links(storage::Arena& arena, std::uint32_t node,
                                      std::span<const std::uint32_t> before);

  // Complete once the tail is frozen, by node:
  void collect_ends(std::vector<EndEntry>& entries) const;
  template <typename Visit>
  void for_each_links(Visit&& visit) const {  // visit(node, const LiveLinks&)
    links_.for_each([&](std::uint32_t node, const std::atomic<LiveLinks*>& slot) {
      const LiveLinks* links = slot.load(std::memory_order_acquire);  // (4)
      if (links != nullptr) visit(node, *links);
    });
  }

 private:
  struct RowSlot {
    std::atomic<const std::byte*> packed{nullptr};
    const RowTail* tail = nullptr;
    const RowTail::Chunk* chunk = nullptr;
  };

  const std::uint32_t space_;
  NodeTable<RowSlot> rows_;                   // (1) in add_row synchronizes-with (2)
  NodeTable<std::atomic<LiveLinks*>> links_;  // (3) in edit_links synchronizes-with (4)
  NodeTable<std::atomic<std::uint64_t>> ends_;
  std::atomic<std::uint64_t> ends_count_{0};
};

}  // namespace aeon::engine
