// A sequence counter over memory that is written seldom and read often: a reader copies what it
// wants and then asks whether anybody wrote meanwhile; if so the copy is worth nothing. Readers
// store nothing and wait for nobody; a writer that finds another at work goes away.
//
// The memory must be atomic words, since a reader may load them while they are stored. Words are
// stored with release and loaded with acquire, and no fence is needed. The argument: suppose that
// valid() says yes, so that both looks at the counter, (2) and (6), saw the same even number s. A
// word loaded between them was stored
//   - before the section that ended with s, or in it: (1) synchronizes-with (2), so the load sees
//     the last of those stores or a later one;
//   - or in a later section, which can't be: that section made the counter s + 1 before it stored
//     the word, (4); loading the word by (5) synchronizes-with that, so (6), which comes after (5),
//     would have seen s + 1 or more.
#pragma once

#include <cstdint>
#include <optional>

#include "storage/atomics.hpp"

namespace aeon::storage {

template <typename Atomics>
class BasicSequence {
 public:
  using Word = typename Atomics::template Atomic<std::uint64_t>;

  // Readers, wait-free. Nothing while a writer is at work.
  [[nodiscard]] std::optional<std::uint64_t> begin_read() const noexcept {
    const std::uint64_t now = count_.load(std::memory_order_acquire);  // (2)
    return now % 2 == 0 ? std::optional(now) : std::nullopt;
  }
  [[nodiscard]] static std::uint64_t read(const Word& word) noexcept {
    return word.load(std::memory_order_acquire);  // (5) synchronizes-with (4)
  }
  // Whether everything read since begin_read(), which gave `before`, belongs together.
  [[nodiscard]] bool valid(std::uint64_t before) const noexcept {
    // (6) relaxed: what it must see happens before it by (5).
    return count_.load(std::memory_order_relaxed) == before;
  }

  // Writers. False, and nothing is begun, when another is at work.
  [[nodiscard]] bool try_begin_write() noexcept {
    std::uint64_t now = count_.load(std::memory_order_relaxed);  // looked at again by (3)
    // (3) acquire: the next section comes after the last, (1).
    return now % 2 == 0 && count_.compare_exchange_strong(now, now + 1, std::memory_order_acquire,
                                                          std::memory_order_relaxed);
  }
  static void write(Word& word, std::uint64_t value) noexcept {
    word.store(value, std::memory_order_release);  // (4) synchronizes-with (5)
  }
  void end_write() noexcept {
    // Only this thread stores it now. (1) synchronizes-with (2) and (3).
    count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

 private:
  Word count_{0};
};

using Sequence = BasicSequence<StdAtomics>;

}  // namespace aeon::storage
