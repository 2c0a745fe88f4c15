// A table by node number in a RAM tail: two levels over a directory of branches, filled on demand,
// so that asking about a node that has no slot costs two loads. One writer makes and fills slots;
// any thread looks meanwhile, wait-free. Slots never move and are zero when they are made.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>

#include "storage/arena.hpp"

namespace aeon::engine {

// Slot: all its bytes 0 must be a valid, empty slot; what readers look at in it is atomic.
template <typename Slot>
class NodeTable {
 public:
  // Writer only. Null when the arena is out of memory.
  [[nodiscard]] Slot* make(storage::Arena& arena, std::uint32_t node) noexcept {
    std::atomic<Branch*>& branch_at = branches_[node / kBranchNodes];
    Branch* branch = branch_at.load(std::memory_order_relaxed);  // only this thread writes it
    if (branch == nullptr) {
      branch = allocate<Branch>(arena);
      if (branch == nullptr) return nullptr;
      branch_at.store(branch, std::memory_order_release);  // (1) synchronizes-with (2)
    }
    std::atomic<Leaf*>& leaf_at = branch->leaves[node % kBranchNodes / kLeafNodes];
    Leaf* leaf = leaf_at.load(std::memory_order_relaxed);  // only this thread writes it
    if (leaf == nullptr) {
      leaf = allocate<Leaf>(arena);
      if (leaf == nullptr) return nullptr;
      leaf_at.store(leaf, std::memory_order_release);  // (3) synchronizes-with (4)
    }
    return &leaf->slots[node % kLeafNodes];
  }

  // Null where no slot was made for any node near by.
  [[nodiscard]] const Slot* find(std::uint32_t node) const noexcept {
    const Branch* branch = branches_[node / kBranchNodes].load(std::memory_order_acquire);  // (2)
    if (branch == nullptr) return nullptr;
    const Leaf* leaf =
        branch->leaves[node % kBranchNodes / kLeafNodes].load(std::memory_order_acquire);  // (4)
    return leaf == nullptr ? nullptr : &leaf->slots[node % kLeafNodes];
  }

  // Calls visit(node, slot) for every slot that exists, by node; many may be empty.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (std::uint32_t b = 0; b < kBranches; ++b) {
      const Branch* branch = branches_[b].load(std::memory_order_acquire);  // (2)
      if (branch == nullptr) continue;
      for (std::uint32_t l = 0; l < kBranchNodes / kLeafNodes; ++l) {
        const Leaf* leaf = branch->leaves[l].load(std::memory_order_acquire);  // (4)
        if (leaf == nullptr) continue;
        for (std::uint32_t i = 0; i < kLeafNodes; ++i) {
          visit(b * kBranchNodes + l * kLeafNodes + i, leaf->slots[i]);
        }
      }
    }
  }

 private:
  static constexpr std::uint32_t kLeafNodes = 1024;
  static constexpr std::uint32_t kBranchNodes = 1024 * kLeafNodes;
  static constexpr std::uint32_t kBranches = 4096;  // 2^32 nodes

  struct Leaf {
    Slot slots[kLeafNodes];
  };
  struct Branch {
    std::atomic<Leaf*> leaves[kBranchNodes / kLeafNodes];
  };

  template <typename T>
  static T* allocate(storage::Arena& arena) noexcept {
    void* memory = arena.allocate(sizeof(T), alignof(T));
    return memory == nullptr ? nullptr : new (memory) T{};
  }

  std::atomic<Branch*> branches_[kBranches] = {};
};

}  // namespace aeon::engine
