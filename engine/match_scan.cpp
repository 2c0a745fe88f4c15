#include "engine/match_scan.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "engine/find_row.hpp"
#include "engine/k_best.hpp"
#include "engine/node_map.hpp"
#include "engine/scorer.hpp"
#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

// Rows whose memory is asked for together.
constexpr std::size_t kBatch = 32;

struct Candidate {
  float upper = 0;  // its score is not above this
  std::uint32_t node = 0;
};

struct Scratch {
  Scorer scorer;
  NodeMap map;
  KBest best;
  std::vector<Candidate> candidates;
};
Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

class MatchScan {
 public:
  MatchScan(const Reading& reading, const VectorSearch& search, Scratch& own)
      : reading_(reading), search_(search), own_(own) {
    own_.scorer.prepare(search.vector, search.space->spec.metric);
    own_.map.open(reading, search.space->number);
    own_.best.begin(search.k);
    own_.candidates.clear();
  }

  Status run(Answer& answer) {
    Status status;
    search_.nodes->for_each([&](std::uint32_t node) {
      own_.map.prefetch_row(node);
      nodes_[count_++] = node;
      if (count_ < kBatch) return;
      if (status) status = scan_batch();
      count_ = 0;
    });
    AEON_TRY(status);
    AEON_TRY(scan_batch());
    rescore();
    own_.best.take(answer.hits);
    answer.commit = reading_.commit;
    answer.partial = damaged_ || own_.map.damaged() || search_.nodes->damaged();
    answer.exact = !answer.partial;
    answer.rows_scanned = rows_scanned_;
    if (search_.findings != nullptr) own_.best.report(answer, *search_.findings);
    return {};
  }

 private:
  Status scan_batch() {
    std::array<const std::byte*, kBatch> packed;
    std::array<std::uint32_t, kBatch> nodes;
    std::size_t found = 0;
    const std::size_t bytes = packed_stride(search_.space->spec.dimension);
    for (std::size_t i = 0; i < count_; ++i) {
      const std::byte* row = own_.map.packed(nodes_[i]);
      if (row == nullptr) continue;  // dropped with its version, or on a damaged page
      for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at);
      nodes[found] = nodes_[i];
      packed[found++] = row;
    }
    std::array<std::int32_t, kBatch> sums;
    std::array<std::int32_t, kBatch> dots;
    std::array<const std::int8_t*, kBatch> codes;
    for (std::size_t i = 0; i < found; ++i) {
      sums[i] = head_of(packed[i]).sum;
      codes[i] = codes_of(packed[i]);
    }
    simd::kernels().dot_i8_at(own_.scorer.codes(), codes.data(), sums.data(), found, dots.data());
    rows_scanned_ += found;
    for (std::size_t i = 0; i < found; ++i) {
      const RowHead head = head_of(packed[i]);
      const Scorer::Margin bounds = own_.scorer.margin_of(head, dots[i]);
      if (bounds.score + bounds.margin < threshold_) continue;
      if (!own_.map.is_visible(head, nodes[i])) continue;
      AEON_ASSIGN(const bool kept, search_.nodes->matches(nodes[i], head.id));
      if (!kept) continue;
      threshold_ = own_.best.push_lower_bound(bounds.score - bounds.margin);
      own_.candidates.push_back({bounds.score + bounds.margin, nodes[i]});
    }
    return {};
  }

  // As RowSearch does: best upper bound first, until the k-th best score reaches the next one.
  void rescore() {
    std::erase_if(own_.candidates, [this](const Candidate& row) { return row.upper < threshold_; });
    std::ranges::sort(own_.candidates, std::greater{}, &Candidate::upper);
    for (const Candidate& candidate : own_.candidates) {
      if (own_.best.is_settled(candidate.upper)) break;
      const auto found =
          find_row(reading_, {search_.space->number, candidate.node}, search_.tenant);
      float score = 0;
      if (!found || !own_.scorer.rescore(found->block, found->row, score)) {
        damaged_ = true;
        continue;
      }
      own_.best.push(
          {score, found->block.ids[found->row], found->block.born[found->row], candidate.node});
    }
  }

  const Reading& reading_;
  const VectorSearch& search_;
  Scratch& own_;
  std::array<std::uint32_t, kBatch> nodes_;
  std::size_t count_ = 0;
  float threshold_ = -std::numeric_limits<float>::infinity();
  std::uint64_t rows_scanned_ = 0;
  bool damaged_ = false;
};

}  // namespace

Status scan_matches(const Reading& reading, const VectorSearch& search, Answer& answer) {
  return MatchScan(reading, search, scratch()).run(answer);
}

}  // namespace aeon::engine
