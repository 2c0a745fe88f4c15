// Options that several commands read the same way.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "engine/palace.hpp"

namespace aeon::cli {

// "sync", "process" or "none".
inline const std::map<std::string, Durability> kDurabilities = {
    {"sync", Durability::sync}, {"process", Durability::process}, {"none", Durability::none}};

// Adds the positional DIR.
inline void add_directory(CLI::App& command, std::string& directory) {
  command.add_option("DIR", directory, "the palace's directory")->required();
}

inline void add_durability(CLI::App& command, Durability& level) {
  command
      .add_option("--durability", level,
                  "what an acknowledgement survives: sync (power loss), process (the death of "
                  "every process), none")
      ->transform(CLI::CheckedTransformer(kDurabilities))
      ->option_text("sync|process|none");
}

// Adds the positional ID...
inline void add_ids(CLI::App& command, std::vector<MemoryId>& ids) {
  command.add_option("ID", ids, "memories, by id");
}

// For commands that only look: never writes, follows no other process.
inline OpenOptions look_only() { return {.read_only = true, .background = false}; }
// For short commands that write.
inline OpenOptions short_lived() { return {.background = false}; }

}  // namespace aeon::cli
