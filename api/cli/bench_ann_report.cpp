#include "api/cli/bench_ann_report.hpp"

#include <charconv>
#include <filesystem>

#include <fmt/format.h>

#include "api/cli/bench_machine.hpp"
#include "api/cli/command.hpp"
#include "api/cli/files.hpp"
#include "api/export_line.hpp"
#include "api/json_line.hpp"

namespace aeon::cli {
namespace {

// "VmRSS:     1234 kB" of /proc/self/status; 0 when it is not there.
std::uint64_t status_bytes(const std::string& text, std::string_view name) {
  const std::size_t at = text.find(name);
  const std::size_t digits = at == std::string::npos ? at : text.find_first_of("0123456789", at);
  if (digits == std::string::npos) return 0;
  std::uint64_t kib = 0;
  std::from_chars(text.data() + digits, text.data() + text.size(), kib);
  return kib << 10;
}

std::string_view order_name(RowOrder order) {
  switch (order) {
    case RowOrder::given: return "given";
    case RowOrder::shuffled: return "shuffled";
    case RowOrder::reversed: return "reversed";
  }
  return "unknown";
}

double microseconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e3; }

void add_data(api::JsonLine& line, const AnnBench& bench, const AnnFigures& figures) {
  line.add("dataset", figures.dataset).add("rows", figures.rows);
  line.add("dimension", figures.dimension).add("queries", figures.queries).add("k", bench.k);
  line.add("metric", api::metric_name(bench.metric));
  line.add("precision", api::precision_name(bench.precision));
}

void add_load(api::JsonLine& line, const AnnBench& bench, const LoadFigures& load) {
  line.add("build_s", load.seconds).add("commits", load.commits).add("batch", bench.batch);
  line.add("loaders", loaders_of(bench)).add("order", order_name(bench.order));
  if (bench.order == RowOrder::shuffled) line.add("seed", bench.seed);
  line.add("durability", durability_name(bench.durability));
  line.add("inserts", load.single_ns.count()).add("insert_mean_us", load.single_mean_us);
  line.add("insert_p50_us", microseconds(load.single_ns.quantile(0.5)));
  line.add("insert_p99_us", microseconds(load.single_ns.quantile(0.99)));
}

void add_space(api::JsonLine& line, const AnnFigures& figures) {
  line.add("bytes_per_vector", static_cast<double>(figures.segment_bytes) / figures.rows);
  line.add("log_bytes", figures.log_bytes).add("rss_bytes", figures.rss_bytes);
  line.add("rss_anonymous_bytes", figures.rss_anonymous_bytes);
  line.add("open_ms", figures.open_ms).add("first_query_us", figures.first_query_us);
}

}  // namespace

std::string dataset_name(const std::string& base) {
  std::string name = std::filesystem::path(base).filename().string();
  for (const std::string_view ending : {".fbin", ".base"}) {
    if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  }
  return name;
}

void read_resident(AnnFigures& figures) {
  const auto text = read_file("/proc/self/status", 1U << 20);
  if (!text) return;
  figures.rss_bytes = status_bytes(*text, "VmRSS:");
  figures.rss_anonymous_bytes = status_bytes(*text, "RssAnon:");
}

std::string ready_line(const AnnBench& bench, const AnnFigures& figures) {
  api::JsonLine line;
  line.add("bench", "ann_ready");
  add_data(line, bench, figures);
  add_load(line, bench, figures.load);
  return std::move(line).finish();
}

std::string round_line(std::size_t round) {
  api::JsonLine line;
  line.add("bench", "ann_round").add("round", round);
  return std::move(line).finish();
}

std::string setting_line(const AnnBench& bench, const AnnFigures& figures,
                         const SettingFigures& setting, const FoundShare& share) {
  api::JsonLine line;
  line.add("bench", "ann");
  add_data(line, bench, figures);
  line.add("threads", setting.setting.threads);
  if (setting.setting.target_recall) line.add("target_recall", *setting.setting.target_recall);
  if (setting.setting.effort) line.add("effort", *setting.setting.effort);
  line.add("query_batch", setting.setting.batch);
  line.add("recall", share.recall).add("recall_by_id", share.by_id);
  line.add("truth", figures.truth_given ? "file" : "computed");
  line.add("exact", setting.exact).add("partial", setting.partial);
  line.add("rows_scanned", setting.rows_scanned);
  line.add("qps", setting.median(&RoundFigures::qps));
  line.add("p50_us", setting.median(&RoundFigures::p50_us));
  line.add("p99_us", setting.median(&RoundFigures::p99_us));
  line.add("p999_us", setting.median(&RoundFigures::p999_us));
  line.add("rounds", setting.rounds.size()).add("passes", setting.passes);
  const std::uint64_t proof = setting.proofs.empty() ? 0 : setting.proofs.back();
  line.add("proof", fmt::format("{:016x}", proof));
  line.add("distinct_proofs", setting.distinct_proofs());
  add_load(line, bench, figures.load);
  add_space(line, figures);
  if (bench.keep) line.add("palace", figures.palace);
  line.add("cores", cores());
  add_machine(line, figures.simd);
  return std::move(line).finish();
}

}  // namespace aeon::cli
