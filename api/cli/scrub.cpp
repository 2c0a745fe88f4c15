// aeon scrub: reads the settled files again from the device, at a rate if one is asked for.
#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/options.hpp"
#include "api/cli/show.hpp"
#include "api/json_line.hpp"

namespace aeon::cli {
namespace {

using Seconds = std::chrono::duration<double>;

struct Options {
  std::string directory;
  double mib_per_second = 0;  // 0: as fast as the device
};

// Sleeps until what was read is no more than the rate allows since `start`.
void keep_rate(const Options& options, std::uint64_t bytes,
               std::chrono::steady_clock::time_point start) {
  if (options.mib_per_second <= 0) return;
  const Seconds due(static_cast<double>(bytes) / (1 << 20) / options.mib_per_second);
  const Seconds spent = std::chrono::steady_clock::now() - start;
  if (due > spent) std::this_thread::sleep_for(std::min<Seconds>(due - spent, Seconds(1)));
}

int run_scrub(const Chosen& chosen, const Options& options) {
  auto palace = Palace::open(options.directory, look_only());
  if (!palace) return report(chosen, palace.error());
  const auto start = std::chrono::steady_clock::now();
  ScrubStats scrub;
  for (bool ended = false; !ended;) {
    const auto step = palace->scrub(std::chrono::nanoseconds::zero());
    if (!step) return report(chosen, step.error());
    ended = *step;
    const auto stats = palace->stats();
    if (!stats) return report(chosen, stats.error());
    scrub = stats->scrub;
    keep_rate(options, scrub.bytes, start);
  }
  for (const Damage& damage : scrub.damage) print_damage(chosen.json, damage);
  if (chosen.json) {
    api::JsonLine line;
    line.add("ok", scrub.damaged == 0).add("damaged_pages", scrub.damaged);
    line.add("bytes", scrub.bytes);
    print(std::move(line).finish());
  } else {
    print(fmt::format("{}: {} bytes of settled files read again from the device",
                      scrub.damaged == 0 ? "whole" : fmt::format("{} damaged pages", scrub.damaged),
                      scrub.bytes));
  }
  return scrub.damaged == 0 ? kDone : kNegative;
}

}  // namespace

void add_scrub(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, chosen, "scrub", "read settled files again from the device, name the pages that rotted");
  add_directory(*command, options->directory);
  command->add_option("--rate", options->mib_per_second, "MiB a second; 0: as fast as it goes")
      ->check(CLI::Range(0.0, 1e6));
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_scrub(chosen, *options); };
  });
}

}  // namespace aeon::cli
