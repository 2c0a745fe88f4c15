#include "api/cli/command.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>

#include <fmt/format.h>

#include "api/json_line.hpp"
#include "api/terminal_text.hpp"

namespace aeon::cli {
namespace {

bool output_failed = false;

int exit_code_of(Errc code) {
  switch (code) {
    case Errc::unknown_id: return kNegative;
    case Errc::invalid_argument:
    case Errc::wrong_dimension:
    case Errc::not_finite:
    case Errc::zero_vector:
    case Errc::unknown_space:
    case Errc::unknown_tenant:
    case Errc::invalid_key:
    case Errc::key_exists:
    case Errc::version_conflict:
    case Errc::invalid_utf8:
    case Errc::invalid_json:
    case Errc::too_large:
    case Errc::model_mismatch:
    case Errc::already_exists:
    case Errc::too_old: return kMisuse;
    default: return kFailed;
  }
}

}  // namespace

CLI::App* add_command(CLI::App& app, Chosen& chosen, const std::string& name,
                      const std::string& does) {
  CLI::App* command = app.add_subcommand(name, does);
  command->add_flag("--json", chosen.json, "print one JSON object a line");
  return command;
}

int report(const Chosen& chosen, const Error& error) {
  return report(chosen, error, exit_code_of(error.code));
}

int report(const Chosen& chosen, const Error& error, int exit_code) {
  if (chosen.json) {
    api::JsonLine line;
    line.add("error", errc_name(error.code)).add("code", static_cast<unsigned>(error.code));
    // What a message quotes may be no UTF-8; the filter leaves only what is.
    line.add("message", api::terminal_text(error.message, 4096));
    print(std::move(line).finish());
  }
  note(error.message);
  return exit_code;
}

bool is_callers_fault(Errc code) { return exit_code_of(code) != kFailed; }

std::string durability_name(Durability level) {
  switch (level) {
    case Durability::none: return "none";
    case Durability::process: return "process";
    case Durability::sync: return "sync";
  }
  return "unknown";
}

bool output_works() noexcept { return !output_failed; }

void note(std::string_view sentence) {
  flush_output();
  fmt::print(stderr, "aeon: {}\n", api::terminal_text(sentence, 4096));
}

void print(std::string_view line) {
  const bool whole = std::fwrite(line.data(), 1, line.size(), stdout) == line.size();
  if (!whole || std::fputc('\n', stdout) == EOF) output_failed = true;
}

void flush_output() {
  if (std::fflush(stdout) != 0) output_failed = true;
}

int finish_output(int code) {
  flush_output();
  if (!output_failed) return code;
  fmt::print(stderr, "aeon: standard output took not everything; its reader closed or is full\n");
  return kFailed;
}

}  // namespace aeon::cli
