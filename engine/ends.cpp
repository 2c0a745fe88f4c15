#include "engine/ends.hpp"

#include <new>

namespace aeon::engine {

bool EndsTail::end(storage::Arena& arena, std::uint32_t node, std::uint64_t commit) {
  std::atomic<Branch*>& branch_slot = branches_[node / kBranchNodes];
  Branch* branch = branch_slot.load(std::memory_order_relaxed);  // only this thread writes it
  if (branch == nullptr) {
    void* memory = arena.allocate(sizeof(Branch), alignof(Branch));
    if (memory == nullptr) return false;
    branch = new (memory) Branch{};
    branch_slot.store(branch, std::memory_order_release);  // (1) synchronizes-with (2)
  }
  std::atomic<Leaf*>& leaf_slot = branch->leaves[node % kBranchNodes / kLeafNodes];
  Leaf* leaf = leaf_slot.load(std::memory_order_relaxed);  // only this thread writes it
  if (leaf == nullptr) {
    void* memory = arena.allocate(sizeof(Leaf), alignof(Leaf));
    if (memory == nullptr) return false;
    leaf = new (memory) Leaf{};
    leaf_slot.store(leaf, std::memory_order_release);  // (3) synchronizes-with (4)
  }
  leaf->commits[node % kLeafNodes].store(commit, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void EndsTail::collect(std::vector<EndEntry>& entries) const {
  for (std::uint32_t b = 0; b < kBranches; ++b) {
    const Branch* branch = branches_[b].load(std::memory_order_acquire);
    if (branch == nullptr) continue;
    for (std::uint32_t l = 0; l < kBranchNodes / kLeafNodes; ++l) {
      const Leaf* leaf = branch->leaves[l].load(std::memory_order_acquire);
      if (leaf == nullptr) continue;
      for (std::uint32_t i = 0; i < kLeafNodes; ++i) {
        const std::uint64_t commit = leaf->commits[i].load(std::memory_order_relaxed);
        if (commit != 0) entries.push_back({space_, b * kBranchNodes + l * kLeafNodes + i, commit});
      }
    }
  }
}

}  // namespace aeon::engine
