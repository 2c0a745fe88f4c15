#include "api/cli/bench_processes.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "api/cli/bench_machine.hpp"
#include "api/cli/child_process.hpp"
#include "api/cli/files.hpp"
#include "api/cli/interrupt.hpp"
#include "simd/kernels.hpp"
#include "storage/os.hpp"

namespace aeon::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Print = std::function<void(const std::string&)>;

constexpr std::uint64_t kTailBudget = 64ULL << 20;
constexpr std::uint64_t kOwnBudget = 30'000'000;
constexpr int kWarmCommits = 50;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

std::string finish(api::JsonLine line) {
  add_machine(line, std::string(simd::kernel_choice().name));
  return std::move(line).finish();
}

Status make_palace(const std::string& path, const ProcessBench& bench, std::uint32_t rows) {
  constexpr std::uint32_t kBatch = 500;
  AEON_ASSIGN(
      Palace palace,
      Palace::create(
          path, {{.name = std::string(kBenchSpace), .dimension = bench.dimension, .model = ""}}));
  BatchSource source({kBatch, bench.dimension, bench.content_bytes}, 1);
  for (std::uint32_t made = 0; made < rows && !interrupted(); made += kBatch) {
    AEON_TRY(palace.commit(source.next(), Durability::process));
  }
  if (rows > 0) AEON_TRY(palace.checkpoint());
  for (std::uint32_t made = 0; rows > 0 && made < bench.tail_rows; made += kBatch) {
    AEON_TRY(palace.commit(source.next(), Durability::process));
  }
  return palace.close();
}

// A writer's process: "run SECONDS" gives commits a second in a loop, "one" makes one commit and
// says when it was acknowledged.
Status serve_writer(Talk& talk, const std::string& path, const ProcessBench& bench,
                    Durability level) {
  AEON_ASSIGN(Palace palace, Palace::open(path));
  BatchSource source({1, bench.dimension, bench.content_bytes}, storage::real_os().random_u64());
  for (int i = 0; i < kWarmCommits; ++i) AEON_TRY(palace.commit(source.next(), level));
  AEON_TRY(talk.say("ready"));
  for (auto line = talk.hear(); line && *line != kEndOfTalk; line = talk.hear()) {
    if (*line == "one") {
      AEON_ASSIGN(const Ack ack, palace.commit(source.next(), level));
      AEON_TRY(talk.say(fmt::format("{} {}", ack.commit, storage::real_os().monotonic_ns())));
      continue;
    }
    std::uint64_t commits = 0;
    const auto start = Clock::now();
    for (; seconds_since(start) < bench.seconds; ++commits) {
      AEON_TRY(palace.commit(source.next(), level));
    }
    AEON_TRY(talk.say(fmt::format("{}", static_cast<double>(commits) / seconds_since(start))));
  }
  return {};
}

Result<std::vector<ChildProcess>> start_all(std::size_t count,
                                            const std::function<Status(Talk&)>& work) {
  std::vector<ChildProcess> children;
  for (std::size_t i = 0; i < count; ++i) {
    AEON_ASSIGN(ChildProcess child, ChildProcess::start(work));
    children.push_back(std::move(child));
  }
  for (ChildProcess& child : children) AEON_TRY(child.talk().hear());
  return children;
}

// Commits a second of so many processes in loops beside each other.
Result<double> loop_rate(std::size_t processes, const std::function<Status(Talk&)>& writer) {
  AEON_ASSIGN(auto children, start_all(processes, writer));
  for (ChildProcess& child : children) AEON_TRY(child.talk().say("run"));
  double rate = 0;
  for (ChildProcess& child : children) {
    AEON_ASSIGN(const std::string answer, child.talk().hear());
    rate += std::stod(answer);
  }
  return rate;
}

// Commits a second of so many processes that are told to commit in turn.
Result<double> turn_rate(std::size_t processes, const ProcessBench& bench,
                         const std::function<Status(Talk&)>& writer) {
  AEON_ASSIGN(auto children, start_all(processes, writer));
  std::uint64_t commits = 0;
  const auto start = Clock::now();
  while (seconds_since(start) < bench.seconds) {
    AEON_TRY(children[commits++ % processes].talk().ask("one"));
  }
  return static_cast<double>(commits) / seconds_since(start);
}

// One process and two, round by round, so that both see the same weather.
Status measure_turns(const std::string& path, const ProcessBench& bench, const Print& print) {
  AEON_TRY(make_palace(path, bench, 0));
  for (const Durability level : {Durability::sync, Durability::process}) {
    const auto writer = [&](Talk& talk) { return serve_writer(talk, path, bench, level); };
    std::vector<double> rates[4];
    std::vector<double> ratios[2];
    for (std::uint32_t round = 0; round < bench.rounds && !interrupted(); ++round) {
      for (std::size_t processes = 1; processes <= 2; ++processes) {
        AEON_ASSIGN(const double loop, loop_rate(processes, writer));
        AEON_ASSIGN(const double turn, turn_rate(processes, bench, writer));
        rates[processes - 1].push_back(loop);
        rates[processes + 1].push_back(turn);
      }
      ratios[0].push_back(rates[1].back() / rates[0].back());
      ratios[1].push_back(rates[3].back() / rates[2].back());
    }
    api::JsonLine line;
    line.add("bench", "processes").add("part", "turns").add("directory", path);
    line.add("durability", level == Durability::sync ? "sync" : "process");
    line.add("rounds", bench.rounds).add("seconds", bench.seconds);
    line.add("one_commits_per_s", quantile(rates[0], 0.5));
    line.add("two_commits_per_s", quantile(rates[1], 0.5));
    line.add("two_to_one", quantile(ratios[0], 0.5));
    line.add("told_one_commits_per_s", quantile(rates[2], 0.5));
    line.add("told_in_turn_commits_per_s", quantile(rates[3], 0.5));
    line.add("told_in_turn_to_one", quantile(ratios[1], 0.5));
    print(finish(std::move(line)));
  }
  return {};
}

// A reader's process: told a commit, says when its own snapshots show it.
Status serve_watcher(Talk& talk, const std::string& path) {
  AEON_ASSIGN(const Palace palace, Palace::open(path));
  AEON_TRY(talk.say("ready"));
  for (auto line = talk.hear(); line && *line != kEndOfTalk; line = talk.hear()) {
    const CommitNumber wanted = std::stoull(*line);
    while (palace.snapshot().commit() < wanted) std::this_thread::yield();
    AEON_TRY(talk.say(std::to_string(storage::real_os().monotonic_ns())));
  }
  return {};
}

Status measure_sight(const std::string& path, const ProcessBench& bench, const Print& print) {
  const auto write = [&](Talk& talk) {
    return serve_writer(talk, path, bench, Durability::process);
  };
  const auto watch = [&](Talk& talk) { return serve_watcher(talk, path); };
  AEON_ASSIGN(auto writers, start_all(1, write));
  AEON_ASSIGN(auto watchers, start_all(1, watch));
  AEON_ASSIGN(std::string made, writers[0].talk().ask("one"));
  std::vector<double> ms;
  for (std::uint32_t i = 0; i < bench.sights && !interrupted(); ++i) {
    // The watcher looks before the commit is made.
    AEON_TRY(watchers[0].talk().say(std::to_string(std::stoull(made) + 1)));
    AEON_ASSIGN(made, writers[0].talk().ask("one"));
    AEON_ASSIGN(const std::string seen, watchers[0].talk().hear());
    const auto acknowledged = std::stoll(made.substr(made.find(' ') + 1));
    ms.push_back(static_cast<double>(std::stoll(seen) - acknowledged) / 1e6);
  }
  api::JsonLine line;
  line.add("bench", "processes").add("part", "sight").add("commits", ms.size());
  line.add("p50_ms", quantile(ms, 0.5)).add("p99_ms", quantile(ms, 0.99));
  line.add("max_ms", quantile(ms, 1));
  print(finish(std::move(line)));
  return {};
}

// The proportional share of the calling process' memory: what n processes share counts as an nth
// for each.
Result<std::uint64_t> own_share_bytes() {
  AEON_ASSIGN(const std::string text, read_file("/proc/self/smaps_rollup", 1U << 20));
  const std::size_t at = text.find("\nPss:");
  if (at == std::string::npos) return fail(Errc::unsupported, "no Pss in /proc/self/smaps_rollup");
  return std::stoull(text.substr(at + 5)) * 1024;
}

// A reader's process that has touched every row and its content.
Status serve_reader(Talk& talk, const std::string& path, const ProcessBench& bench) {
  AEON_ASSIGN(const Palace palace, Palace::open(path));
  BatchSource source({1, bench.dimension, 0}, 7);
  Answer answer;
  Memory memory;
  for (int i = 0; i < 20; ++i) {
    const std::vector<float> vector = source.next_vector();
    Query query;
    query.space = kBenchSpace;
    query.vector = vector;
    query.target_recall = 1;
    AEON_TRY(palace.recall(query, answer));
  }
  std::vector<MemoryId> ids;
  AEON_TRY(palace.snapshot().list(0, SIZE_MAX, ids));
  for (const MemoryId id : ids) AEON_TRY(palace.snapshot().get(id, memory));
  ids = {};
  AEON_TRY(talk.say("ready"));
  for (auto line = talk.hear(); line && *line != kEndOfTalk; line = talk.hear()) {
    AEON_ASSIGN(const std::uint64_t bytes, own_share_bytes());
    AEON_TRY(talk.say(std::to_string(bytes)));
  }
  return {};
}

Result<std::uint64_t> shares_of(std::size_t processes, const std::string& path,
                                const ProcessBench& bench) {
  AEON_ASSIGN(auto children,
              start_all(processes, [&](Talk& talk) { return serve_reader(talk, path, bench); }));
  std::uint64_t bytes = 0;
  for (ChildProcess& child : children) {
    AEON_ASSIGN(const std::string answer, child.talk().ask("share"));
    bytes += std::stoull(answer);
  }
  return bytes;
}

Status measure_memory(const std::string& path, const ProcessBench& bench, const Print& print) {
  AEON_TRY(make_palace(path, bench, bench.rows));
  AEON_ASSIGN(const std::uint64_t one, shares_of(1, path, bench));
  AEON_ASSIGN(const std::uint64_t all, shares_of(bench.readers, path, bench));
  const auto limit = static_cast<std::uint64_t>(1.2 * static_cast<double>(one)) +
                     bench.readers * (kOwnBudget + kTailBudget);
  api::JsonLine line;
  line.add("bench", "processes").add("part", "memory").add("rows", bench.rows);
  line.add("tail_rows", bench.tail_rows).add("dimension", bench.dimension);
  line.add("content_bytes", bench.content_bytes).add("readers", bench.readers);
  line.add("one_pss_bytes", one).add("all_pss_bytes", all).add("limit_bytes", limit);
  line.add("all_to_limit", static_cast<double>(all) / static_cast<double>(limit));
  print(finish(std::move(line)));
  return {};
}

}  // namespace

Status bench_processes(const std::string& directory, const ProcessBench& bench,
                       const Print& print) {
  storage::Os& os = storage::real_os();
  const Scratch scratch(fmt::format("{}/aeon-bench-{}", directory, os.process_id()));
  AEON_TRY(os.make_directory(scratch.path()));
  AEON_TRY(measure_turns(scratch.path() + "/turns", bench, print));
  AEON_TRY(measure_sight(scratch.path() + "/turns", bench, print));
  return measure_memory(scratch.path() + "/readers", bench, print);
}

}  // namespace aeon::cli
