// aeon repair: saves what is readable of a damaged palace into a new one.
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

void show(const Chosen& chosen, const Damage& loss) {
  if (chosen.json) {
    api::JsonLine line;
    line.add("lost", loss.what).add("file", loss.file).add("offset", loss.offset);
    return print(std::move(line).finish());
  }
  if (loss.file.empty()) return print(fmt::format("lost: {}", loss.what));
  print(fmt::format("lost: {} at byte {}: {}", loss.file, loss.offset, loss.what));
}

int run_repair(const Chosen& chosen, const Options& options) {
  const auto done = Palace::repair(options.directory, options.target);
  if (!done) return report(chosen, done.error());
  for (const Damage& loss : done->losses) show(chosen, loss);
  if (chosen.json) {
    api::JsonLine line;
    line.add("memories", done->memories).add("vectors", done->vectors).add("edges", done->edges);
    line.add("losses", done->losses.size());
    print(std::move(line).finish());
  } else {
    print(fmt::format(
        "saved {} memories, {} vectors and {} edges into {}; {}", done->memories, done->vectors,
        done->edges, options.target,
        done->losses.empty() ? "nothing was lost" : fmt::format("{} losses", done->losses.size())));
  }
  return done->losses.empty() ? kDone : kNegative;
}

}  // namespace

void add_repair(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, chosen, "repair",
                                  "save what is readable of a damaged palace into a new one");
  add_directory(*command, options->directory);
  command->add_option("DEST", options->target, "the new palace: a new or empty directory")
      ->required();
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_repair(chosen, *options); };
  });
}

}  // namespace aeon::cli
