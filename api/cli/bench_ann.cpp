#include "api/cli/bench_ann.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "api/cli/bench_ann_report.hpp"
#include "api/cli/bench_machine.hpp"
#include "api/cli/files.hpp"
#include "api/cli/interrupt.hpp"
#include "api/cli/pacer.hpp"
#include "storage/os.hpp"

namespace aeon::cli {
namespace {

using Print = std::function<void(const std::string&)>;

struct Inputs {
  VectorTable base;
  VectorTable queries;
  AnnTruth truth;
};

Status check_widths(const VectorTable& base, const VectorTable& queries) {
  if (base.width > kMaxDimension) {
    return fail(Errc::invalid_argument,
                fmt::format("{} has vectors of {} dimensions; a space takes 1 to {}", base.path,
                            base.width, kMaxDimension));
  }
  if (base.width != queries.width) {
    return fail(Errc::wrong_dimension,
                fmt::format("{} has {} dimensions and {} has {}; give two of one kind", base.path,
                            base.width, queries.path, queries.width));
  }
  return {};
}

Result<Inputs> read_inputs(const AnnBench& bench) {
  AEON_ASSIGN(VectorTable base, read_vectors(bench.base));
  AEON_ASSIGN(VectorTable queries, read_vectors(bench.query));
  AEON_TRY(check_widths(base, queries));
  if (bench.truth.empty()) {
    AnnTruth truth = AnnTruth::compute(base, queries, bench.k, bench.metric, cores());
    return Inputs{std::move(base), std::move(queries), std::move(truth)};
  }
  AEON_ASSIGN(const RowTable table, read_row_numbers(bench.truth));
  AEON_ASSIGN(AnnTruth truth, AnnTruth::from(table, base, queries, bench.k));
  return Inputs{std::move(base), std::move(queries), std::move(truth)};
}

Status run_rounds(AnnRounds& rounds, const AnnBench& bench, const Print& print) {
  AEON_TRY(rounds.warm_up());
  if (!bench.step) {
    for (std::uint32_t i = 0; i < bench.rounds && !interrupted(); ++i) AEON_TRY(rounds.run());
    return {};
  }
  AEON_ASSIGN(LineReader steps, LineReader::open("-"));
  for (std::string_view line;;) {
    AEON_ASSIGN(const bool more, steps.next(line));
    if (!more) return {};
    AEON_TRY(rounds.run());
    print(round_line(steps.number()));
  }
}

// What a program meets that opens the palace and asks one question.
Status reopen(const std::string& directory, const AnnBench& bench, const VectorTable& queries,
              AnnFigures& figures) {
  const std::int64_t start = SteadyClock::now();
  AEON_ASSIGN(Palace palace, Palace::open(directory));
  const std::int64_t opened = SteadyClock::now();
  Answer answer;
  AEON_TRY(
      palace.recall({.space = kBenchSpace,
                     .vector = queries.row(0),
                     .k = bench.k,
                     .target_recall = bench.target_recall.empty() ? kBenchTargets.front()
                                                                  : bench.target_recall.front()},
                    answer));
  figures.first_query_us = static_cast<double>(SteadyClock::now() - opened) / 1e3;
  figures.open_ms = static_cast<double>(opened - start) / 1e6;
  // Busy: the palace's own thread is just at it.
  const Status settled = palace.checkpoint();
  if (!settled && settled.error().code != Errc::busy) return settled;
  AEON_ASSIGN(const Stats stats, palace.stats());
  figures.segment_bytes = stats.segment_bytes;
  figures.log_bytes = stats.log_bytes;
  figures.simd = stats.simd;
  return palace.close();
}

Status measure(const AnnBench& bench, const std::string& directory, const Print& print) {
  AEON_ASSIGN(Inputs inputs, read_inputs(bench));
  const SpaceSpec space{.name = std::string(kBenchSpace),
                        .dimension = inputs.base.width,
                        .metric = bench.metric,
                        .precision = bench.precision,
                        .model = ""};
  AEON_ASSIGN(Palace palace, Palace::create(directory, {space}));
  AnnFigures figures{.dataset = dataset_name(bench.base),
                     .palace = directory,
                     .rows = inputs.base.rows,
                     .dimension = inputs.base.width,
                     .queries = inputs.queries.rows,
                     .truth_given = !bench.truth.empty()};
  RowIds ids;
  AEON_ASSIGN(figures.load, load_rows(palace, inputs.base, bench, ids));
  if (interrupted()) return palace.close();
  inputs.base = {};  // so that the resident bytes are the palace's
  if (bench.step) print(ready_line(bench, figures));
  AnnRounds rounds(palace, inputs.queries, ids, bench);
  AEON_TRY(run_rounds(rounds, bench, print));
  read_resident(figures);
  AEON_TRY(palace.close());
  AEON_TRY(reopen(directory, bench, inputs.queries, figures));
  AEON_ASSIGN(inputs.base, read_vectors(bench.base));
  for (const SettingFigures& setting : rounds.figures()) {
    const FoundShare share =
        inputs.truth.judge(setting.found, inputs.base, inputs.queries, bench.metric);
    print(setting_line(bench, figures, setting, share));
  }
  return {};
}

}  // namespace

std::uint32_t loaders_of(const AnnBench& bench) {
  return bench.loaders > 0 ? bench.loaders : std::ranges::max(bench.threads);
}

Status bench_ann(const AnnBench& bench, const Print& print) {
  std::error_code code;
  const std::string parent = bench.directory.empty()
                                 ? std::filesystem::temp_directory_path(code).string()
                                 : bench.directory;
  const std::string path = fmt::format("{}/aeon-ann-{}", parent, storage::real_os().process_id());
  std::optional<Scratch> scratch;
  if (!bench.keep) scratch.emplace(path);
  return measure(bench, path, print);
}

}  // namespace aeon::cli
