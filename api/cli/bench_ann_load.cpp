#include "api/cli/bench_ann_load.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "api/cli/bench_machine.hpp"
#include "api/cli/first_error.hpp"
#include "api/cli/interrupt.hpp"
#include "api/cli/pacer.hpp"

namespace aeon::cli {
namespace {

using RowNumbers = std::span<const std::uint32_t>;

std::vector<std::uint32_t> order_of(std::uint32_t rows, const AnnBench& bench) {
  std::vector<std::uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0U);
  if (bench.order == RowOrder::reversed) std::ranges::reverse(order);
  if (bench.order == RowOrder::shuffled) {
    std::mt19937_64 random(bench.seed);
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  }
  return order;
}

class Loader {
 public:
  Loader(Palace& palace, const VectorTable& base, const AnnBench& bench, RowIds& ids)
      : palace_(palace), base_(base), bench_(bench), ids_(ids) {}

  // Several threads, each taking the next batch of rows.
  Status load_batches(RowNumbers rows, std::uint32_t threads);
  // This thread alone, one row a commit.
  Status load_singly(RowNumbers rows);

  LoadFigures figures{};

 private:
  [[nodiscard]] Batch make(RowNumbers rows) const;
  Status commit(RowNumbers rows, Batch batch);
  void take_batches(RowNumbers rows, FirstError& errors);

  Palace& palace_;
  const VectorTable& base_;
  const AnnBench& bench_;
  RowIds& ids_;
  std::mutex mutex_{};  // of ids_ and of the count of commits
  std::atomic<std::size_t> next_{0};
};

Batch Loader::make(RowNumbers rows) const {
  Batch batch;
  for (const std::uint32_t row : rows) {
    const auto values = base_.row(row);
    NewMemory memory;
    memory.embed = false;
    memory.vectors.push_back({.space = std::string(kBenchSpace),
                              .values = std::vector<float>(values.begin(), values.end())});
    batch.remember(std::move(memory));
  }
  return batch;
}

Status Loader::commit(RowNumbers rows, Batch batch) {
  auto ack = palace_.commit(std::move(batch), bench_.durability);
  if (!ack) {
    ack.error().message = fmt::format("{} rows from row {} of {}: {}", rows.size(), rows.front(),
                                      base_.path, ack.error().message);
    return std::unexpected(ack.error());
  }
  const std::lock_guard lock(mutex_);
  ids_.add(ack->ids, rows);
  ++figures.commits;
  return {};
}

// Stops at the first error of any thread.
void Loader::take_batches(RowNumbers rows, FirstError& errors) {
  while (!interrupted() && errors.status()) {
    const std::size_t first = next_.fetch_add(bench_.batch);
    if (first >= rows.size()) return;
    const RowNumbers part =
        rows.subspan(first, std::min<std::size_t>(bench_.batch, rows.size() - first));
    if (const Status done = commit(part, make(part)); !done) errors.note(done.error());
  }
}

Status Loader::load_batches(RowNumbers rows, std::uint32_t threads) {
  FirstError errors;
  {
    std::vector<std::jthread> loaders;
    for (std::uint32_t i = 0; i < threads; ++i) {
      loaders.emplace_back([&] { take_batches(rows, errors); });
    }
  }
  return errors.status();
}

Status Loader::load_singly(RowNumbers rows) {
  std::uint64_t total_ns = 0;
  for (std::size_t i = 0; i < rows.size() && !interrupted(); ++i) {
    Batch batch = make(rows.subspan(i, 1));
    const std::int64_t start = SteadyClock::now();
    AEON_TRY(commit(rows.subspan(i, 1), std::move(batch)));
    const auto ns = static_cast<std::uint64_t>(SteadyClock::now() - start);
    figures.single_ns.add(ns);
    total_ns += ns;
  }
  const auto count = std::max<double>(1, static_cast<double>(figures.single_ns.count()));
  figures.single_mean_us = static_cast<double>(total_ns) / 1e3 / count;
  return {};
}

}  // namespace

void RowIds::add(std::span<const MemoryId> ids, std::span<const std::uint32_t> rows) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= row_of_.size()) row_of_.resize(ids[i] + 1, kNoRow);
    row_of_[ids[i]] = rows[i];
  }
}

Result<LoadFigures> load_rows(Palace& palace, const VectorTable& base, const AnnBench& bench,
                              RowIds& ids) {
  const std::vector<std::uint32_t> order = order_of(base.rows, bench);
  const std::size_t singles = std::min(LoadFigures::kMaxSingles, (base.rows + 9) / 10);
  const RowNumbers rows = order;
  Loader loader(palace, base, bench, ids);
  const std::int64_t start = SteadyClock::now();
  AEON_TRY(loader.load_batches(rows.first(rows.size() - singles), loaders_of(bench)));
  AEON_TRY(loader.load_singly(rows.last(singles)));
  loader.figures.seconds = static_cast<double>(SteadyClock::now() - start) * 1e-9;
  return std::move(loader.figures);
}

}  // namespace aeon::cli
