// aeon trace: what came before and after a memory in its session.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

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
  MemoryId id = 0;
  std::size_t back = 5;
  std::size_t forward = 5;
};

void show(const Chosen& chosen, const Memory& memory, std::ptrdiff_t place) {
  if (chosen.json) {
    api::JsonLine line;
    line.add("place", place).add_raw("memory", api::memory_json(memory));
    return print(std::move(line).finish());
  }
  print(fmt::format("{:>+4}  id {}  [{}]", place, memory.id, origin_text(memory)));
  print(fmt::format("      {}", content_text(memory, 154)));
}

int run(const Chosen& chosen, const Options& options) {
  auto palace = Palace::open(options.directory, look_only());
  if (!palace) return report(chosen, palace.error());
  const Snapshot snapshot = palace->snapshot();
  Memory memory;
  if (auto got = snapshot.get(options.id, memory); !got) return report(chosen, got.error());
  std::vector<Event> events;
  std::vector<Event> after;
  if (auto walked = snapshot.backtrack(options.id, options.back, events); !walked) {
    return report(chosen, walked.error());
  }
  if (auto walked = snapshot.follow(options.id, options.forward, after); !walked) {
    return report(chosen, walked.error());
  }
  const auto before = static_cast<std::ptrdiff_t>(events.size());
  std::ranges::reverse(events);
  events.push_back({options.id, memory.event_time});
  events.insert(events.end(), after.begin(), after.end());
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (auto got = snapshot.get(events[i].id, memory); !got) return report(chosen, got.error());
    show(chosen, memory, static_cast<std::ptrdiff_t>(i) - before);
  }
  return kDone;
}

}  // namespace

void add_trace(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, chosen, "trace", "show a memory on its session's line");
  add_directory(*command, options->directory);
  command->add_option("ID", options->id, "the memory")->required();
  command->add_option("--back", options->back, "how many events before it")
      ->check(CLI::Range(0, 100'000));
  command->add_option("--forward", options->forward, "how many events after it")
      ->check(CLI::Range(0, 100'000));
  command->callback(
      [&chosen, options] { chosen.run = [&chosen, options] { return run(chosen, *options); }; });
}

}  // namespace aeon::cli
