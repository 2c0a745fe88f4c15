// Reading back the stored vector of a version.
#pragma once

#include <span>

#include "engine/view.hpp"

namespace aeon::engine {

// A row where it lies. `block` is a view of columns, alive as long as the reading's view.
struct FoundRow {
  RowBlock block;
  std::uint32_t row = 0;
};

// Finds a row by its node: a table in a tail, an index in a segment. In segments of format version
// 1 rows ascend by node within a cluster, so each cluster costs a comparison and the right one a
// binary search. Errors: damaged when no readable place has the row.
[[nodiscard]] Result<FoundRow> find_row(const Reading& reading, RowName name, std::uint32_t tenant);

// The values that the row of memory `id`, version `version`, keeps; `values` has the space's
// dimension. Errors: damaged.
[[nodiscard]] Status read_row(const Reading& reading, RowName name, std::uint32_t tenant,
                              CommitNumber version, MemoryId id, std::span<float> values);

}  // namespace aeon::engine
