// A ring of the lookaside buffer: the last searches of one conversation in a fixed piece of memory.
//
// Tags come first, one behind the other, so that looking for a near query is one short sweep: of
// each search a hash and the signs of the query's first kSigns components, one bit each. Of two
// vectors at an angle a about one sign in pi / a differs, and what the sweep costs is a count of
// bits in four words a search, whatever the dimension. The few with the least differences are then
// compared by their values, which stand in the slots with the rest.
//
// How long tags and slots are follows from the dimension that the ring is shaped for; a ring that
// goes to another conversation may get another shape. So everything is read and written through one
// sequence counter for the whole ring (storage/sequence.hpp): a reader that meets a writer finds
// nothing, a writer that meets another leaves its search unremembered. What is stored outside the
// counter (`demands`) has its place in the head, whatever the shape.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>

#include "engine/lookaside/remembered.hpp"
#include "storage/sequence.hpp"

namespace aeon::engine {

inline constexpr std::size_t kRingBytes = std::size_t{192} << 10;
inline constexpr std::uint32_t kMostSlots = 64;
inline constexpr std::uint32_t kSigns = 256;

using RingWord = storage::Sequence::Word;

// All bytes 0 is an empty ring.
struct Ring {
  struct alignas(64) Head {
    storage::Sequence sequence;
    RingWord dimension;  // 0: none yet
    RingWord counts;     // slots that are filled << 32 | the next to fill
    // Bit s: somebody would have the search in slot s made exact. Relaxed: a wish, which may be
    // lost, or be heard for another search.
    std::atomic<std::uint64_t> demands;
  };
  static constexpr std::size_t kWords = (kRingBytes - sizeof(Head)) / sizeof(RingWord);

  Head head;
  RingWord words[kWords];
};
static_assert(sizeof(Ring) == kRingBytes);

// Where things lie in a ring of that dimension.
struct RingShape {
  static constexpr std::uint32_t kTagWords = 1 + kSigns / 64;
  static constexpr std::uint32_t kSlotHead = 5;

  explicit RingShape(std::uint32_t dimension) noexcept
      : value_words((dimension + 1) / 2),
        slots(std::min(kMostSlots,
                       static_cast<std::uint32_t>(Ring::kWords) / (kTagWords + slot_words()))) {}
  [[nodiscard]] std::uint32_t slot_words() const noexcept {
    return kSlotHead + value_words + kMostNominees;
  }
  [[nodiscard]] std::size_t tag(std::uint32_t slot) const noexcept {
    return std::size_t{slot} * kTagWords;
  }
  [[nodiscard]] std::size_t slot(std::uint32_t slot) const noexcept {
    return tag(slots) + std::size_t{slot} * slot_words();
  }

  std::uint32_t value_words;
  std::uint32_t slots;
};

// What tags are made of.
struct QuerySketch {
  std::uint64_t owner = 0;                // of the ring: a hash, never 0
  std::uint64_t tag = 0;                  // of name << 32 | of name and values
  std::uint64_t signs[kSigns / 64] = {};  // in no particular order

  void draw(const SearchName& name, std::span<const float> values) noexcept;
};

// The slots of a ring whose queries lie nearest by their signs, nearest first; at most kLooks.
inline constexpr std::uint32_t kLooks = 3;
struct RingLooks {
  std::uint32_t count = 0;
  std::uint32_t slots[kLooks] = {};
};
[[nodiscard]] RingLooks look_through(const Ring& ring, const RingShape& shape,
                                     std::uint32_t dimension, const QuerySketch& sketch) noexcept;

// Copies of what a slot holds; worth nothing until the ring's sequence says that it is valid.
void read_values(const Ring& ring, const RingShape& shape, std::uint32_t slot,
                 std::span<float> values) noexcept;
[[nodiscard]] SearchName read_name(const Ring& ring, const RingShape& shape,
                                   std::uint32_t slot) noexcept;
void read_findings(const Ring& ring, const RingShape& shape, std::uint32_t slot,
                   Findings& findings);

// Inside a section of the ring's sequence.
void write_slot(Ring& ring, const RingShape& shape, std::uint32_t slot, const QuerySketch& sketch,
                const SearchName& name, std::span<const float> values,
                const Findings& findings) noexcept;

}  // namespace aeon::engine
