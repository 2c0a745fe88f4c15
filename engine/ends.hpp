// When rows ended. A row's node ends at most once, at a commit; a row without an end is alive.
//
// Ends since the last checkpoint lie in RAM (SpaceTail). Settled ends are sorted slices in segments
// (`cluster_ends`): arrays of EndEntry ordered by space, node.
#pragma once

#include <cstdint>

namespace aeon::engine {

// Persisted in `cluster_ends` sections, sorted by (space, node).
struct EndEntry {
  std::uint32_t space = 0;
  std::uint32_t node = 0;
  std::uint64_t commit = 0;
};
static_assert(sizeof(EndEntry) == 16);

}  // namespace aeon::engine
