// aeon history: how long what was superseded or forgotten stays readable.
#include <CLI/CLI.hpp>
#include <memory>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/options.hpp"
#include "api/json_line.hpp"
#include "api/keep_text.hpp"

namespace aeon::cli {
namespace {

struct Options {
  std::string directory;
  std::string keep;
};

int show(const Chosen& chosen, const Stats& stats) {
  if (chosen.json) {
    api::JsonLine line;
    line.add("history", api::keep_text(stats.history));
    line.add("oldest_readable", stats.oldest_readable);
    line.add("ended_versions", stats.ended_versions);
    print(std::move(line).finish());
    return kDone;
  }
  print(fmt::format("history kept: {}; reads go back to commit {}; {} ended versions are stored",
                    api::keep_text(stats.history), stats.oldest_readable, stats.ended_versions));
  return kDone;
}

int run(const Chosen& chosen, const Options& options) {
  TimeNs keep = 0;
  if (!options.keep.empty()) {
    const auto parsed = api::parse_keep(options.keep);
    if (!parsed) return report(chosen, parsed.error());
    keep = *parsed;
  }
  auto palace = Palace::open(options.directory, options.keep.empty() ? look_only() : short_lived());
  if (!palace) return report(chosen, palace.error());
  if (!options.keep.empty()) {
    Batch batch;
    batch.set_history(keep);
    if (auto ack = palace->commit(std::move(batch)); !ack) return report(chosen, ack.error());
  }
  auto stats = palace->stats();
  if (!stats) return report(chosen, stats.error());
  if (auto closed = palace->close(); !closed) return report(chosen, closed.error());
  return show(chosen, *stats);
}

}  // namespace

void add_history(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, chosen, "history", "show or set how long ended versions stay readable");
  add_directory(*command, options->directory);
  command->add_option("KEEP", options->keep,
                      "all, none (until the next merge), or a time such as 30d, 12h, 90s");
  command->callback(
      [&chosen, options] { chosen.run = [&chosen, options] { return run(chosen, *options); }; });
}

}  // namespace aeon::cli
