// Where a walk sets out: the clusters nearest to the query, out of all segments, and what the tails
// hold (all of their rows while they are few, then their sample).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/route.hpp"
#include "engine/spread.hpp"
#include "engine/view.hpp"
#include "engine/walk.hpp"

namespace aeon::engine {

// The rows of a space and tenant at one instant. Figures from the same moment as the reading.
struct PartitionFigures {
  std::uint64_t rows = 0;      // ever written, ended ones included
  float largest_norm = 0;      // of a row
  bool has_ungraphed = false;  // rows of format version 1, which no link leads to
  Spread spread;
};
[[nodiscard]] PartitionFigures partition_figures(const Reading& reading, std::uint32_t space,
                                                 std::uint32_t tenant);

// Whether many clusters may be ranked by their districts first, which is cheaper and misses some.
enum class Ranking : std::uint8_t { by_district, all };

// A cluster of a segment that may be scanned.
struct SeedPage {
  float promise = 0;
  const PartitionView* partition = nullptr;
  std::uint32_t first = 0;  // row
  std::uint32_t count = 0;
};

// Buffers are kept between uses: one object a thread.
class Seeds {
 public:
  // The `count` clusters that promise most, best first; valid until the next call, and as long as
  // the view. Sets `damaged` where a route could not be read and its clusters were left out.
  [[nodiscard]] std::span<const SeedPage> choose(const Reading& reading, std::uint32_t space,
                                                 std::uint32_t tenant, const Promises& promises,
                                                 std::uint32_t count, Ranking ranking,
                                                 bool& damaged);

 private:
  void rank(const PartitionView& partition, const RouteView& route, const Promises& promises,
            Ranking ranking);
  void rank_clusters(const PartitionView& partition, const RouteView& route,
                     const Promises& promises, std::uint32_t first, std::uint32_t last);

  std::vector<SeedPage> pages_;
  std::vector<float> promised_;
  std::vector<std::pair<float, std::uint32_t>> districts_;
};

// Scans the chosen clusters but those of which the walk knows rows, what was never grouped, and the
// tails into `walk`: all of their rows while they are few or that is asked for, else their samples.
// Sets `damaged` where something could not be read and was left out.
void scan_seeds(const Reading& reading, std::uint32_t space, std::uint32_t tenant,
                std::span<const SeedPage> pages, bool whole_tails, Walk& walk, bool& damaged);

}  // namespace aeon::engine
