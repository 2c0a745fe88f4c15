#include "api/cli/bench_ann_rounds.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cmath>
#include <mutex>
#include <set>
#include <thread>

#include "api/cli/bench_machine.hpp"
#include "api/cli/first_error.hpp"
#include "api/cli/interrupt.hpp"
#include "api/cli/pacer.hpp"
#include "storage/checksum.hpp"

namespace aeon::cli {
namespace {

constexpr std::size_t kClaim = 8;         // queries that a thread takes at a time
constexpr std::size_t kFirstQueries = 8;  // untimed, of each thread: its own memory gets warm
constexpr double kWarmSeconds = 0.3;

double microseconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e3; }

}  // namespace

// What one thread did.
struct AnnRounds::Share {
  Histogram latency_ns{};  // of calls
  std::uint64_t queries = 0;
  std::uint64_t rows_scanned = 0;
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  bool exact = true;
  bool partial = false;
};

// One or several passes over the queries by all threads of a setting.
struct AnnRounds::Pass {
  Pass(std::uint32_t threads, std::size_t queries, std::vector<std::uint32_t>& found)
      : queries(queries), found(found), start(threads) {}

  std::size_t queries;       // altogether
  std::int64_t most_ns = 0;  // stop early after so long; 0: never
  std::vector<std::uint32_t>& found;
  std::barrier<> start;
  std::atomic<std::size_t> next{0};
  // Filled in at the end.
  double seconds = 0;
  std::uint64_t answered = 0;
  Histogram latency_ns{};

  [[nodiscard]] double qps() const {
    return static_cast<double>(answered) / std::max(seconds, 1e-9);
  }
};

double SettingFigures::median(double RoundFigures::* figure) const {
  std::vector<double> values;
  for (const RoundFigures& round : rounds) values.push_back(round.*figure);
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

std::size_t SettingFigures::distinct_proofs() const {
  return std::set(proofs.begin(), proofs.end()).size();
}

AnnRounds::AnnRounds(const Palace& palace, const VectorTable& queries, const RowIds& ids,
                     const AnnBench& bench)
    : palace_(palace), queries_(queries), ids_(ids), k_(bench.k), seconds_(bench.seconds) {
  std::vector<AnnSetting> wanted;
  for (const float target : bench.target_recall) wanted.push_back({.target_recall = target});
  for (const float effort : bench.effort) wanted.push_back({.effort = effort});
  if (wanted.empty()) {
    for (const float target : kBenchTargets) wanted.push_back({.target_recall = target});
  }
  for (const std::uint32_t threads : bench.threads) {
    for (const std::uint32_t batch : bench.query_batch) {
      for (const AnnSetting& setting : wanted) {
        SettingFigures& figures = figures_.emplace_back();
        figures.setting = setting;
        figures.setting.threads = threads;
        figures.setting.batch = batch;
        figures.found.assign(std::size_t{queries.rows} * k_, kNoRow);
      }
    }
  }
}

Status AnnRounds::ask(const AnnSetting& setting, std::size_t first, std::span<Query> queries,
                      std::span<Answer> answers) const {
  for (std::size_t i = 0; i < answers.size(); ++i) {
    queries[i] = {.space = kBenchSpace,
                  .vector = queries_.row((first + i) % queries_.rows),
                  .k = k_,
                  .target_recall = setting.target_recall,
                  .effort = setting.effort,
                  .lookaside = false};
  }
  if (setting.batch == 1) return palace_.recall(queries.front(), answers.front());
  return palace_.recall_batch(queries.first(answers.size()), answers);
}

// Only the first pass writes to `found`, so that no two threads write to one query's place.
void AnnRounds::keep(const Answer& answer, std::size_t number, Pass& pass, Share& share) const {
  share.rows_scanned += answer.rows_scanned;
  share.exact = share.exact && answer.exact;
  share.partial = share.partial || answer.partial;
  if (number >= queries_.rows) return;
  std::uint32_t* const place = pass.found.data() + number * k_;
  for (std::size_t i = 0; i < k_; ++i) {
    place[i] = i < answer.hits.size() ? ids_.row(answer.hits[i].id) : kNoRow;
  }
}

Status AnnRounds::take_queries(const AnnSetting& setting, Pass& pass, Share& share) const {
  std::vector<Query> queries(setting.batch);
  std::vector<Answer> answers(setting.batch);
  for (std::size_t i = 0; i < std::min<std::size_t>(kFirstQueries, queries_.rows);
       i += setting.batch) {
    AEON_TRY(ask(setting, i, queries, answers));
  }
  pass.start.arrive_and_wait();
  share.start_ns = share.end_ns = SteadyClock::now();
  const std::size_t claim =
      std::max<std::size_t>(kClaim / setting.batch * setting.batch, setting.batch);
  while (!interrupted()) {
    const std::size_t first = pass.next.fetch_add(claim);
    if (first >= pass.queries) return {};
    const std::size_t last = std::min(first + claim, pass.queries);
    for (std::size_t i = first; i < last; i += setting.batch) {
      const auto together =
          std::span(answers).first(std::min<std::size_t>(setting.batch, last - i));
      const std::int64_t start = SteadyClock::now();
      AEON_TRY(ask(setting, i, queries, together));
      share.end_ns = SteadyClock::now();
      share.latency_ns.add(static_cast<std::uint64_t>(share.end_ns - start));
      share.queries += together.size();
      for (std::size_t j = 0; j < together.size(); ++j) keep(together[j], i + j, pass, share);
    }
    if (pass.most_ns > 0 && share.end_ns - share.start_ns > pass.most_ns) return {};
  }
  return {};
}

Status AnnRounds::measure(SettingFigures& figures, Pass& pass) const {
  FirstError errors;
  std::vector<Share> shares(figures.setting.threads);
  {
    std::vector<std::jthread> threads;
    for (Share& share : shares) {
      threads.emplace_back([&] {
        const Status done = take_queries(figures.setting, pass, share);
        if (!done) errors.note(done.error());
        pass.start.arrive_and_drop();
      });
    }
  }
  AEON_TRY(errors.status());
  std::int64_t start_ns = shares.front().start_ns;
  std::int64_t end_ns = 0;
  std::uint64_t scanned = 0;
  figures.exact = true;
  for (const Share& share : shares) {
    start_ns = std::min(start_ns, share.start_ns);
    end_ns = std::max(end_ns, share.end_ns);
    scanned += share.rows_scanned;
    pass.latency_ns.add(share.latency_ns);
    pass.answered += share.queries;
    figures.exact = figures.exact && share.exact;
    figures.partial = figures.partial || share.partial;
  }
  pass.seconds = static_cast<double>(end_ns - start_ns) * 1e-9;
  figures.rows_scanned =
      static_cast<double>(scanned) / std::max(1.0, static_cast<double>(pass.answered));
  return {};
}

Status AnnRounds::warm_up() {
  for (SettingFigures& figures : figures_) {
    Pass pass(figures.setting.threads, queries_.rows, figures.found);
    pass.most_ns = static_cast<std::int64_t>(kWarmSeconds * 1e9);
    AEON_TRY(measure(figures, pass));
    const double passes = std::ceil(seconds_ * pass.qps() / queries_.rows);
    figures.passes = std::max(1U, static_cast<std::uint32_t>(passes));
  }
  return {};
}

Status AnnRounds::run() {
  for (SettingFigures& figures : figures_) {
    if (interrupted()) return {};
    if (figures.spent_s > kMostSeconds) continue;
    const std::size_t queries = std::size_t{queries_.rows} * figures.passes;
    Pass pass(figures.setting.threads, queries, figures.found);
    AEON_TRY(measure(figures, pass));
    figures.spent_s += pass.seconds;
    if (interrupted()) return {};  // not a whole pass
    figures.rounds.push_back({.qps = pass.qps(),
                              .p50_us = microseconds(pass.latency_ns.quantile(0.5)),
                              .p99_us = microseconds(pass.latency_ns.quantile(0.99)),
                              .p999_us = microseconds(pass.latency_ns.quantile(0.999))});
    figures.proofs.push_back(storage::hash64(std::as_bytes(std::span(figures.found)), 0));
  }
  return {};
}

}  // namespace aeon::cli
