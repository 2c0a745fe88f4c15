// The k best of rows that are scored twice: first between bounds, then by what the space stores.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "engine/lookaside/remembered.hpp"
#include "engine/model.hpp"

namespace aeon::engine {

struct ScoredRow {
  float score = 0;
  MemoryId id = 0;
  CommitNumber born = 0;
  std::uint32_t node = 0;
};
inline constexpr auto kBetterRow = [](const ScoredRow& a, const ScoredRow& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
};

// Keeps its memory between uses.
class KBest {
 public:
  void begin(std::uint32_t k) {
    k_ = k;
    lower_bounds_.clear();
    best_.clear();
  }

  // A row has at least that score. Returns what a row must reach to be among the k best.
  float push_lower_bound(float lower) {
    if (lower_bounds_.size() < k_) {
      lower_bounds_.push_back(lower);
      std::ranges::push_heap(lower_bounds_, std::greater{});
    } else if (lower > lower_bounds_.front()) {
      std::ranges::pop_heap(lower_bounds_, std::greater{});
      lower_bounds_.back() = lower;
      std::ranges::push_heap(lower_bounds_, std::greater{});
    }
    return lower_bounds_.size() == k_ ? lower_bounds_.front()
                                      : -std::numeric_limits<float>::infinity();
  }

  // Whether a row of at most that score can't be among the k best any more. Ties are decided by id,
  // so equality must still be looked at.
  [[nodiscard]] bool is_settled(float upper) const noexcept {
    return best_.size() == k_ && upper < best_.front().score;
  }
  void push(const ScoredRow& row) {
    if (best_.size() == k_) {
      if (!kBetterRow(row, best_.front())) return;
      std::ranges::pop_heap(best_, kBetterRow);
      best_.pop_back();
    }
    best_.push_back(row);
    std::ranges::push_heap(best_, kBetterRow);
  }
  // The rows pushed, best first; push no more after that.
  void take(std::vector<Hit>& hits) {
    std::ranges::sort(best_, kBetterRow);
    hits.clear();
    for (const ScoredRow& row : best_) hits.push_back({row.id, row.born, row.score});
  }

  // What take() gave for `answer`, as findings. Allocates nothing once they are warm.
  void report(const Answer& answer, Findings& findings) const {
    const std::size_t kept = std::min<std::size_t>(best_.size(), kMostNominees);
    findings.commit = answer.commit;
    findings.exact = answer.exact;
    findings.complete = answer.exact && best_.size() < k_ && kept == best_.size();
    findings.thorough = true;
    findings.cost = answer.rows_scanned;
    findings.nominees.clear();
    for (std::size_t i = 0; i < kept; ++i) {
      findings.nominees.push_back({best_[i].node, best_[i].score});
    }
  }

 private:
  std::uint32_t k_ = 0;
  std::vector<float> lower_bounds_;  // min-heap of the k best
  std::vector<ScoredRow> best_;      // min-heap of the k best
};

}  // namespace aeon::engine
