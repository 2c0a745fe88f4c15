#include "engine/graph_search.hpp"

#include <algorithm>
#include <array>

#include "engine/find_row.hpp"
#include "engine/scorer.hpp"
#include "engine/seeds.hpp"

namespace aeon::engine {

namespace {

// Up to here a scan of everything costs about as much as a walk: rows, and bytes of them.
constexpr std::uint64_t kScannedRows = 4096;
constexpr std::uint64_t kScannedBytes = std::uint64_t{3} << 19;
// A row met on a walk costs about as much as so many rows of a scan.
constexpr std::uint64_t kWalkedToScanned = 4;
// Clusters scanned by a second try.
constexpr std::uint32_t kMorePages = 24;
// The bound of a walk stands on this many neighbours at least: one or two say little.
constexpr std::uint32_t kLeastRank = 10;

struct Scored {
  float score = 0;
  MemoryId id = 0;
  CommitNumber born = 0;
};
constexpr auto kBetter = [](const Scored& a, const Scored& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
};

struct Scratch {
  Scorer scorer;
  NodeMap map;
  Seeds seeds;
  Walk walk;
  std::vector<FoundRow> places;
  std::vector<Scored> scored;
};
Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

// INT8 tells neighbours apart to within a few ranks; so many more than asked are rescored.
std::size_t rescored_for(std::uint32_t k) { return k + std::max<std::size_t>(12, k / 2); }

}  // namespace

Effort Effort::for_recall(float recall, Metric metric) noexcept {
  struct Level {
    float recall;
    float pages;
    float slack;
    float patience;
  };
  static constexpr std::array kLevels = {
      Level{0.00F, 1, 0.00F, 4},    Level{0.80F, 1, 0.00F, 16},   Level{0.90F, 4, 0.03F, 16},
      Level{0.95F, 4, 0.10F, 48},   Level{0.98F, 4, 0.20F, 96},   Level{0.99F, 4, 0.30F, 192},
      Level{0.995F, 6, 0.45F, 384}, Level{1.00F, 16, 1.00F, 2048}};
  std::size_t above = 1;
  while (above + 1 < kLevels.size() && recall > kLevels[above].recall) ++above;
  const Level& low = kLevels[above - 1];
  const Level& high = kLevels[above];
  const float share = (recall - low.recall) / (high.recall - low.recall);
  const auto between = [share](float from, float to) { return from + share * (to - from); };
  // A query of an inner product lies at a distance from all rows, longer ones in front of nearer
  // ones: what is to be found stands out less.
  const float factor = metric == Metric::dot ? 2 : 1;
  return {static_cast<std::uint32_t>(factor * between(low.pages, high.pages) + 0.5F),
          factor * between(low.slack, high.slack),
          static_cast<std::uint32_t>(factor * between(low.patience, high.patience) + 0.5F)};
}

SearchPlan plan_search(const Reading& reading, const VectorSearch& search) {
  if (search.recall >= 1) return SearchPlan::scan;
  const PartitionFigures figures = partition_figures(reading, search.space->number, search.tenant);
  const std::uint64_t bytes = figures.rows * packed_stride(search.space->spec.dimension);
  if (figures.rows <= kScannedRows || bytes <= kScannedBytes) return SearchPlan::scan;
  const bool filtered = search.session != 0 || search.kind != 0 || search.filter != nullptr ||
                        search.since != kBeginningOfTime || search.until != kEndOfTime;
  return filtered || figures.has_ungraphed ? SearchPlan::routes : SearchPlan::graph;
}

Result<bool> search_graph(const Reading& reading, const VectorSearch& search, Answer& answer) {
  Scratch& own = scratch();
  const SpaceInfo& space = *search.space;
  const PartitionFigures figures = partition_figures(reading, space.number, search.tenant);
  const Effort effort = Effort::for_recall(search.recall, space.spec.metric);
  own.scorer.prepare(search.vector, space.spec.metric);
  own.map.open(reading, space.number);
  const Distance distance(space.spec.metric, own.scorer.scale(), own.scorer.norm(),
                          figures.largest_norm);
  bool damaged = false;
  const auto walk = [&](const Effort& with, Ranking ranking) {
    own.walk.begin(own.map, own.scorer.codes(), distance,
                   {.rank = std::max(search.k, kLeastRank),
                    .slack = with.slack,
                    .patience = with.patience,
                    .copies = std::max(search.k, kLeastRank),
                    .most_rows = figures.rows / kWalkedToScanned});
    own.seeds.scan(reading, space.number, search.tenant, own.scorer.promises(), with.pages, ranking,
                   own.walk, damaged);
    return own.walk.run() && own.walk.found().size() >= search.k &&
           !figures.spread.is_chance(own.walk.bound() / (1 + with.slack),
                                     std::max(search.k, kLeastRank),
                                     static_cast<double>(figures.rows), space.spec.metric);
  };
  // Where what was found is no nearer than chance, the walk may have set out in the wrong place.
  if (!walk(effort, Ranking::by_district)) {
    const Effort more{std::max(kMorePages, effort.pages), effort.slack, effort.patience};
    if (!walk(more, Ranking::all)) return false;
  }
  const auto found = own.walk.found();
  const std::size_t rescored = std::min(found.size(), rescored_for(search.k));
  std::ranges::nth_element(found, found.begin() + static_cast<std::ptrdiff_t>(rescored), {},
                           &Walk::Neighbour::distance);
  own.places.clear();
  for (const Walk::Neighbour& row : found.first(rescored)) {
    const auto place = find_row(reading, {space.number, row.node}, search.tenant);
    damaged = damaged || !place;
    if (!place) continue;
    prefetch_precise(place->block, place->row);
    own.places.push_back(*place);
  }
  own.scored.clear();
  for (const FoundRow& place : own.places) {
    Scored scored{0, place.block.ids[place.row], place.block.born[place.row]};
    if (own.scorer.rescore(place.block, place.row, scored.score)) {
      own.scored.push_back(scored);
    } else {
      damaged = true;
    }
  }
  const std::size_t kept = std::min<std::size_t>(own.scored.size(), search.k);
  std::ranges::partial_sort(own.scored, own.scored.begin() + static_cast<std::ptrdiff_t>(kept),
                            kBetter);
  answer.hits.clear();
  for (const Scored& scored : std::span(own.scored).first(kept)) {
    answer.hits.push_back({scored.id, scored.born, scored.score});
  }
  answer.commit = reading.commit;
  answer.partial = damaged || own.map.damaged();
  answer.exact = false;
  answer.rows_scanned = own.walk.rows_compared();
  return true;
}

}  // namespace aeon::engine
