#include "api/cli/options.hpp"

#include <CLI/CLI.hpp>
#include <map>

namespace aeon::cli {

namespace {

const std::map<std::string, Durability> kDurabilities = {
    {"sync", Durability::sync}, {"process", Durability::process}, {"none", Durability::none}};

}  // namespace

void add_directory(CLI::App& command, std::string& directory) {
  command.add_option("DIR", directory, "the palace's directory")->required();
}

void add_durability(CLI::App& command, Durability& level) {
  command
      .add_option("--durability", level,
                  "what an acknowledgement survives: sync (power loss), process (the death of "
                  "every process), none")
      ->transform(CLI::CheckedTransformer(kDurabilities))
      ->option_text("sync|process|none");
}

void add_ids(CLI::App& command, std::vector<MemoryId>& ids) {
  command.add_option("ID", ids, "memories, by id");
}

}  // namespace aeon::cli
