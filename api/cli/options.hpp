// Options that several commands read the same way.
#pragma once

#include <string>
#include <vector>

#include "engine/palace.hpp"

namespace CLI {
class App;
}

namespace aeon::cli {

// Adds the positional DIR.
void add_directory(CLI::App& command, std::string& directory);
// Adds --durability sync|process|none.
void add_durability(CLI::App& command, Durability& level);
// Adds the positional ID...
void add_ids(CLI::App& command, std::vector<MemoryId>& ids);

// For commands that only look: never writes, follows no other process.
inline OpenOptions look_only() { return {.read_only = true, .background = false}; }
// For short commands that write.
inline OpenOptions short_lived() { return {.background = false}; }

}  // namespace aeon::cli
