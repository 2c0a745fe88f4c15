// aeon stat, verify, checkpoint, compact: the state of a palace and its upkeep.
#include <CLI/CLI.hpp>
#include <memory>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/options.hpp"
#include "api/cli/show.hpp"
#include "api/export_line.hpp"
#include "api/json_line.hpp"
#include "api/keep_text.hpp"

namespace aeon::cli {
namespace {

struct Options {
  std::string directory;
};

std::string stats_json(const Stats& stats) {
  std::vector<std::string> spaces;
  for (const Stats::Space& space : stats.spaces) {
    api::JsonLine line;
    line.add_raw("space", api::space_json(space.spec)).add("rows", space.rows);
    spaces.push_back(std::move(line).finish());
  }
  api::JsonLine line;
  line.add("written", stats.written).add("durable", stats.durable).add("settled", stats.settled);
  line.add("memories", stats.memories).add("versions", stats.versions).add("edges", stats.edges);
  line.add("history", api::keep_text(stats.history));
  line.add("oldest_readable", stats.oldest_readable);
  line.add("ended_versions", stats.ended_versions);
  line.add("erasures_pending", stats.erasures_pending);
  line.add("segments", stats.segments).add("segment_bytes", stats.segment_bytes);
  line.add("blob_files", stats.blob_files).add("blob_bytes", stats.blob_bytes);
  line.add("log_files", stats.log_files).add("log_bytes", stats.log_bytes);
  line.add("tail_bytes", stats.tail_bytes).add("snapshots", stats.snapshots);
  line.add("retired_objects", stats.retired_objects);
  line.add("oldest_reader_epochs", stats.oldest_reader_epochs);
  line.add("damaged_pages", stats.damaged_pages);
  line.add("recovery_bytes_cut", stats.recovery_bytes_cut);
  line.add("cleanly_closed", stats.cleanly_closed).add("read_only", stats.read_only);
  line.add("read_only_reason", stats.read_only_reason).add("simd", stats.simd);
  const LookasideStats& lookaside = stats.lookaside;
  line.add("lookaside_bytes", lookaside.bytes).add("lookaside_bytes_used", lookaside.bytes_used);
  line.add("lookaside_missed", lookaside.missed).add("lookaside_seeded", lookaside.seeded);
  line.add("lookaside_certified", lookaside.certified);
  line.add("lookaside_rows_saved", lookaside.rows_saved);
  line.add("lookaside_remembered", lookaside.remembered);
  line.add("lookaside_made_exact", lookaside.made_exact);
  line.add_raw("spaces", api::json_array(spaces));
  return std::move(line).finish();
}

void print_stats(const Stats& stats) {
  print(fmt::format("memories {}, versions {}, edges {}", stats.memories, stats.versions,
                    stats.edges));
  print(fmt::format("commits written {}, durable {}, settled {}", stats.written, stats.durable,
                    stats.settled));
  print(fmt::format("segments {} ({} bytes), log files {} ({} bytes), blob files {} ({} bytes)",
                    stats.segments, stats.segment_bytes, stats.log_files, stats.log_bytes,
                    stats.blob_files, stats.blob_bytes));
  print(
      fmt::format("history kept: {}, readable from commit {}; ended versions stored: {}, erasures "
                  "pending: {}",
                  api::keep_text(stats.history), stats.oldest_readable, stats.ended_versions,
                  stats.erasures_pending));
  for (const Stats::Space& space : stats.spaces) {
    print(fmt::format("space {}: {} rows of {} dimensions, {}, {}, model {}", space.spec.name,
                      space.rows, space.spec.dimension, api::metric_name(space.spec.metric),
                      api::precision_name(space.spec.precision),
                      space.spec.model.empty() ? "unnamed" : space.spec.model));
  }
  print(fmt::format("{}; {} bytes of a torn tail cut at open; damaged pages met: {}",
                    stats.cleanly_closed ? "cleanly closed" : "not cleanly closed",
                    stats.recovery_bytes_cut, stats.damaged_pages));
  print(fmt::format("tails {} bytes, kernels {}", stats.tail_bytes, stats.simd));
  const LookasideStats& lookaside = stats.lookaside;
  print(
      fmt::format("lookaside of this opening: {} of {} bytes used; {} queries certified, {} "
                  "seeded, {} missed",
                  lookaside.bytes_used, lookaside.bytes, lookaside.certified, lookaside.seeded,
                  lookaside.missed));
}

int run_stat(const Chosen& chosen, const Options& options) {
  auto palace = Palace::open(options.directory, look_only());
  if (!palace) return report(chosen, palace.error());
  auto stats = palace->stats();
  if (!stats) return report(chosen, stats.error());
  if (chosen.json) {
    print(stats_json(*stats));
  } else {
    print_stats(*stats);
  }
  return kDone;
}

int run_verify(const Chosen& chosen, const Options& options) {
  auto palace = Palace::open(options.directory, look_only());
  if (!palace && palace.error().code == Errc::damaged) {
    return report(chosen, palace.error(), kNegative);
  }
  if (!palace) return report(chosen, palace.error());
  auto found = palace->verify();
  if (!found) return report(chosen, found.error());
  for (const Damage& damage : found->damage) print_damage(chosen.json, damage);
  if (chosen.json) {
    api::JsonLine line;
    line.add("ok", found->damage.empty()).add("damaged_places", found->damage.size());
    line.add("files", found->files).add("bytes", found->bytes);
    line.add("commits", found->commits).add("memories", found->memories);
    print(std::move(line).finish());
  } else {
    print(fmt::format(
        "{}: {} files, {} bytes, {} commits, {} memories checked",
        found->damage.empty() ? "whole" : fmt::format("{} damaged places", found->damage.size()),
        found->files, found->bytes, found->commits, found->memories));
  }
  return found->damage.empty() ? kDone : kNegative;
}

int run_upkeep(const Chosen& chosen, const Options& options, bool compact) {
  auto palace = Palace::open(options.directory, short_lived());
  if (!palace) return report(chosen, palace.error());
  if (auto done = compact ? palace->compact() : palace->checkpoint(); !done) {
    return report(chosen, done.error());
  }
  auto stats = palace->stats();
  if (!stats) return report(chosen, stats.error());
  if (auto closed = palace->close(); !closed) return report(chosen, closed.error());
  if (chosen.json) {
    api::JsonLine line;
    line.add("settled", stats->settled).add("segments", stats->segments);
    line.add("segment_bytes", stats->segment_bytes).add("log_bytes", stats->log_bytes);
    print(std::move(line).finish());
  } else {
    print(fmt::format("settled up to commit {} in {} segments of {} bytes", stats->settled,
                      stats->segments, stats->segment_bytes));
  }
  return kDone;
}

template <typename Run>
void add_simple(CLI::App& app, Chosen& chosen, const std::string& name, const std::string& does,
                Run run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, chosen, name, does);
  add_directory(*command, options->directory);
  command->callback([&chosen, options, run] {
    chosen.run = [&chosen, options, run] { return run(chosen, *options); };
  });
}

}  // namespace

void add_stat(CLI::App& app, Chosen& chosen) {
  add_simple(app, chosen, "stat", "figures of a palace", run_stat);
}

void add_verify(CLI::App& app, Chosen& chosen) {
  add_simple(app, chosen, "verify", "read everything, check every sum, name what is damaged",
             run_verify);
}

void add_upkeep(CLI::App& app, Chosen& chosen) {
  add_simple(app, chosen, "checkpoint", "settle what was committed, retire the log before it",
             [](const Chosen& c, const Options& o) { return run_upkeep(c, o, false); });
  add_simple(app, chosen, "compact", "checkpoint, then merge all segments into one",
             [](const Chosen& c, const Options& o) { return run_upkeep(c, o, true); });
}

}  // namespace aeon::cli
