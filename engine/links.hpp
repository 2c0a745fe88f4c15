// The neighbours of a row in the graph that search walks: at most kMaxLinks node numbers of rows
// near it, of the same space and tenant. Links steer; they decide nothing: a walk with fewer or
// other links costs more or finds less, never something wrong. So they need no commit numbers: a
// snapshot that meets a link to a later row passes through it or finds nothing there.
//
// A list in RAM is changed in place, slot by slot; readers may see any mixture of old and new. A
// settled list is 128 bytes of a `link_lists` section. Newer lists of a node hide older ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

namespace aeon::engine {

inline constexpr std::uint32_t kNoNode = UINT32_MAX;  // never a row's number
inline constexpr std::size_t kMaxLinks = 32;

// Persisted: filled from the front, kNoNode behind the last.
struct alignas(64) LinkList {
  std::uint32_t nodes[kMaxLinks];
};
static_assert(sizeof(LinkList) == 128);

// One writer; any thread reads.
struct alignas(64) LiveLinks {
  // (1), a slot's store, synchronizes-with (2), its load: whoever sees the number of a new row
  // finds the row.
  std::atomic<std::uint32_t> nodes[kMaxLinks];

  void assign(std::span<const std::uint32_t> links) noexcept {
    for (std::size_t i = 0; i < kMaxLinks; ++i) {
      nodes[i].store(i < links.size() ? links[i] : kNoNode, std::memory_order_release);  // (1)
    }
  }
};
static_assert(sizeof(LiveLinks) == sizeof(LinkList));

// A node named before its commit has numbers: a number, or kInBatch plus how many rows of the same
// space come before it in its batch.
using NodeName = std::uint64_t;
inline constexpr NodeName kInBatch = NodeName{1} << 32;

// What a new row changes at one of its neighbours.
struct LinkChange {
  enum class Kind : std::uint8_t {
    none = 0,     // the new row links to the neighbour only
    append = 1,   // and the neighbour to it
    replace = 2,  // and the neighbour to it, in place of `victim`
  };
  std::uint32_t neighbour = kNoNode;
  std::uint32_t victim = kNoNode;
  Kind kind = Kind::none;
};

// The same before the commit has numbers.
struct PreparedLink {
  NodeName neighbour = 0;
  NodeName victim = 0;
  LinkChange::Kind kind = LinkChange::Kind::none;
};

}  // namespace aeon::engine
