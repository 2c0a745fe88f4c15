// aeon bench: figures of this machine, printed as JSON lines.
#include <memory>

#include <fmt/format.h>

#include "api/cli/bench_write.hpp"
#include "api/cli/command.hpp"
#include "api/cli/files.hpp"
#include "api/cli/options.hpp"
#include "api/json_line.hpp"

namespace aeon::cli {
namespace {

struct Options {
  std::vector<std::string> directories;
  WriteBench write;
};

std::string cpu_model() {
  constexpr std::string_view kName = "model name";
  const auto text = read_file("/proc/cpuinfo", 4U << 20);
  const std::size_t line = text ? text->find(kName) : std::string::npos;
  if (line == std::string::npos) return "unknown";
  const std::size_t start = text->find_first_not_of(": \t", line + kName.size());
  return text->substr(start, text->find('\n', start) - start);
}

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
  line.add("raw_fdatasync_per_s", raw).add("ratio", raw > 0 ? commits / raw : 0);
  // Of the medians: what a commit costs while nothing else uses the device, not even the palace's
  // own checkpoints.
  line.add("ratio_of_medians", p50 > 0 ? raw_p50 / p50 : 0);
  line.add("cpu", cpu_model()).add("simd", figures.simd).add("git", AEON_GIT_COMMIT);
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

}  // namespace

void add_bench(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* bench = app.add_subcommand("bench", "measure; always prints JSON lines");
  bench->require_subcommand(1);
  CLI::App* command = add_command(*bench, chosen, "write", "durable commits beside raw syncs");
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

}  // namespace aeon::cli
