// The lookaside buffer: what was asked of late, and which rows came nearest, so that the same
// question or one like it costs less. docs/lookaside.md says what that promises; here is how it is
// kept.
//
// Its memory is taken once and never grows: rings (ring.hpp), eight to a set. A conversation's
// searches go to one ring, found by a hash of tenant, space, session and conversation among the
// eight of its set; a conversation that has none takes that of one that was not heard of since the
// set's hand last came by (the clock algorithm, Corbato 1968). Hashes only say where to look: a
// search is told by what its slot says, in full.
//
// Everything that readers do here is wait-free, makes no system call, and allocates nothing once
// the Remembered that is filled is warm. What can't be had at once (a ring that is being written,
// a slot that was replaced meanwhile) is as if it had never been remembered.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "engine/lookaside/ring.hpp"
#include "storage/os_memory.hpp"

namespace aeon::engine {

class Lookaside {
 public:
  // Takes as many rings as fit into `bytes`, none where they don't make a set or the system gives
  // no memory. It is touched as rings are used.
  explicit Lookaside(std::size_t bytes);

  [[nodiscard]] bool is_on() const noexcept { return sets_ != 0; }

  // Takes what find() needs of memory, once a thread.
  static void get_ready();

  // What is remembered of the nearest query of that name.
  struct Near {
    bool same = false;  // the very query, bit by bit
    float cosine = 0;   // of the angle between the two
  };
  // Fills `found`. Nothing when there is none that is worth a look.
  [[nodiscard]] std::optional<Near> find(const SearchName& name, std::span<const float> values,
                                         Remembered& found);
  // Keeps a search: in the place of `instead` where that is still the same query, else in place of
  // the oldest of its conversation. `values` has 1..kMaxDimension.
  void remember(const SearchName& name, std::span<const float> values, const Findings& findings,
                const RememberedPlace* instead = nullptr);

  // Asks for that search to be made exact, by whoever calls next_wanted().
  void want(const RememberedPlace& place) noexcept;
  [[nodiscard]] bool is_wanted() const noexcept {
    return wanted_.load(std::memory_order_relaxed);  // a hint: who asks again is heard again
  }
  // The next that is wanted; false when there is none. One thread at a time.
  [[nodiscard]] bool next_wanted(Remembered& found);
  // Puts better findings where `remembered` lies, if it still lies there.
  void replace(const Remembered& remembered, const Findings& findings);

  // `saved`: rows that were not compared, by what the search cost that was remembered.
  void count(const SearchName& name, LookasideHelp help, std::uint64_t saved) noexcept;
  [[nodiscard]] LookasideStats stats() const;

 private:
  static constexpr std::size_t kWays = 8;
  // Figures of a set, each on lines of its own. Relaxed: nothing depends on them.
  struct alignas(64) Figures {
    std::array<std::atomic<std::uint64_t>, 4> helped{};  // by LookasideHelp
    std::atomic<std::uint64_t> saved{0};
    std::atomic<std::uint64_t> remembered{0};
    std::atomic<std::uint64_t> made_exact{0};
  };
  struct alignas(64) Set {
    // Whose rings they are; 0: nobody's. Stored inside the ring's section, and only a hint of what
    // lies in it: relaxed.
    std::array<std::atomic<std::uint64_t>, kWays> owners{};
    // Bit w: ring w was used since the hand came by. Relaxed: a guess at who is done.
    std::atomic<std::uint32_t> used{0};
    std::atomic<std::uint32_t> hand{0};
    Figures figures;
  };

  [[nodiscard]] std::size_t set_of(std::uint64_t owner) const noexcept {
    return (owner >> 32) % sets_;
  }
  [[nodiscard]] std::optional<std::uint32_t> ring_of(std::uint64_t owner) const noexcept;
  void note_use(std::uint32_t ring) noexcept;
  [[nodiscard]] std::uint32_t ring_to_take(std::uint64_t owner) noexcept;
  [[nodiscard]] bool read(const Ring& ring, std::uint32_t slot, Remembered& found) const;
  // `instead`: see remember(); with Where::there nothing is written elsewhere.
  enum class Where : std::uint8_t { there, anywhere };
  bool write(std::uint32_t ring, const QuerySketch& sketch, const SearchName& name,
             std::span<const float> values, const Findings& findings,
             const RememberedPlace* instead, Where where) noexcept;

  storage::OsMemory memory_;
  Ring* rings_ = nullptr;
  std::size_t sets_ = 0;
  std::unique_ptr<Set[]> state_;
  std::atomic<bool> wanted_{false};
  std::uint32_t next_ring_ = 0;  // where next_wanted() goes on
};

}  // namespace aeon::engine
