// aeon forget, aeon erase: memories ended, all that are named or none.
#include <CLI/CLI.hpp>
#include <memory>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/options.hpp"
#include "api/json_line.hpp"

namespace aeon::cli {
namespace {

struct Options {
  std::string directory;
  std::vector<MemoryId> ids;
  Durability durability = Durability::sync;
  bool wait = false;
};

int finish(const Chosen& chosen, const Options& options, Palace& palace, CommitNumber commit,
           std::string_view done) {
  if (auto closed = palace.close(); !closed) return report(chosen, closed.error());
  if (!chosen.json) {
    print(fmt::format("{} {} memories in commit {}", done, options.ids.size(), commit));
    return kDone;
  }
  for (const MemoryId id : options.ids) {
    api::JsonLine line;
    line.add(done == "forgot" ? "forgotten" : "erased", id).add("commit", commit);
    print(std::move(line).finish());
  }
  return kDone;
}

int run_forget(const Chosen& chosen, const Options& options) {
  auto palace = Palace::open(options.directory, short_lived());
  if (!palace) return report(chosen, palace.error());
  Batch batch;
  for (const MemoryId id : options.ids) batch.forget(id);
  auto ack = palace->commit(std::move(batch), options.durability);
  if (!ack) return report(chosen, ack.error());
  return finish(chosen, options, *palace, ack->commit, "forgot");
}

int run_erase(const Chosen& chosen, const Options& options) {
  auto palace = Palace::open(options.directory, short_lived());
  if (!palace) return report(chosen, palace.error());
  Batch batch;
  for (const MemoryId id : options.ids) batch.erase(id);
  auto ack = palace->commit(std::move(batch), options.durability);
  if (!ack) return report(chosen, ack.error());
  if (options.wait) {
    if (auto purged = palace->purge(); !purged) return report(chosen, purged.error());
  } else {
    note(
        "the erased bytes leave the files when the palace is next kept open by a program, or "
        "with --wait");
  }
  return finish(chosen, options, *palace, ack->commit, "erased");
}

std::shared_ptr<Options> add_ending(CLI::App* command) {
  auto options = std::make_shared<Options>();
  add_directory(*command, options->directory);
  add_ids(*command, options->ids);
  command->get_option("ID")->required();
  add_durability(*command, options->durability);
  return options;
}

}  // namespace

void add_forget(CLI::App& app, Chosen& chosen) {
  CLI::App* command = add_command(app, chosen, "forget", "end memories, all named or none");
  auto options = add_ending(command);
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_forget(chosen, *options); };
  });
}

void add_erase(CLI::App& app, Chosen& chosen) {
  CLI::App* command = add_command(app, chosen, "erase",
                                  "end and destroy memories, visible or forgotten, all named or "
                                  "none");
  auto options = add_ending(command);
  command->add_flag("--wait", options->wait,
                    "return once no file of the palace holds a byte of them");
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_erase(chosen, *options); };
  });
}

}  // namespace aeon::cli
