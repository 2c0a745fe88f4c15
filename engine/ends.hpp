// When rows ended. A row's node ends at most once, at a commit; a row without an end is alive.
//
// EndsTail holds the ends since the last checkpoint: a two-level table over node numbers, one a
// space, filled on demand, so that asking about a node without an end costs two loads. Settled
// ends are sorted slices in segments (`cluster_ends`): arrays of EndEntry ordered by space, node.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "storage/arena.hpp"

namespace aeon::engine {

// Persisted in `cluster_ends` sections, sorted by (space, node).
struct EndEntry {
  std::uint32_t space = 0;
  std::uint32_t node = 0;
  std::uint64_t commit = 0;
};
static_assert(sizeof(EndEntry) == 16);

// Ends of one space. One writer, any number of wait-free readers.
class EndsTail {
 public:
  explicit EndsTail(std::uint32_t space) : space_(space) {}

  // Writer only. False when the arena is out of memory.
  [[nodiscard]] bool end(storage::Arena& arena, std::uint32_t node, std::uint64_t commit);
  // The commit that ended the node, or 0. Ends written by commits that are not published yet may
  // show; the caller compares with its snapshot.
  [[nodiscard]] std::uint64_t ended_at(std::uint32_t node) const noexcept {
    const Branch* branch = branches_[node / kBranchNodes].load(std::memory_order_acquire);  // (2)
    if (branch == nullptr) return 0;
    const Leaf* leaf =
        branch->leaves[node % kBranchNodes / kLeafNodes].load(std::memory_order_acquire);  // (4)
    if (leaf == nullptr) return 0;
    // Relaxed: the end of a commit was stored before the commit was published, and a reader learns
    // of the commit by an acquire load of the published number; older readers may see 0 or the
    // number, and treat both alike since it lies after their snapshot.
    return leaf->commits[node % kLeafNodes].load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t space() const noexcept { return space_; }
  [[nodiscard]] std::uint64_t count() const noexcept {
    return count_.load(std::memory_order_relaxed);  // a statistic
  }
  // All ends, by node. Complete when the tail is frozen.
  void collect(std::vector<EndEntry>& entries) const;

 private:
  static constexpr std::uint32_t kLeafNodes = 1024;
  static constexpr std::uint32_t kBranchNodes = 1024 * kLeafNodes;
  static constexpr std::uint32_t kBranches = 4096;  // 2^32 nodes

  struct Leaf {
    std::atomic<std::uint64_t> commits[kLeafNodes];
  };
  struct Branch {
    std::atomic<Leaf*> leaves[kBranchNodes / kLeafNodes];
  };

  const std::uint32_t space_;
  std::atomic<std::uint64_t> count_{0};
  std::atomic<Branch*> branches_[kBranches] = {};
};

}  // namespace aeon::engine
