// What every recall asks of its query before it searches.
#pragma once

#include <string_view>

#include "engine/model.hpp"
#include "engine/view.hpp"

namespace aeon::engine {

// How many are wanted, how hard to try for them and how they are chosen. Errors: invalid_argument.
[[nodiscard]] Status check_wanted(const Query& query);

// The recall that a checked query wants, from its target or its effort.
[[nodiscard]] float wanted_recall(const Query& query) noexcept;

// The space of that name; without one that of the built-in embedder, else the first. Errors:
// unknown_space.
[[nodiscard]] Result<const SpaceInfo*> space_of(const Reading& reading, std::string_view name);

}  // namespace aeon::engine
