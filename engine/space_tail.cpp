#include "engine/space_tail.hpp"

#include <new>

namespace aeon::engine {

bool SpaceTail::add_row(storage::Arena& arena, RowTail& tail, const RowData& row,
                        const RowStamp& stamp) {
  RowSlot* slot = rows_.make(arena, stamp.node);
  if (slot == nullptr) return false;
  const std::byte* packed = tail.append(arena, row, stamp);
  if (packed == nullptr) return false;
  slot->tail = &tail;
  slot->chunk = tail.last();
  slot->packed.store(packed, std::memory_order_release);  // (1)
  return true;
}

bool SpaceTail::end_row(storage::Arena& arena, std::uint32_t node, std::uint64_t commit) {
  auto* slot = ends_.make(arena, node);
  if (slot == nullptr) return false;
  slot->store(commit, std::memory_order_relaxed);  // see ended_at()
  ends_count_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

LiveLinks* SpaceTail::edit_links(storage::Arena& arena, std::uint32_t node,
                                 std::span<const std::uint32_t> before) {
  auto* slot = links_.make(arena, node);
  if (slot == nullptr) return nullptr;
  LiveLinks* links = slot->load(std::memory_order_relaxed);  // only this thread writes it
  if (links != nullptr) return links;
  void* memory = arena.allocate(sizeof(LiveLinks), alignof(LiveLinks));
  if (memory == nullptr) return nullptr;
  links = new (memory) LiveLinks;
  links->assign(before);
  slot->store(links, std::memory_order_release);  // (3)
  return links;
}

void SpaceTail::collect_ends(std::vector<EndEntry>& entries) const {
  ends_.for_each([&](std::uint32_t node, const std::atomic<std::uint64_t>& slot) {
    const std::uint64_t commit = slot.load(std::memory_order_relaxed);
    if (commit != 0) entries.push_back({space_, node, commit});
  });
}

}  // namespace aeon::engine
