// aeon bench: figures of this machine, printed as JSON lines.
#include <CLI/CLI.hpp>
#include <memory>

#include <fmt/format.h>

#include "api/cli/bench_machine.hpp"
#include "api/cli/bench_processes.hpp"
#include "api/cli/bench_recall.hpp"
#include "api/cli/bench_stress.hpp"
#include "api/cli/bench_write.hpp"
#include "api/cli/command.hpp"
#include "api/cli/options.hpp"
#include "api/json_line.hpp"

namespace aeon::cli {
namespace {

struct Options {
  std::vector<std::string> directories;
  WriteBench write;
  StressBench stress;
  ProcessBench processes;
  RecallBench recall;
};

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
}

double rate(std::uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

std::string figures_json(const std::string& directory, const WriteBench& bench,
                         const WriteFigures& figures) {
  const double commits = rate(figures.commits, figures.commit_seconds);
  const double raw = rate(figures.raw_syncs, figures.raw_seconds);
  api::JsonLine line;
  line.add("bench", "write").add("directory", directory).add("threads", bench.threads);
  line.add("batch", bench.batch).add("durability", durability_name(bench.durability));
  line.add("dimension", bench.dimension).add("content_bytes", bench.content_bytes);
  line.add("rounds", bench.rounds).add("seconds", figures.commit_seconds);
  line.add("commits", figures.commits).add("commits_per_s", commits);
  line.add("memories_per_s", commits * bench.batch);
  line.add("p50_us", quantile(figures.latencies_us, 0.5));
  line.add("p99_us", quantile(figures.latencies_us, 0.99));
  line.add("raw_write_bytes", figures.raw_bytes);
  const double p50 = quantile(figures.latencies_us, 0.5) / bench.threads;
  const double raw_p50 = quantile(figures.raw_latencies_us, 0.5);
  line.add("raw_p50_us", raw_p50);
  line.add("raw_p99_us", quantile(figures.raw_latencies_us, 0.99));
  line.add("raw_fdatasync_per_s", raw).add("ratio", raw > 0 ? commits / raw : 0);
  // Of the medians: what a commit costs while nothing else uses the device, not even the palace's
  // own checkpoints.
  line.add("ratio_of_medians", p50 > 0 ? raw_p50 / p50 : 0);
  add_machine(line, figures.simd);
  return std::move(line).finish();
}

int run_write(const Chosen& chosen, const Options& options) {
  for (const std::string& directory : options.directories) {
    const auto figures = bench_write(directory, options.write);
    if (!figures) return report(chosen, figures.error());
    print(figures_json(directory, options.write, *figures));
    flush_output();
  }
  return kDone;
}

int run_stress(const Chosen& chosen, const Options& options) {
  for (const std::string& directory : options.directories) {
    const Status done = bench_stress(directory, options.stress, [](const std::string& line) {
      print(line);
      flush_output();
    });
    if (!done) return report(chosen, done.error());
  }
  return kDone;
}

void add_write(CLI::App& bench, Chosen& chosen, const std::shared_ptr<Options>& options) {
  CLI::App* command = add_command(bench, chosen, "write", "durable commits beside raw syncs");
  command->add_option("DIR", options->directories, "where to make a palace for the time being")
      ->required();
  command->add_option("--threads", options->write.threads)->check(CLI::Range(1, 1024));
  command->add_option("--batch", options->write.batch, "memories a commit")
      ->check(CLI::Range(1, 1024));
  command->add_option("--seconds", options->write.seconds, "of commits")
      ->check(CLI::Range(0.1, 3600.0));
  command->add_option("--rounds", options->write.rounds)->check(CLI::Range(1, 1000));
  command->add_option("--dimension", options->write.dimension)
      ->check(CLI::Range(0U, kMaxDimension));
  command->add_option("--content-bytes", options->write.content_bytes)
      ->check(CLI::Range(0U, 65536U));
  add_durability(*command, options->write.durability);
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_write(chosen, *options); };
  });
}

void add_stress(CLI::App& bench, Chosen& chosen, const std::shared_ptr<Options>& options) {
  CLI::App* command = add_command(bench, chosen, "stress", "latency of reads beside writers");
  StressBench& stress = options->stress;
  const CLI::Range rate(0.1, 1e7);
  command->add_option("DIR", options->directories, "where to make palaces for the time being")
      ->required();
  command->add_option("--levels", stress.levels, "what to read")
      ->delimiter(',')
      ->check(CLI::IsMember({"guard", "lookup", "recall"}))
      ->capture_default_str();
  command->add_option("--readers", stress.readers)->check(CLI::Range(1, 1024));
  command->add_option("--writers", stress.writers)->check(CLI::Range(1, 1024));
  command->add_option("--seconds", stress.seconds, "of each phase")->check(CLI::Range(0.1, 3600.0));
  command->add_option("--rounds", stress.rounds)->check(CLI::Range(1, 1000));
  command->add_option("--guard-rate", stress.guard_rate, "a second, each reader")->check(rate);
  command->add_option("--lookup-rate", stress.lookup_rate, "a second, each reader")->check(rate);
  command->add_option("--recall-rate", stress.recall_rate, "a second, each reader")->check(rate);
  command->add_option("--swap-rate", stress.swap_rate, "a second, each writer")->check(rate);
  command->add_option("--insert-rate", stress.insert_rate, "a second, each writer")->check(rate);
  command->add_option("--rows", stress.rows, "at the start")->check(CLI::Range(1000, 10'000'000));
  command->add_option("--dimension", stress.dimension)->check(CLI::Range(1U, kMaxDimension));
  command->add_option("--content-bytes", stress.content_bytes)->check(CLI::Range(0U, 8192U));
  command->add_option("-k", stress.k)->check(CLI::Range(1U, kMaxK));
  command->add_option("--upkeep-ms", stress.upkeep_ms, "rest between two times of upkeep")
      ->check(CLI::Range(0U, 60'000U));
  add_durability(*command, stress.durability);
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_stress(chosen, *options); };
  });
}

int run_processes(const Chosen& chosen, const Options& options) {
  for (const std::string& directory : options.directories) {
    const Status done = bench_processes(directory, options.processes, [](const std::string& line) {
      print(line);
      flush_output();
    });
    if (!done) return report(chosen, done.error());
  }
  return kDone;
}

void add_processes(CLI::App& bench, Chosen& chosen, const std::shared_ptr<Options>& options) {
  CLI::App* command = add_command(bench, chosen, "processes", "a palace shared by processes");
  ProcessBench& processes = options->processes;
  command->add_option("DIR", options->directories, "where to make palaces for the time being")
      ->required();
  command->add_option("--seconds", processes.seconds, "of each measurement of a round")
      ->check(CLI::Range(0.05, 3600.0));
  command->add_option("--rounds", processes.rounds)->check(CLI::Range(1, 1000));
  command->add_option("--readers", processes.readers)->check(CLI::Range(1, 64));
  command->add_option("--rows", processes.rows, "that readers read")
      ->check(CLI::Range(1000, 10'000'000));
  command->add_option("--tail-rows", processes.tail_rows, "more of them, not settled")
      ->check(CLI::Range(0, 100'000));
  command->add_option("--dimension", processes.dimension)->check(CLI::Range(1U, kMaxDimension));
  command->add_option("--content-bytes", processes.content_bytes)->check(CLI::Range(0U, 8192U));
  command->add_option("--sights", processes.sights, "commits that another process waits for")
      ->check(CLI::Range(1, 100'000));
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_processes(chosen, *options); };
  });
}

using RecallBenchRun = Status (*)(const RecallBench&, const Print&);

void add_recall_bench(CLI::App& bench, Chosen& chosen, const std::shared_ptr<Options>& options,
                      const std::string& name, const std::string& does, RecallBenchRun run) {
  CLI::App* command = add_command(bench, chosen, name, does);
  RecallBench& recall = options->recall;
  command->add_option("FILE", recall.file, "see docs/words.md for its shape")->required();
  command->add_option("--dir", recall.directory, "where to make a palace for the time being");
  if (name == "dialogue") {
    command->add_flag("--one-store", recall.one_store, "all conversations in one tenant");
  } else {
    command->add_option("--graph", recall.graph, "what links passages: with triples mentions, too")
        ->check(CLI::IsMember({"triples", "mentions", "none"}))
        ->option_text("triples|mentions|none");
  }
  command->callback([&chosen, options, run] {
    chosen.run = [&chosen, options, run] {
      const Status done = run(options->recall, [](const std::string& line) {
        print(line);
        flush_output();
      });
      return done ? kDone : report(chosen, done.error());
    };
  });
}

}  // namespace

void add_bench(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* bench = app.add_subcommand("bench", "measure; always prints JSON lines");
  bench->require_subcommand(1);
  add_bench_ann(*bench, chosen);
  add_recall_bench(*bench, chosen, options, "dialogue",
                   "evidence recall on conversations, by each channel and by all", bench_dialogue);
  add_recall_bench(*bench, chosen, options, "passages",
                   "recall of the passages that questions need", bench_passages);
  add_processes(*bench, chosen, options);
  add_stress(*bench, chosen, options);
  add_write(*bench, chosen, options);
}

}  // namespace aeon::cli
