#include "engine/seeds.hpp"

#include <algorithm>

namespace aeon::engine {

namespace {

// Tails up to this size are scanned whole.
constexpr std::uint64_t kSmallTail = 512;
// Fewer clusters are ranked one by one, more by districts first.
constexpr std::uint32_t kFlatClusters = 4096;
// Of the districts the nearest are looked into: this share, and so many at least.
constexpr std::size_t kDistrictShare = 4;
constexpr std::size_t kFewestDistricts = 16;

}  // namespace

PartitionFigures partition_figures(const Reading& reading, std::uint32_t space,
                                   std::uint32_t tenant) {
  PartitionFigures figures;
  for (const auto& segment : reading.view.segments()) {
    if (const PartitionView* partition = segment->partition(space, tenant)) {
      figures.rows += partition->rows();
      const PartitionEntry& entry = partition->entry();
      figures.largest_norm = std::max(figures.largest_norm, entry.largest_norm);
      figures.spread.add(
          {entry.mean_distance, entry.distance_deviation, static_cast<double>(entry.rows)});
    }
    for (const ClusterEntry& entry : segment->clusters()) {
      if (entry.space != space || entry.tenant != tenant) continue;
      figures.rows += entry.rows;
      figures.has_ungraphed = true;
    }
  }
  for (const auto& tail : reading.view.tails()) {
    const RowTail* rows = tail->rows(space, tenant);
    if (rows == nullptr) continue;
    figures.rows += rows->rows();
    figures.largest_norm = std::max(figures.largest_norm, rows->largest_norm());
    figures.spread.add(rows->spread());
  }
  return figures;
}

std::span<const SeedPage> Seeds::choose(const Reading& reading, std::uint32_t space,
                                        std::uint32_t tenant, const Promises& promises,
                                        std::uint32_t count, Ranking ranking, bool& damaged) {
  pages_.clear();
  for (const auto& segment : reading.view.segments()) {
    const PartitionView* partition = segment->partition(space, tenant);
    if (partition == nullptr) continue;
    if (const auto route = partition->route()) {
      rank(*partition, *route, promises, ranking);
    } else if (partition->entry().clusters != 0) {
      damaged = true;
    }
  }
  const auto best = std::min<std::size_t>(count, pages_.size());
  std::ranges::partial_sort(pages_, pages_.begin() + static_cast<std::ptrdiff_t>(best),
                            std::greater{}, &SeedPage::promise);
  return std::span(pages_).first(best);
}

void scan_seeds(const Reading& reading, std::uint32_t space, std::uint32_t tenant,
                std::span<const SeedPage> pages, bool whole_tails, Walk& walk, bool& damaged) {
  for (const auto& segment : reading.view.segments()) {
    const PartitionView* partition = segment->partition(space, tenant);
    if (partition == nullptr || partition->entry().clusters != 0) continue;
    walk.scan(partition->block(0, partition->rows(), damaged));
  }
  for (const SeedPage& page : pages) {
    const RowBlock block = page.partition->block(page.first, page.count, damaged);
    if (!walk.knows(block)) walk.scan(block);
  }
  for (const auto& tail : reading.view.tails()) {
    const RowTail* rows = tail->rows(space, tenant);
    if (rows == nullptr) continue;
    if (whole_tails || rows->rows() <= kSmallTail) {
      rows->for_each_block([&](const RowBlock& block) { walk.scan(block); });
    } else {
      rows->for_each_sample([&](const RowBlock& block) { walk.scan(block); });
    }
  }
}

void Seeds::rank(const PartitionView& partition, const RouteView& route, const Promises& promises,
                 Ranking ranking) {
  if (ranking == Ranking::all || route.clusters.count <= kFlatClusters ||
      route.districts.count == 0) {
    rank_clusters(partition, route, promises, 0, route.clusters.count);
    return;
  }
  promised_.resize(route.districts.count);
  promises.rate(route.districts, 0, 0, promised_);
  districts_.clear();
  for (std::uint32_t i = 0; i < route.districts.count; ++i)
    districts_.emplace_back(promised_[i], i);
  const std::size_t best =
      std::min(districts_.size(), std::max(kFewestDistricts, districts_.size() / kDistrictShare));
  std::ranges::partial_sort(districts_, districts_.begin() + static_cast<std::ptrdiff_t>(best),
                            std::greater{});
  for (std::size_t i = 0; i < best; ++i) {
    const std::uint32_t district = districts_[i].second;
    rank_clusters(partition, route, promises, route.district_starts[district],
                  route.district_starts[district + 1]);
  }
}

void Seeds::rank_clusters(const PartitionView& partition, const RouteView& route,
                          const Promises& promises, std::uint32_t first, std::uint32_t last) {
  // A sum does not tell whether the one who made the file was honest.
  last = std::min(last, route.clusters.count);
  if (first >= last) return;
  promised_.resize(last - first);
  promises.rate(route.clusters, first, 0, promised_);
  for (std::uint32_t i = first; i < last; ++i) {
    const std::uint32_t start = route.starts[i];
    const std::uint32_t end = std::max(start, route.starts[i + 1]);
    pages_.push_back({promised_[i - first], &partition, start, end - start});
  }
}

}  // namespace aeon::engine
