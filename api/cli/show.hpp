// Memories as people read them on a terminal. Stored text is never printed raw.
#pragma once

#include <string>

#include "engine/model.hpp"

namespace aeon::cli {

// "fact 7, version 3, session s, 2025-03-01T12:00:00Z" and what else it carries, a line a field.
[[nodiscard]] std::string memory_text(const Memory& memory);
// The content on one line, at most `columns` wide; what bytes are is said, not shown.
[[nodiscard]] std::string content_text(const Memory& memory, std::size_t columns);
// Prints a damaged place on a line, an object with `json`.
void print_damage(bool json, const Damage& damage);
// "session, time", for listings.
[[nodiscard]] std::string origin_text(const Memory& memory);

}  // namespace aeon::cli
