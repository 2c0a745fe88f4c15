#include "engine/graph_search.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/find_row.hpp"
#include "engine/k_best.hpp"
#include "engine/node_filter.hpp"
#include "engine/scorer.hpp"
#include "engine/seeds.hpp"

namespace aeon::engine {

namespace {

// Up to here a scan of everything costs about as much as a walk: rows, and bytes of them.
constexpr std::uint64_t kScannedRows = 4096;
constexpr std::uint64_t kScannedBytes = std::uint64_t{3} << 19;
// A row met on a walk costs about as much as so many rows of a scan.
constexpr std::uint64_t kWalkedToScanned = 4;
// So does a row that is visited by itself.
constexpr std::uint64_t kVisitedToScanned = 3;
// Of n rows of which a share s match, a walk that looks for ten meets about kWalkedRows / s, and s
// n are visited without one: the former is less where the share is above sqrt(kWalkedRows / n).
constexpr double kWalkedRows = 700;
// Clusters scanned by a second try.
constexpr std::uint32_t kMorePages = 24;
// The bound of a walk stands on this many neighbours at least: one or two say little.
constexpr std::uint32_t kLeastRank = 10;
// The neighbours of a sparse vector share one component or another with it, and those of different
// components are strangers to each other: no walk leads from some to the others, so that all must
// be among the seeds. A vector is sparse when so large a share of its codes is zero.
constexpr double kSparseShare = 0.75;
constexpr float kSparseRecall = 0.99F;
// So many more rows than asked for are rescored at once; more where INT8 is too coarse for that.
constexpr std::size_t kRescoredBeyond = 6;
// The nearest rows of a walk that are worth to be remembered.
constexpr std::size_t kReported = 48;

struct Scratch {
  Scorer scorer;
  NodeMap map;
  Seeds seeds;
  Walk walk;
  std::vector<FoundRow> places;
  std::vector<ScoredRow> scored;

  // Adds the scores of `rows` by the stored precision to `scored`.
  void rescore(const Reading& reading, std::uint32_t space, std::uint32_t tenant,
               std::span<const Walk::Neighbour> rows, bool& damaged) {
    places.clear();
    for (const Walk::Neighbour& row : rows) {
      const auto place = find_row(reading, {space, row.node}, tenant);
      damaged = damaged || !place;
      if (!place) continue;
      prefetch_precise(place->block, place->row);
      places.push_back(*place);
    }
    for (const FoundRow& place : places) {
      ScoredRow row{0, place.block.ids[place.row], place.block.born[place.row],
                    place.block.nodes[place.row]};
      if (scorer.rescore(place.block, place.row, row.score)) {
        scored.push_back(row);
      } else {
        damaged = true;
      }
    }
  }

  // Scores the k nearest of what was found, and whoever may be nearer than they are, seeing how far
  // INT8 is off. False where that is too far to tell.
  bool rescore_found(const Reading& reading, const VectorSearch& search, const Distance& distance,
                     const Blur& blur, bool& damaged) {
    const std::uint32_t space = search.space->number;
    const auto found = walk.found();
    const std::size_t first = std::min(found.size(), std::size_t{search.k} + kRescoredBeyond);
    std::ranges::nth_element(found, found.begin() + static_cast<std::ptrdiff_t>(first), {},
                             &Walk::Neighbour::distance);
    scored.clear();
    rescore(reading, space, search.tenant, found.first(first), damaged);
    if (scored.size() < search.k) return true;
    const auto kth = scored.begin() + (search.k - 1);
    std::ranges::nth_element(scored, kth, kBetterRow);
    const float limit = distance.of_score(kth->score);
    if (blur.hides(limit)) return false;
    const auto rest = found.subspan(first);
    const auto hopeless = std::ranges::partition(rest, [&](const Walk::Neighbour& row) {
      const RowHead head = head_of(row.packed);
      return row.distance <= limit + blur.of(row.distance, head.norm, head.error);
    });
    rescore(reading, space, search.tenant, rest.first(rest.size() - hopeless.size()), damaged);
    return true;
  }
};
Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

}  // namespace

namespace {

bool is_sparse(const simd::Int8Query& codes) {
  const auto zeros = std::count(codes.codes, codes.codes + codes.length, std::int8_t{0});
  return static_cast<double>(zeros) > kSparseShare * static_cast<double>(codes.length);
}

// The nearest of what a walk found, in no order.
void report(const Answer& answer, Walk& walk, Findings& findings) {
  const auto found = walk.found();
  findings.commit = answer.commit;
  findings.exact = false;
  findings.complete = false;
  findings.thorough = walk.is_thorough();
  findings.cost = answer.rows_scanned;
  findings.nominees.clear();
  const std::size_t kept = std::min(found.size(), kReported);
  std::ranges::nth_element(found, found.begin() + static_cast<std::ptrdiff_t>(kept), {},
                           &Walk::Neighbour::distance);
  for (const Walk::Neighbour& row : found.first(kept)) {
    findings.nominees.push_back({row.node, -row.distance});
  }
}

std::uint32_t share_of(float share, std::uint32_t patience) {
  return static_cast<std::uint32_t>(share * static_cast<float>(patience) + 0.5F);
}
// What a search does; `scorer` is prepared for it.
Effort effort_of(const VectorSearch& search, const Scorer& scorer) {
  const Metric metric = search.space->spec.metric;
  if (!is_sparse(scorer.codes())) return Effort::for_recall(search.recall, metric);
  Effort effort = Effort::for_recall(std::max(search.recall, kSparseRecall), metric);
  effort.pages = std::max(effort.pages, kMorePages);
  effort.whole_tails = true;
  return effort;
}

}  // namespace

Effort Effort::for_recall(float recall, Metric metric) noexcept {
  struct Level {
    float recall;
    float pages;
    float slack;
    float patience;
    float beyond;
  };
  static constexpr std::array kLevels = {
      Level{0.00F, 1, 0.00F, 4, 0},     Level{0.80F, 1, 0.00F, 16, 4},
      Level{0.90F, 2, 0.03F, 16, 14},   Level{0.95F, 2, 0.10F, 48, 18},
      Level{0.98F, 3, 0.20F, 80, 30},   Level{0.99F, 3, 0.30F, 128, 48},
      Level{0.995F, 4, 0.45F, 320, 90}, Level{1.00F, 16, 1.00F, 2048, 400}};
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
          static_cast<std::uint32_t>(factor * between(low.patience, high.patience) + 0.5F),
          static_cast<std::uint32_t>(factor * between(low.beyond, high.beyond) + 0.5F)};
}

namespace {
std::uint64_t visited_rather_than_walked(std::uint64_t rows) {
  const double turn = std::sqrt(kWalkedRows * static_cast<double>(rows));
  return std::max(kScannedRows, static_cast<std::uint64_t>(turn));
}
}  // namespace

SearchPlan plan_search(const Reading& reading, const VectorSearch& search) {
  if (search.recall >= 1) return plan_exact(reading, search);
  const PartitionFigures figures = partition_figures(reading, search.space->number, search.tenant);
  const std::uint64_t bytes = figures.rows * packed_stride(search.space->spec.dimension);
  if (figures.rows <= kScannedRows || bytes <= kScannedBytes) return plan_exact(reading, search);
  if (search.nodes != nullptr) {
    if (figures.has_ungraphed ||
        search.nodes->count() <= visited_rather_than_walked(figures.rows)) {
      return plan_exact(reading, search);
    }
    return SearchPlan::graph;
  }
  const bool filtered = search.session != 0 || search.kind != 0 || search.filter != nullptr ||
                        search.since != kBeginningOfTime || search.until != kEndOfTime;
  return filtered || figures.has_ungraphed ? SearchPlan::routes : SearchPlan::graph;
}

SearchPlan plan_exact(const Reading& reading, const VectorSearch& search) {
  if (search.nodes == nullptr) return SearchPlan::scan;
  const PartitionFigures figures = partition_figures(reading, search.space->number, search.tenant);
  const bool few = search.nodes->count() * kVisitedToScanned <= figures.rows;
  return few ? SearchPlan::matches : SearchPlan::scan;
}

GraphSeeds seed_search(const Reading& reading, const VectorSearch& search) {
  Scratch& own = scratch();
  const SpaceInfo& space = *search.space;
  own.scorer.prepare(search.vector, space.spec.metric);
  const Effort effort = effort_of(search, own.scorer);
  GraphSeeds seeds;
  seeds.pages = own.seeds.choose(reading, space.number, search.tenant, own.scorer.promises(),
                                 effort.pages, Ranking::by_district, seeds.damaged);
  return seeds;
}

bool search_graph(const Reading& reading, const VectorSearch& search, Answer& answer) {
  return search_graph(reading, search, seed_search(reading, search), answer);
}

bool search_graph(const Reading& reading, const VectorSearch& search, const GraphSeeds& seeds,
                  Answer& answer) {
  Scratch& own = scratch();
  const SpaceInfo& space = *search.space;
  const PartitionFigures figures = partition_figures(reading, space.number, search.tenant);
  own.scorer.prepare(search.vector, space.spec.metric);
  const Effort effort = effort_of(search, own.scorer);
  own.map.open(reading, space.number, search.nodes);
  // A walk among few matches may cost more than to visit them all; then that is what is done.
  const std::uint64_t matching = search.nodes == nullptr ? figures.rows : search.nodes->count();
  const Distance distance(space.spec.metric, own.scorer.scale(), own.scorer.norm(),
                          figures.largest_norm);
  const Blur blur(space.spec.metric, space.spec.dimension, own.scorer.norm(), own.scorer.error(),
                  figures.largest_norm);
  const std::uint32_t rank = std::max(search.k, kLeastRank);
  bool damaged = seeds.damaged;
  const auto walk = [&](std::span<const SeedPage> pages, std::span<const Nominee> starts) {
    own.walk.begin(
        own.map, own.scorer.codes(), distance,
        {.rank = rank,
         .width = rank + effort.beyond,
         .slack = effort.slack,
         .patience = effort.patience,
         .first_patience =
             starts.empty() ? effort.patience : share_of(search.first_patience, effort.patience),
         .copies = rank,
         .most_rows = matching / kWalkedToScanned,
         .blur = &blur});
    own.walk.scan(starts);
    scan_seeds(reading, space.number, search.tenant, pages, effort.whole_tails, own.walk, damaged);
    return own.walk.run() && own.walk.found().size() >= search.k &&
           !figures.spread.is_chance(own.walk.rank_distance(), rank, static_cast<double>(matching),
                                     space.spec.metric);
  };
  // Where what was found is no nearer than chance, the walk may have set out in the wrong place.
  if (!walk(seeds.pages, search.starts)) {
    if (search.nodes != nullptr) return false;
    const auto more = own.seeds.choose(reading, space.number, search.tenant, own.scorer.promises(),
                                       std::max(kMorePages, effort.pages), Ranking::all, damaged);
    if (!walk(more, {})) return false;
  }
  if (!own.rescore_found(reading, search, distance, blur, damaged)) return false;
  const std::size_t kept = std::min<std::size_t>(own.scored.size(), search.k);
  std::ranges::partial_sort(own.scored, own.scored.begin() + static_cast<std::ptrdiff_t>(kept),
                            kBetterRow);
  answer.hits.clear();
  for (const ScoredRow& scored : std::span(own.scored).first(kept)) {
    answer.hits.push_back({scored.id, scored.born, scored.score});
  }
  answer.commit = reading.commit;
  answer.partial =
      damaged || own.map.damaged() || (search.nodes != nullptr && search.nodes->damaged());
  answer.exact = false;
  answer.rows_scanned = own.walk.rows_compared();
  if (search.findings != nullptr) report(answer, own.walk, *search.findings);
  return true;
}

}  // namespace aeon::engine
