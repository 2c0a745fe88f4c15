#include "engine/search.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>
#include <optional>

#include "engine/filter.hpp"
#include "engine/graph_search.hpp"
#include "engine/k_best.hpp"
#include "engine/match_scan.hpp"
#include "engine/node_filter.hpp"
#include "engine/scorer.hpp"

namespace aeon {

std::string_view name_of(SearchPlan plan) noexcept {
  switch (plan) {
    case SearchPlan::none: return "none";
    case SearchPlan::scan: return "scan";
    case SearchPlan::matches: return "matches";
    case SearchPlan::routes: return "routes";
    case SearchPlan::graph: return "graph";
  }
  return "";
}

}  // namespace aeon

namespace aeon::engine {

namespace {

// A row that may be among the k best.
struct Candidate {
  float upper = 0;  // its score is not above this
  std::uint32_t block = 0;
  std::uint32_t row = 0;
};

// A cluster that may be read.
struct Offer {
  float promise = 0;
  const PartitionView* partition = nullptr;
  std::uint32_t first = 0;  // row
  std::uint32_t count = 0;
};

// Buffers of one thread, kept warm between searches.
struct SearchScratch {
  // Room for a usual search, so that a warm thread seldom meets one that needs more.
  SearchScratch() {
    blocks.reserve(256);
    candidates.reserve(1024);
    offers.reserve(256);
  }
  std::vector<RowBlock> blocks;
  std::vector<Candidate> candidates;
  std::vector<Offer> offers;  // max-heap
  std::vector<float> promises;
  KBest best;
  Scorer scorer;
  Reading::Version version;
};
SearchScratch& scratch() {
  thread_local SearchScratch instance;
  return instance;
}

class RowSearch {
 public:
  RowSearch(const Reading& reading, const VectorSearch& search, SearchScratch& scratch)
      : reading_(reading), search_(search), scratch_(scratch) {
    scratch_.blocks.clear();
    scratch_.candidates.clear();
    scratch_.offers.clear();
    scratch_.best.begin(search.k);
    scratch_.scorer.prepare(search.vector, search.space->spec.metric);
  }

  Status run(Answer& answer) {
    collect_blocks();
    for (std::uint32_t i = 0; i < scratch_.blocks.size(); ++i) AEON_TRY(scan(i));
    AEON_TRY(scan_offers());
    finish(answer);
    return {};
  }

  // The same in steps, for several searches that read one piece of rows one after another.
  void collect_blocks() {
    const std::uint32_t space = search_.space->number;
    for (const auto& segment : reading_.view.segments()) {
      if (const PartitionView* partition = segment->partition(space, search_.tenant)) {
        if (search_.recall < 1 && take_offers(*partition)) continue;
        push_block(partition->block(0, partition->rows(), damaged_));
      }
      for (const ClusterEntry& entry : segment->clusters()) {
        if (entry.space != space || entry.tenant != search_.tenant) continue;
        push_block(read_cluster(segment->segment(), entry, damaged_));
      }
    }
    std::ranges::make_heap(scratch_.offers, {}, &Offer::promise);
    for (const auto& tail : reading_.view.tails()) {
      const RowTail* rows = tail->rows(space, search_.tenant);
      if (rows == nullptr) continue;
      rows->for_each_block([this](const RowBlock& block) { scratch_.blocks.push_back(block); });
    }
  }
  // Or those that another search of the same rows has collected.
  void take_blocks(const RowSearch& other) {
    scratch_.blocks = other.scratch_.blocks;
    damaged_ = other.damaged_;
  }
  [[nodiscard]] std::span<const RowBlock> blocks() const { return scratch_.blocks; }
  // At most Scorer::kStep rows.
  Status scan(std::uint32_t index, std::uint32_t first, std::uint32_t count) {
    rows_scanned_ += count;
    const std::uint32_t passed =
        scratch_.scorer.scan(scratch_.blocks[index], first, count, threshold_);
    for (std::uint32_t i = 0; i < passed; ++i) AEON_TRY(consider(index, i));
    return {};
  }
  void finish(Answer& answer) {
    rescore();
    fill(answer);
  }

 private:
  bool push_block(const RowBlock& block) {
    // A sum does not tell whether the one who made it was honest.
    if (block.count == 0 || block.dimension != search_.vector.size() ||
        block.precision != search_.space->spec.precision) {
      damaged_ = true;
      return false;
    }
    scratch_.blocks.push_back(block);
    return true;
  }

  // False where the rows have no route that holds; all are scanned then.
  bool take_offers(const PartitionView& partition) {
    const auto route = partition.route();
    if (!route || route->dimension != search_.vector.size()) return false;
    scratch_.promises.resize(route->clusters.count);
    scratch_.scorer.promises().rate(route->clusters, 0, reach_for(*route, search_.recall),
                                    scratch_.promises);
    for (std::uint32_t i = 0; i < route->clusters.count; ++i) {
      const std::uint32_t start = route->starts[i];
      const std::uint32_t end = std::max(start, route->starts[i + 1]);
      scratch_.offers.push_back({scratch_.promises[i], &partition, start, end - start});
    }
    return true;
  }

  Status scan_offers() {
    auto& offers = scratch_.offers;
    while (!offers.empty() && offers.front().promise >= threshold_) {
      std::ranges::pop_heap(offers, {}, &Offer::promise);
      const Offer offer = offers.back();
      offers.pop_back();
      if (offer.count == 0) continue;
      if (push_block(offer.partition->block(offer.first, offer.count, damaged_))) {
        AEON_TRY(scan(static_cast<std::uint32_t>(scratch_.blocks.size() - 1)));
      }
    }
    return {};
  }

  Status scan(std::uint32_t index) {
    const std::uint32_t rows = scratch_.blocks[index].count;
    for (std::uint32_t first = 0; first < rows; first += Scorer::kStep) {
      AEON_TRY(scan(index, first, std::min(Scorer::kStep, rows - first)));
    }
    return {};
  }

  // A row whose upper bound reached the threshold of its step: is it seen, and does it still pass?
  Status consider(std::uint32_t block_index, std::uint32_t passed) {
    const Scorer::Bounds bounds = scratch_.scorer.passed(passed);
    if (bounds.upper < threshold_) return {};
    const RowBlock& block = scratch_.blocks[block_index];
    const std::uint32_t node = block.nodes[bounds.row];
    if (search_.nodes != nullptr && !search_.nodes->may_match(node)) return {};
    if (!matches(block, bounds.row)) return {};
    // A row whose end can't be read may have been forgotten: it is left out.
    bool unknown = false;
    const CommitNumber ended = reading_.ended_at(search_.space->number, node, unknown);
    damaged_ = damaged_ || unknown;
    if (ended != 0 || unknown) return {};
    AEON_ASSIGN(const bool kept, passes_filter(node, block.ids[bounds.row]));
    if (!kept) return {};
    threshold_ = scratch_.best.push_lower_bound(bounds.lower);
    scratch_.candidates.push_back({bounds.upper, block_index, bounds.row});
    if (scratch_.candidates.size() >= compact_at_) compact();
    return {};
  }

  [[nodiscard]] bool matches(const RowBlock& block, std::uint32_t row) const {
    return block.born[row] <= reading_.commit &&
           (search_.session == 0 || block.sessions[row] == search_.session) &&
           (search_.kind == 0 || block.kinds[row] == search_.kind) &&
           block.times[row] >= search_.since &&
           (block.times[row] < search_.until || search_.until == kEndOfTime);
  }

  Result<bool> passes_filter(std::uint32_t node, MemoryId id) {
    if (search_.nodes != nullptr) return search_.nodes->matches(node, id);
    if (search_.filter == nullptr) return true;
    const Result<bool> visible = reading_.try_version(id, scratch_.version);
    if (!visible && visible.error().code == Errc::damaged) {
      damaged_ = true;  // what it says is not known; the rest answers
      return false;
    }
    if (!visible) return std::unexpected(visible.error());
    return *visible && search_.filter->matches(scratch_.version.record.metadata);
  }

  // Drops candidates that the threshold has passed by; keeps the list's growth linear in what
  // really is undecided.
  void compact() {
    std::erase_if(scratch_.candidates,
                  [this](const Candidate& candidate) { return candidate.upper < threshold_; });
    compact_at_ = std::max<std::size_t>(2 * scratch_.candidates.size(), kFirstCompact);
  }

  // Best upper bound first: once the k-th best exact score reaches the next upper bound, the rest
  // can't matter. Ties are decided by id, so equality must still be looked at.
  void rescore() {
    compact();
    std::ranges::sort(scratch_.candidates, std::greater{}, &Candidate::upper);
    for (const Candidate& candidate : scratch_.candidates) {
      if (scratch_.best.is_settled(candidate.upper)) break;
      const RowBlock& block = scratch_.blocks[candidate.block];
      float score = 0;
      if (!scratch_.scorer.rescore(block, candidate.row, score)) {
        damaged_ = true;
        continue;
      }
      scratch_.best.push(
          {score, block.ids[candidate.row], block.born[candidate.row], block.nodes[candidate.row]});
    }
  }

  void fill(Answer& answer) const {
    scratch_.best.take(answer.hits);
    answer.commit = reading_.commit;
    answer.partial = damaged_ || (search_.nodes != nullptr && search_.nodes->damaged());
    answer.exact = !answer.partial && scratch_.offers.empty();
    answer.rows_scanned = rows_scanned_;
    if (search_.findings != nullptr) scratch_.best.report(answer, *search_.findings);
  }

  static constexpr std::size_t kFirstCompact = 1024;

  const Reading& reading_;
  const VectorSearch& search_;
  SearchScratch& scratch_;
  float threshold_ = -std::numeric_limits<float>::infinity();
  std::size_t compact_at_ = kFirstCompact;
  std::uint64_t rows_scanned_ = 0;
  bool damaged_ = false;
};

}  // namespace

Status search_rows(const Reading& reading, const VectorSearch& search, Answer& answer) {
  answer.plan = plan_search(reading, search);
  answer.rows_left = search.nodes == nullptr ? 0 : search.nodes->count();
  if (answer.plan == SearchPlan::graph && search_graph(reading, search, answer)) return {};
  if (answer.plan == SearchPlan::graph) answer.plan = plan_exact(reading, search);
  if (answer.plan == SearchPlan::matches) return scan_matches(reading, search, answer);
  if (answer.plan == SearchPlan::routes) return RowSearch(reading, search, scratch()).run(answer);
  VectorSearch exact = search;
  exact.recall = 1;
  return RowSearch(reading, exact, scratch()).run(answer);
}

Status scan_together(const Reading& reading, std::span<const VectorSearch> searches,
                     std::span<Answer* const> answers) {
  assert(!searches.empty() && searches.size() <= kTogether && searches.size() == answers.size());
  thread_local std::array<SearchScratch, kTogether> scratches;
  std::array<std::optional<RowSearch>, kTogether> running;
  for (std::size_t i = 0; i < searches.size(); ++i) {
    running[i].emplace(reading, searches[i], scratches[i]);
    if (i == 0) {
      running[i]->collect_blocks();
    } else {
      running[i]->take_blocks(*running[0]);
    }
  }
  const auto active = std::span(running).first(searches.size());
  for (std::uint32_t block = 0; block < active[0]->blocks().size(); ++block) {
    const std::uint32_t rows = active[0]->blocks()[block].count;
    for (std::uint32_t first = 0; first < rows; first += Scorer::kStep) {
      const std::uint32_t count = std::min(Scorer::kStep, rows - first);
      for (auto& search : active) AEON_TRY(search->scan(block, first, count));
    }
  }
  for (std::size_t i = 0; i < searches.size(); ++i) active[i]->finish(*answers[i]);
  return {};
}

}  // namespace aeon::engine
