// The `aeon` command line tool: parses, runs one command, answers with its exit code.
#include <CLI/CLI.hpp>
#include <exception>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/interrupt.hpp"

namespace aeon::cli {
namespace {

constexpr const char* kAbout =
    "Aeon keeps what an agent saw, said and concluded, and finds it again.\n"
    "Exit codes: 0 success, 1 a negative answer, 2 misuse, 3 an I/O or format error.";

void add_commands(CLI::App& app, Chosen& chosen) {
  add_init(app, chosen);
  add_put(app, chosen);
  add_get(app, chosen);
  add_forget(app, chosen);
  add_erase(app, chosen);
  add_history(app, chosen);
  add_recall(app, chosen);
  add_trace(app, chosen);
  add_stat(app, chosen);
  add_verify(app, chosen);
  add_scrub(app, chosen);
  add_upkeep(app, chosen);
  add_walk(app, chosen);
  add_log(app, chosen);
  add_tail(app, chosen);
  add_backup(app, chosen);
  add_repair(app, chosen);
  add_export(app, chosen);
  add_import(app, chosen);
  add_bench(app, chosen);
}

int run(int argc, char** argv) {
  CLI::App app(kAbout, "aeon");
  Chosen chosen;
  add_commands(app, chosen);
  app.set_version_flag("--version", AEON_VERSION_TEXT);
  app.require_subcommand(1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    note(fmt::format("{}; see `aeon --help`", error.what()));
    return kMisuse;
  }
  catch_interrupts();
  return finish_output(chosen.run());
}

}  // namespace
}  // namespace aeon::cli

int main(int argc, char** argv) {
  try {
    return aeon::cli::run(argc, argv);
  } catch (const std::exception& error) {
    aeon::cli::note(fmt::format("stopped: {}", error.what()));
    return aeon::cli::kFailed;
  }
}
