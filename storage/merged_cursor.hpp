// All entries of a RunSet in key order.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "storage/run_set.hpp"

namespace aeon::storage {

// Merges the sources of a set. One thread at a time; the set must outlive it. An entry that two
// sources hold under the same whole key is met once, as the newer source has it. Resetting keeps
// the buffers, so warm use allocates nothing. O(log sources) comparisons a step.
class MergedCursor {
 public:
  MergedCursor() = default;
  explicit MergedCursor(const RunSet& set) { reset(set); }
  MergedCursor(MergedCursor&&) = default;  // not copyable: keys are views of the inputs
  MergedCursor& operator=(MergedCursor&&) = default;
  void reset(const RunSet& set);

  void seek_first();
  // To the first entry whose key is not less than `key`, which must not be a view of this cursor.
  void seek(std::string_view key);
  // Only when valid().
  void next();

  [[nodiscard]] bool valid() const noexcept { return !failed_ && !heap_.empty(); }
  // The key lives until the cursor moves, the value as long as its tail or segment.
  [[nodiscard]] std::string_view key() const noexcept { return inputs_[heap_.front()].key; }
  [[nodiscard]] std::string_view value() const noexcept;

  // An error when a source is damaged where the cursor stands; valid() is false then.
  [[nodiscard]] Status status() const;
  // Goes on behind the damaged block of that source; call again until status() is fine. What the
  // block held is missing from then on, so an older version of a key may pass for its newest.
  void skip_damage();

 private:
  struct Input {
    RunTail::Cursor tail;
    RunCursor run;
    bool is_tail = false;
    std::string_view key;  // of the entry it stands at
  };

  template <typename Move>
  void place(Move move);
  bool settle(Input& input);
  [[nodiscard]] bool before(std::uint32_t a, std::uint32_t b) const noexcept;
  void sift_down(std::size_t at) noexcept;
  void advance(std::size_t at);
  void find_failure() noexcept;

  std::vector<Input> inputs_;        // newest source first; may be longer than the set
  std::size_t count_ = 0;            // inputs in use
  std::vector<std::uint32_t> heap_;  // inputs that stand at an entry, the lowest key first
  bool failed_ = false;              // some input stopped at damage
  std::size_t failed_input_ = 0;
};

}  // namespace aeon::storage
