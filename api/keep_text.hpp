// How long history is kept, as text: "all", "none", or a number with a unit: s, m, h, d ("30d").
#pragma once

#include <string>
#include <string_view>

#include "engine/model.hpp"
#include "storage/result.hpp"

namespace aeon::api {

// What Batch::set_history() takes. Errors: invalid_argument.
[[nodiscard]] Result<TimeNs> parse_keep(std::string_view text);
// In the largest unit that gives a whole number of seconds or more; parse_keep() gives back what
// parse_keep() gave.
[[nodiscard]] std::string keep_text(TimeNs keep);

}  // namespace aeon::api
