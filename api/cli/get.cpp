// aeon get: memories by id or key.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/options.hpp"
#include "api/cli/show.hpp"
#include "api/json_line.hpp"
#include "api/json_memory.hpp"

namespace aeon::cli {
namespace {

struct Options {
  std::string directory;
  std::vector<MemoryId> ids;
  std::string key;
  std::string tenant;
  bool vectors = false;
  std::optional<CommitNumber> as_of;
};

Error nothing_named() {
  return {Errc::invalid_argument, 0, "name at least one memory: an ID, or --key KEY"};
}

// Every id is looked up, whatever became of those before it.
int run_get(const Chosen& chosen, const Options& options) {
  if (options.ids.empty() && options.key.empty()) return report(chosen, nothing_named());
  auto palace = Palace::open(options.directory, look_only());
  if (!palace) return report(chosen, palace.error());
  auto found =
      options.as_of ? palace->snapshot_at(*options.as_of) : Result<Snapshot>(palace->snapshot());
  if (!found) return report(chosen, found.error());
  const Snapshot snapshot = std::move(*found);
  int code = kDone;
  std::vector<MemoryId> ids = options.ids;
  if (!options.key.empty()) {
    auto id = snapshot.find_key(options.tenant, options.key);
    if (id) {
      ids.push_back(*id);
    } else {
      code = report(chosen, id.error());
    }
  }
  Memory memory;
  for (const MemoryId id : ids) {
    if (auto got = snapshot.get(id, memory, options.vectors); !got) {
      code = std::max(code, report(chosen, got.error()));
    } else {
      print(chosen.json ? api::memory_json(memory) : memory_text(memory));
    }
  }
  return code;
}

}  // namespace

void add_get(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, chosen, "get", "show memories by id or key");
  add_directory(*command, options->directory);
  add_ids(*command, options->ids);
  command->add_option("--key", options->key, "the memory that has this key");
  command->add_option("--tenant", options->tenant, "whose key it is");
  command->add_option("--as-of", options->as_of, "as they were after this commit");
  command->add_flag("--vectors", options->vectors, "with the vectors that are kept of it");
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_get(chosen, *options); };
  });
}

}  // namespace aeon::cli
