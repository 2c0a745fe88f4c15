// Copies what is worth keeping from many sources into one run: the heart of a checkpoint (sources
// are frozen tails) and of a compaction (sources are runs).
#pragma once

#include <cstdint>
#include <limits>

#include "storage/merged_cursor.hpp"
#include "storage/run.hpp"

namespace aeon::storage {

// Walks `from`, which the caller has placed, and adds every entry for which `keep(key, value)` is
// true. Keys come in order, so a predicate may remember what it saw. Stops after looking at
// `most_entries`, so that a long merge can be done in slices: call again while from.valid().
// Errors: damage met by the cursor, which stands there then (skip_damage() and call again to go
// on), and the builder's.
template <typename Keep>
[[nodiscard]] Status merge_runs(
    MergedCursor& from, RunBuilder& to, Keep&& keep,
    std::uint64_t most_entries = std::numeric_limits<std::uint64_t>::max()) {
  for (std::uint64_t looked = 0; looked < most_entries && from.valid(); ++looked) {
    if (keep(from.key(), from.value())) AEON_TRY(to.add(from.key(), from.value()));
    from.next();
  }
  return from.status();
}

}  // namespace aeon::storage
