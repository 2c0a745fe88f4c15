#include <algorithm>

#include <fmt/format.h>

#include "engine/store.hpp"
#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

void count_files(const View& view, Stats& stats) {
  for (const auto& segment : view.segments()) {
    ++stats.segments;
    stats.segment_bytes += segment->segment().info().bytes;
    stats.damaged_pages += segment->segment().damaged_pages();
  }
  for (const auto& [number, blob] : view.blobs()) {
    ++stats.blob_files;
    stats.blob_bytes += blob->info.file.bytes;
    stats.damaged_pages += blob->reader->segment().damaged_pages();
  }
  for (const auto& tail : view.tails()) stats.tail_bytes += tail->bytes();
}

}  // namespace

Result<Stats> Store::stats() {
  Stats stats;
  const storage::MutexLock lock(write_mutex_);
  AEON_ASSIGN(const auto logs, wal::list_logs(os_, directory_));
  for (const std::uint64_t number : logs) {
    const auto file = os_.open_file(wal::log_path(directory_, number), storage::OpenMode::read);
    if (!file && file.error().code == Errc::not_found) continue;  // retired meanwhile
    if (!file) return std::unexpected(file.error());
    AEON_ASSIGN(const std::uint64_t bytes, (*file)->size());
    ++stats.log_files;
    stats.log_bytes += bytes;
  }
  stats.written = visible();
  stats.durable = durable_;
  stats.settled = view().settled();
  stats.memories = counters_.memories;
  stats.versions = counters_.versions;
  stats.edges = counters_.edges;
  auto known = history_needs();
  if (!known && known.error().code != Errc::damaged) return std::unexpected(known.error());
  // Nothing is given up while the page that holds the policy can't be read.
  const HistoryNeeds needs = known ? *known : HistoryNeeds{.keep = kEndOfTime};
  stats.history = needs.keep;
  stats.oldest_readable = view().horizon();
  stats.ended_versions = needs.stored - std::min(needs.stored, counters_.memories);
  stats.erasures_pending = needs.erasures;
  free_views();
  stats.snapshots = holds_.load(std::memory_order_relaxed);
  stats.recovery_bytes_cut = bytes_cut_;
  stats.cleanly_closed = opened_clean_;
  stats.read_only = !read_only_reason_.empty();
  stats.read_only_reason = read_only_reason_;
  stats.simd = simd::kernel_choice().name;
  const storage::EpochStats epochs = epochs_.stats();
  stats.retired_objects = epochs.retired_objects;
  stats.oldest_reader_epochs = epochs.oldest_guard_epochs;
  stats.lookaside = lookaside_.stats();
  stats.scrub = scrub_stats();
  count_files(view(), stats);
  for (std::uint32_t number = 1; number <= catalog_.count(); ++number) {
    stats.spaces.push_back({catalog_.at(number)->spec, counters_.next_node[number - 1]});
  }
  return stats;
}

}  // namespace aeon::engine
