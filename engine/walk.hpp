// Best-first search over the links of rows (the greedy search of navigable small worlds, Malkov and
// Yashunin 2018, with another beginning and another end).
//
// The beginning: whole clusters and samples of tails are scanned, and the best of their rows are
// where the walk sets out. That replaces the long way from an entry point.
//
// The end: let d be the distance of the `rank`-th nearest visible row found. Nothing farther than
// (1 + slack) d is followed, so the walk ends by itself where the neighbourhood is known, after few
// rows for easy queries and many for hard ones. In few dimensions hardly a row lies between d and
// (1 + slack) d; so the `width` nearest are always followed. Rows that are not visible are passed
// through.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "engine/blur.hpp"
#include "engine/distance.hpp"
#include "engine/lookaside/remembered.hpp"
#include "engine/node_map.hpp"
#include "engine/visited.hpp"
#include "simd/int8_query.hpp"

namespace aeon::engine {

struct WalkLimits {
  std::uint32_t rank = 10;
  std::uint32_t width = 0;  // the limit is no less than the distance of the `width`-th nearest
  float slack = 0;
  // It also ends when the links of so many rows in a row led to none of the `rank` nearest.
  std::uint32_t patience = UINT32_MAX;
  // The same as long as no row that a link led to was nearer than what the walk set out with.
  std::uint32_t first_patience = UINT32_MAX;
  // Rows at the very same distance are taken for copies. So many of them count towards the rank,
  // and the links of so many are followed: those of the others lead to the same places.
  std::uint32_t copies = UINT32_MAX;
  std::uint64_t most_rows = UINT64_MAX;  // compared one by one; then the walk gives up
  const Blur* blur = nullptr;            // what is farther only because INT8 errs is followed too
};

// Buffers are kept between walks: one object a thread.
class Walk {
 public:
  struct Neighbour {
    float distance = 0;
    std::uint32_t node = 0;
    const std::byte* packed = nullptr;
  };

  // Takes the memory that ordinary walks need, so that a warm thread allocates only for one that is
  // harder than all before.
  Walk();

  // Forgets what was found. Everything passed must live until the last call before the next begin.
  void begin(NodeMap& map, const simd::Int8Query& codes, const Distance& distance,
             const WalkLimits& limits);
  // Scans rows to set out from. They are sought out together once run() is called.
  void scan(const RowBlock& block);
  void scan(std::span<const Nominee> rows);
  // Whether any of the rows that were scanned one by one lies in that block.
  [[nodiscard]] bool knows(const RowBlock& block) const noexcept;
  // Walks until nothing near enough is left. False when it gave up at most_rows.
  [[nodiscard]] bool run();

  // Whether it had all of its patience.
  [[nodiscard]] bool is_thorough() const noexcept { return patience() == limits_.patience; }

  // The visible rows met within the limit, in no order.
  [[nodiscard]] std::span<Neighbour> found() noexcept { return found_; }
  // The distance of the rank-th nearest; infinite when there are fewer.
  [[nodiscard]] float rank_distance() const noexcept {
    return nearest_.size() < limits_.rank ? std::numeric_limits<float>::infinity()
                                          : nearest_.front();
  }
  // Rows compared so far, scanned ones included.
  [[nodiscard]] std::uint64_t rows_compared() const noexcept { return scanned_ + walked_; }

 private:
  struct Step {
    float distance = 0;
    std::uint32_t node = 0;
  };
  static constexpr std::uint32_t kStep = 256;

  [[nodiscard]] std::uint32_t patience() const noexcept {
    return improved_ ? limits_.patience : std::min(limits_.patience, limits_.first_patience);
  }
  void compare(std::span<Neighbour> rows);
  void tighten();
  void set_out();
  void consider(const Neighbour& row);
  void expand(std::uint32_t node);
  void count(float distance);
  [[nodiscard]] bool is_counted_copy(float distance) const;
  void set_limit();
  [[nodiscard]] bool is_one_more_copy(float distance);

  NodeMap* map_ = nullptr;
  const simd::Int8Query* codes_ = nullptr;
  const Distance* distance_ = nullptr;
  WalkLimits limits_;
  float limit_ = 0;
  float last_distance_ = -1;    // of a row whose links were followed
  std::uint32_t followed_ = 0;  // at that distance
  bool under_way_ = false;      // and no longer setting out
  bool improved_ = false;       // on what it set out with
  std::uint32_t idle_ = 0;      // rows whose links led to nothing nearer, since one did
  std::uint64_t scanned_ = 0;
  std::uint64_t walked_ = 0;
  Visited visited_;
  float cut_ = 0;                        // scanned rows beyond it are no starts
  std::vector<Neighbour> starts_;        // the nearest of the scanned rows
  std::vector<const std::byte*> known_;  // the rows that were scanned one by one
  std::vector<Step> open_;               // min-heap by distance: rows whose links were not followed
  std::vector<float> nearest_;           // max-heap of the `rank` least distances of visible rows
  std::vector<float> wide_;              // the same of the `width` least, where that is more
  std::vector<Neighbour> found_;
};

}  // namespace aeon::engine
