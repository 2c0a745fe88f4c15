// aeon log: who changed the palace, or a memory, and when. aeon tail: what changed, as it changes.
#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/interrupt.hpp"
#include "api/cli/options.hpp"
#include "api/json_line.hpp"
#include "api/json_object.hpp"
#include "api/time_text.hpp"

namespace aeon::cli {
namespace {

struct LogOptions {
  std::string directory;
  MemoryId id = 0;
  std::size_t count = 20;
};

struct TailOptions {
  std::string directory;
  CommitNumber from = 0;
  bool follow = false;
};

// How often a follower looks for new commits.
constexpr std::chrono::milliseconds kPoll{20};

// The kinds of a commit in words, see engine/format.md.
std::string kinds_text(std::uint32_t kinds) {
  static constexpr const char* kNames[] = {"",      "space", "name",    "version", "row",
                                           "end",   "key",   "line",    "edge",    "checkpoint",
                                           "links", "words", "setting", "expiry",  "word-counts"};
  std::string text;
  for (std::uint32_t kind = 1; kind < 32; ++kind) {
    if ((kinds >> kind & 1) == 0) continue;
    if (!text.empty()) text += ' ';
    text += kind < std::size(kNames) ? kNames[kind] : fmt::format("kind-{}", kind);
  }
  return text;
}

void add_commit(api::JsonLine& line, const CommitInfo& commit) {
  line.add("commit", commit.commit).add("time", api::time_text(commit.time));
  line.add("author", fmt::format("{:016x}", commit.author));
  line.add("kinds", kinds_text(commit.kinds)).add("operations", commit.operations);
  line.add("bytes", commit.bytes);
}

int log_commits(const Chosen& chosen, const LogOptions& options, Palace& palace) {
  const CommitNumber newest = palace.snapshot().commit();
  const CommitNumber after = newest - std::min<CommitNumber>(newest, options.count);
  const auto commits = palace.commits(after, options.count);
  if (!commits) return report(chosen, commits.error());
  for (auto commit = commits->rbegin(); commit != commits->rend(); ++commit) {
    if (chosen.json) {
      api::JsonLine line;
      add_commit(line, *commit);
      print(std::move(line).finish());
    } else {
      print(fmt::format("commit {}  {}  author {:016x}  {} operations, {} bytes: {}",
                        commit->commit, api::time_text(commit->time), commit->author,
                        commit->operations, commit->bytes, kinds_text(commit->kinds)));
    }
  }
  return kDone;
}

int log_memory(const Chosen& chosen, const LogOptions& options, Palace& palace) {
  const auto versions = palace.versions(options.id);
  if (!versions) return report(chosen, versions.error());
  std::size_t left = options.count;
  for (const VersionInfo& version : *versions) {
    if (left-- == 0) break;
    const char* what = version.live ? "written" : "forgotten";
    if (chosen.json) {
      api::JsonLine line;
      line.add("id", options.id).add("commit", version.commit);
      line.add("time", api::time_text(version.time));
      line.add("author", fmt::format("{:016x}", version.author)).add("what", what);
      print(std::move(line).finish());
    } else {
      print(fmt::format("commit {}  {}  author {:016x}  memory {} {}", version.commit,
                        api::time_text(version.time), version.author, options.id, what));
    }
  }
  return kDone;
}

int run_log(const Chosen& chosen, const LogOptions& options) {
  auto palace = Palace::open(options.directory, look_only());
  if (!palace) return report(chosen, palace.error());
  return options.id == 0 ? log_commits(chosen, options, *palace)
                         : log_memory(chosen, options, *palace);
}

std::string change_json(const Change& change) {
  static constexpr const char* kNames[] = {"", "wrote", "forgot", "linked", "unlinked"};
  api::JsonLine line;
  line.add("what", kNames[static_cast<std::size_t>(change.kind)]);
  if (change.to == 0) {
    line.add("id", change.id);
  } else {
    line.add("from", change.id).add("to", change.to).add("type", change.type);
  }
  return std::move(line).finish();
}

void show(const Chosen& chosen, const CommitChanges& changes) {
  const CommitInfo& commit = changes.commit;
  if (chosen.json) {
    std::vector<std::string> items;
    for (const Change& change : changes.changes) items.push_back(change_json(change));
    api::JsonLine line;
    add_commit(line, commit);
    line.add_raw("changes", api::json_array(items));
    return print(std::move(line).finish());
  }
  print(fmt::format("commit {}  {}  author {:016x}", commit.commit, api::time_text(commit.time),
                    commit.author));
  for (const Change& change : changes.changes) {
    switch (change.kind) {
      case Change::Kind::wrote: print(fmt::format("  wrote memory {}", change.id)); break;
      case Change::Kind::forgot: print(fmt::format("  forgot memory {}", change.id)); break;
      case Change::Kind::linked:
      case Change::Kind::unlinked:
        print(fmt::format("  {} {} -> {} ({})",
                          change.kind == Change::Kind::linked ? "linked" : "unlinked", change.id,
                          change.to, change.type));
        break;
    }
  }
}

int run_tail(const Chosen& chosen, const TailOptions& options) {
  auto palace = Palace::open(options.directory, look_only());
  if (!palace) return report(chosen, palace.error());
  auto feed = palace->changes_after(options.from);
  if (!feed) return report(chosen, feed.error());
  CommitChanges changes;
  while (!interrupted() && output_works()) {
    const auto found = feed->next(changes);
    if (!found) return report(chosen, found.error());
    if (*found) {
      show(chosen, changes);
      continue;
    }
    if (!options.follow) break;
    flush_output();
    std::this_thread::sleep_for(kPoll);
  }
  return kDone;
}

}  // namespace

void add_log(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<LogOptions>();
  CLI::App* command =
      add_command(app, chosen, "log", "show who changed the palace, or a memory, newest first");
  add_directory(*command, options->directory);
  command->add_option("ID", options->id, "the memory; without one all commits");
  command->add_option("-n,--count", options->count, "how many at most")
      ->check(CLI::Range(1, 100'000'000));
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_log(chosen, *options); };
  });
}

void add_tail(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<TailOptions>();
  CLI::App* command = add_command(app, chosen, "tail", "show what commits changed, oldest first");
  add_directory(*command, options->directory);
  command->add_option("--from", options->from, "begin behind this commit");
  command->add_flag("--follow", options->follow, "go on with commits as they are made");
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_tail(chosen, *options); };
  });
}

}  // namespace aeon::cli
