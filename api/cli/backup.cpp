// aeon backup: a copy of a palace, made while others write.
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
  std::string target;
};

// A palace that may only be read can be copied all the same.
Result<Palace> open_to_copy(const std::string& directory) {
  auto palace = Palace::open(directory, short_lived());
  if (palace || palace.error().code != Errc::no_permission) return palace;
  return Palace::open(directory, look_only());
}

int run_backup(const Chosen& chosen, const Options& options) {
  auto palace = open_to_copy(options.directory);
  if (!palace) return report(chosen, palace.error());
  const auto done = palace->backup(options.target);
  if (!done) return report(chosen, done.error());
  if (auto closed = palace->close(); !closed) return report(chosen, closed.error());
  if (chosen.json) {
    api::JsonLine line;
    line.add("commit", done->commit).add("before", done->before).add("commits", done->commits);
    line.add("files_linked", done->files_linked).add("files_copied", done->files_copied);
    line.add("bytes_copied", done->bytes_copied).add("files_kept", done->files_kept);
    print(std::move(line).finish());
  } else {
    print(
        fmt::format("{} holds everything up to commit {}: {} files linked, {} copied ({} bytes), "
                    "{} there before, {} commits taken from the log",
                    options.target, done->commit, done->files_linked, done->files_copied,
                    done->bytes_copied, done->files_kept, done->commits));
  }
  return kDone;
}

}  // namespace

void add_backup(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, chosen, "backup",
                  "make DEST a copy of the palace, or bring it up to date, while others write");
  add_directory(*command, options->directory);
  command
      ->add_option("DEST", options->target,
                   "the copy: a new or empty directory, or an earlier copy of this palace")
      ->required();
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_backup(chosen, *options); };
  });
}

}  // namespace aeon::cli
