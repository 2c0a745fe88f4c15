// A session's line when one of its events ends: the events beside it become each other's, so that a
// line leads through living events only and walking it costs what it shows.
#pragma once

#include "engine/draft.hpp"

namespace aeon::engine {

// Takes memory `id` out of its session's line: `next` edges at it end, whoever led to it leads to
// the first that it led to, and the line ends before it where it was the newest. Errors: damaged.
[[nodiscard]] Status close_up_line(Draft& draft, std::uint32_t tenant, std::uint32_t session,
                                   MemoryId id);

}  // namespace aeon::engine
