// Stored text on a terminal: what a memory holds must not move the cursor, colour the screen or
// retitle the window.
#pragma once

#include <string>
#include <string_view>

namespace aeon::api {

// At most `columns` characters of `text` on one line: runs of white space become one blank,
// control characters (C0, DEL, C1), invisible direction marks and malformed bytes are left out,
// a cut is marked with "…". Thread-safe.
[[nodiscard]] std::string terminal_text(std::string_view text, std::size_t columns = 160);

}  // namespace aeon::api
