// What the commands of the `aeon` tool share: how they are declared, how they answer and fail.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "engine/palace.hpp"

// Its header takes seconds to compile: who declares options includes it.
namespace CLI {
class App;
}

namespace aeon::cli {

// Exit codes: part of the tool's contract.
inline constexpr int kDone = 0;      // success
inline constexpr int kNegative = 1;  // damage found, nothing there
inline constexpr int kMisuse = 2;    // the call or its arguments are wrong
inline constexpr int kFailed = 3;    // an I/O or format error

// The command that the arguments chose. main() runs it once they are parsed.
struct Chosen {
  bool json = false;  // one JSON object a line on stdout
  std::function<int()> run;
};

// Declares `aeon NAME` with --json.
CLI::App* add_command(CLI::App& app, Chosen& chosen, const std::string& name,
                      const std::string& does);

// One sentence on stderr, and with --json the error as an object on stdout. Returns the exit code
// that its code calls for: unknown_id 1, what the caller got wrong 2, the rest 3.
int report(const Chosen& chosen, const Error& error);
// The same with an exit code of the caller's choice.
int report(const Chosen& chosen, const Error& error, int exit_code);
// Whether the fault lies in what the caller gave, so that other input may still succeed.
[[nodiscard]] bool is_callers_fault(Errc code);
// A remark on stderr that is no error.
void note(std::string_view sentence);

// Writes a line to stdout. A closed or full stdout is remembered, see finish_output().
void print(std::string_view line);
void flush_output();
[[nodiscard]] bool output_works() noexcept;
// `code`, or 3 with a sentence on stderr when stdout took not all of it.
int finish_output(int code);

[[nodiscard]] std::string durability_name(Durability level);

// Each command, one file or a small group: declares it in `app`.
void add_init(CLI::App& app, Chosen& chosen);
void add_put(CLI::App& app, Chosen& chosen);
void add_get(CLI::App& app, Chosen& chosen);
void add_forget(CLI::App& app, Chosen& chosen);
void add_erase(CLI::App& app, Chosen& chosen);
void add_history(CLI::App& app, Chosen& chosen);
void add_recall(CLI::App& app, Chosen& chosen);
void add_trace(CLI::App& app, Chosen& chosen);
void add_stat(CLI::App& app, Chosen& chosen);
void add_verify(CLI::App& app, Chosen& chosen);
void add_scrub(CLI::App& app, Chosen& chosen);
void add_upkeep(CLI::App& app, Chosen& chosen);  // checkpoint, compact
void add_backup(CLI::App& app, Chosen& chosen);
void add_repair(CLI::App& app, Chosen& chosen);
void add_log(CLI::App& app, Chosen& chosen);
void add_tail(CLI::App& app, Chosen& chosen);
void add_walk(CLI::App& app, Chosen& chosen);
void add_export(CLI::App& app, Chosen& chosen);
void add_import(CLI::App& app, Chosen& chosen);
void add_bench(CLI::App& app, Chosen& chosen);
void add_bench_ann(CLI::App& bench, Chosen& chosen);

}  // namespace aeon::cli
