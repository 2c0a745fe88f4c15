#include "engine/batch_search.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "engine/graph_search.hpp"

namespace aeon::engine {

namespace {

// Where a walk sets out, kept from the routing of a batch until its turn.
struct Turn {
  const BatchedSearch* search = nullptr;
  std::size_t first = 0;  // of its pages
  std::size_t count = 0;
  bool damaged = false;
};

// Buffers of one thread, kept warm between batches.
struct BatchScratch {
  std::vector<Turn> turns;
  std::vector<SeedPage> pages;
  std::vector<const BatchedSearch*> exact;
};
BatchScratch& scratch() {
  thread_local BatchScratch instance;
  return instance;
}

// So many searches are routed before the first of them walks.
constexpr std::size_t kRouted = 1024;

Status scan_all(const Reading& reading, std::span<const BatchedSearch* const> searches) {
  std::array<VectorSearch, kTogether> together;
  std::array<Answer*, kTogether> answers{};
  for (std::size_t first = 0; first < searches.size();) {
    std::size_t count = 0;
    while (count < kTogether && first < searches.size()) {
      together[count] = searches[first]->search;
      together[count].recall = 1;
      answers[count] = searches[first++]->answer;
      answers[count++]->plan = SearchPlan::scan;
    }
    AEON_TRY(
        scan_together(reading, std::span(together).first(count), std::span(answers).first(count)));
  }
  return {};
}

// Searches that links lead. Those whose walk finds too little join `exact`.
void walk_all(const Reading& reading, std::span<const BatchedSearch> searches, BatchScratch& own) {
  own.turns.clear();
  own.pages.clear();
  for (const BatchedSearch& search : searches) {
    const GraphSeeds seeds = seed_search(reading, search.search);
    own.turns.push_back({&search, own.pages.size(), seeds.pages.size(), seeds.damaged});
    own.pages.insert(own.pages.end(), seeds.pages.begin(), seeds.pages.end());
  }
  // By the place of the nearest cluster: clusters that lie side by side are neighbours.
  std::ranges::sort(own.turns, {}, [&own](const Turn& turn) {
    const SeedPage page = turn.count == 0 ? SeedPage{} : own.pages[turn.first];
    return std::tuple(page.partition, page.first);
  });
  for (const Turn& turn : own.turns) {
    const GraphSeeds seeds{std::span(own.pages).subspan(turn.first, turn.count), turn.damaged};
    turn.search->answer->plan = SearchPlan::graph;
    if (!search_graph(reading, turn.search->search, seeds, *turn.search->answer)) {
      own.exact.push_back(turn.search);
    }
  }
}

// Searches of one space and tenant.
Status search_alike(const Reading& reading, std::span<BatchedSearch> searches, BatchScratch& own) {
  own.exact.clear();
  const auto others = std::ranges::partition(searches, [&reading](const BatchedSearch& search) {
    return plan_search(reading, search.search) == SearchPlan::graph;
  });
  const auto led = searches.first(searches.size() - others.size());
  for (std::size_t first = 0; first < led.size(); first += kRouted) {
    walk_all(reading, led.subspan(first, std::min(kRouted, led.size() - first)), own);
  }
  for (const BatchedSearch& search : others) {
    if (plan_search(reading, search.search) == SearchPlan::routes) {
      AEON_TRY(search_rows(reading, search.search, *search.answer));
    } else {
      own.exact.push_back(&search);
    }
  }
  return scan_all(reading, own.exact);
}

}  // namespace

Status search_batch(const Reading& reading, std::span<BatchedSearch> searches) {
  constexpr auto kKey = [](const BatchedSearch& search) {
    return std::tuple(search.search.space->number, search.search.tenant);
  };
  std::ranges::sort(searches, {}, kKey);
  for (std::size_t first = 0; first < searches.size();) {
    std::size_t last = first + 1;
    while (last < searches.size() && kKey(searches[last]) == kKey(searches[first])) ++last;
    AEON_TRY(search_alike(reading, searches.subspan(first, last - first), scratch()));
    first = last;
  }
  return {};
}

}  // namespace aeon::engine
