#include "engine/lookaside/certify.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/find_row.hpp"
#include "engine/node_map.hpp"
#include "engine/scorer.hpp"

namespace aeon::engine {

namespace {

struct Scored {
  float score = 0;
  MemoryId id = 0;
  CommitNumber born = 0;
  bool is_new = false;  // born since
};
constexpr auto kBetter = [](const Scored& a, const Scored& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
};

// What a computed score may be off, as a share of the product of the lengths (of the square, for
// l2): what simd/kernels.hpp says of dot products, for the product, for the length of the query and
// for the length of the row, and some for the steps between.
double rounding_of(std::size_t dimension) {
  return (3 * static_cast<double>(dimension) + 32) * 0x1p-23;
}

struct Sums {
  double a = 0;      // |a|^2
  double b = 0;      // |b|^2
  double dot = 0;    // a.b
  double apart = 0;  // |a - b|^2
};

// Four sums of each, so that one addition need not wait for the last.
Sums sums_of(std::span<const float> a, std::span<const float> b) {
  constexpr std::size_t kLanes = 4;
  double aa[kLanes] = {};
  double bb[kLanes] = {};
  double ab[kLanes] = {};
  double dd[kLanes] = {};
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i];
    const double y = b[i];
    aa[i % kLanes] += x * x;
    bb[i % kLanes] += y * y;
    ab[i % kLanes] += x * y;
    dd[i % kLanes] += (x - y) * (x - y);
  }
  const auto total = [](const double* lanes) {
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  };
  return {total(aa), total(bb), total(ab), total(dd)};
}

// Buffers of one thread, kept warm.
struct Scratch {
  Scratch() { rows.reserve(kMostNominees + kMostNewRows); }
  NodeMap map;
  Scorer scorer;
  std::vector<Scored> rows;
  std::size_t dimension = 0;  // that the scorer has room for
};
Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

class Certifier {
 public:
  Certifier(const Reading& reading, const VectorSearch& search, const Remembered& remembered,
            bool same, Scratch& scratch)
      : reading_(reading),
        search_(search),
        known_(remembered.findings),
        same_(same),
        rows_(scratch.rows),
        map_(scratch.map),
        scorer_(scratch.scorer) {
    rows_.clear();
    map_.open(reading, search.space->number);
  }

  // The rows in question that are known: false where one of them can't be told.
  bool gather() {
    new_rows_ = count_new();
    if (new_rows_ > kMostNewRows) return false;
    if (!same_ || new_rows_ != 0) scorer_.prepare(search_.vector, search_.space->spec.metric);
    return gather_known() && (new_rows_ == 0 || gather_new()) && !map_.damaged();
  }

  // Whether the k best of them are better than all others; see certify.hpp.
  bool conclude(double bound, Answer& answer) {
    const std::size_t kept = std::min<std::size_t>(rows_.size(), search_.k);
    if (kept < search_.k && !known_.complete) return false;
    std::ranges::partial_sort(rows_, rows_.begin() + static_cast<std::ptrdiff_t>(kept), kBetter);
    const auto best = std::span(rows_).first(kept);
    if (!known_.complete) {
      const bool above = std::ranges::all_of(best, [&](const Scored& row) {
        return (same_ && !row.is_new) || static_cast<double>(row.score) > bound;
      });
      if (!above) return false;
    }
    answer.hits.clear();
    for (const Scored& row : best) answer.hits.push_back({row.id, row.born, row.score});
    answer.commit = reading_.commit;
    answer.partial = false;
    answer.exact = true;
    answer.plan = SearchPlan::none;
    answer.rows_left = 0;
    answer.rows_scanned = compared_ + new_rows_;
    return true;
  }

 private:
  // Rows that may be born since: in tails, and in segments that hold some.
  std::uint64_t count_new() const {
    std::uint64_t count = 0;
    for (const auto& segment : reading_.view.segments()) {
      const PartitionView* partition = segment->partition(search_.space->number, search_.tenant);
      if (partition != nullptr && partition->entry().last_born > known_.commit) {
        count += partition->rows();
      }
    }
    for_each_new_block([&count](const RowBlock& block) { count += block.count; });
    return count;
  }

  // Those of the tails. Rows ascend by birth.
  template <typename Visit>
  void for_each_new_block(Visit&& visit) const {
    for (const auto& tail : reading_.view.tails()) {
      const RowTail* rows = tail->rows(search_.space->number, search_.tenant);
      if (rows == nullptr) continue;
      rows->for_each_block([&](const RowBlock& block) {
        if (block.count == 0 || block.born[block.count - 1] <= known_.commit) return;
        std::uint32_t first = 0;
        std::uint32_t last = block.count;
        while (first < last) {
          const std::uint32_t middle = first + (last - first) / 2;
          if (block.born[middle] <= known_.commit) {
            first = middle + 1;
          } else {
            last = middle;
          }
        }
        visit(block.part(first, block.count - first));
      });
    }
  }

  // The same query needs no more than k of them, and no new scores.
  bool gather_known() {
    const std::size_t ahead = same_ ? search_.k : known_.nominees.size();
    for (std::size_t i = 0; i < std::min(ahead, known_.nominees.size()); ++i) {
      map_.prefetch_row(known_.nominees[i].node);
    }
    for (const Nominee& nominee : known_.nominees) {
      if (same_ && rows_.size() == search_.k) break;
      const std::byte* packed = map_.packed(nominee.node);
      if (packed == nullptr) continue;  // it ended and was left out by a merge
      const RowHead head = head_of(packed);
      if (head.born > known_.commit) return false;  // no node is given twice
      if (!map_.is_visible(head, nominee.node)) continue;
      Scored row{nominee.score, head.id, head.born, false};
      if (!same_) {
        const auto place =
            find_row(reading_, {search_.space->number, nominee.node}, search_.tenant);
        if (!place || !scorer_.rescore(place->block, place->row, row.score)) return false;
      }
      rows_.push_back(row);
      ++compared_;
    }
    return true;
  }

  bool gather_new() {
    bool damaged = false;
    bool sound = true;
    for (const auto& segment : reading_.view.segments()) {
      const PartitionView* partition = segment->partition(search_.space->number, search_.tenant);
      if (partition == nullptr || partition->entry().last_born <= known_.commit) continue;
      sound = sound && gather_new(partition->block(0, partition->rows(), damaged));
    }
    for_each_new_block([&](const RowBlock& block) { sound = sound && gather_new(block); });
    return sound && !damaged;
  }

  bool gather_new(const RowBlock& block) {
    for (std::uint32_t first = 0; first < block.count; first += Scorer::kStep) {
      const std::uint32_t count = std::min(Scorer::kStep, block.count - first);
      const std::uint32_t passed = scorer_.scan(block, first, count, threshold());
      for (std::uint32_t i = 0; i < passed; ++i) {
        if (!consider_new(block, scorer_.passed(i).row)) return false;
      }
    }
    return true;
  }

  bool consider_new(const RowBlock& block, std::uint32_t row) {
    const CommitNumber born = block.born[row];
    const bool matches = born > known_.commit && born <= reading_.commit &&
                         (search_.session == 0 || block.sessions[row] == search_.session) &&
                         (search_.kind == 0 || block.kinds[row] == search_.kind);
    if (!matches) return true;
    bool damaged = false;
    const CommitNumber ended = reading_.ended_at(search_.space->number, block.nodes[row], damaged);
    if (damaged) return false;
    if (ended != 0) return true;
    Scored scored{0, block.ids[row], born, true};
    if (!scorer_.rescore(block, row, scored.score)) return false;
    rows_.push_back(scored);
    return true;
  }

  // New rows below it are not among the k best: the k-th best of the known.
  float threshold() {
    if (known_rows_ == 0) {
      known_rows_ = rows_.size() + 1;
      if (rows_.size() >= search_.k) {
        const auto kth = rows_.begin() + (search_.k - 1);
        std::ranges::nth_element(rows_, kth, kBetter);
        threshold_ = kth->score;
      }
    }
    return threshold_;
  }

  const Reading& reading_;
  const VectorSearch& search_;
  const Findings& known_;
  const bool same_;
  std::vector<Scored>& rows_;
  NodeMap& map_;
  Scorer& scorer_;
  std::uint64_t new_rows_ = 0;
  std::uint64_t compared_ = 0;
  std::size_t known_rows_ = 0;  // 1 more than so many, once the threshold is known
  float threshold_ = -std::numeric_limits<float>::infinity();
};

}  // namespace

bool can_be_kept(const Reading& reading) noexcept {
  return reading.commit >= reading.view.settled();
}

double most_score(Metric metric, std::span<const float> known, std::span<const float> asked,
                  float last, float longest) noexcept {
  const Sums sums = sums_of(known, asked);
  const double rounding = rounding_of(known.size());
  switch (metric) {
    case Metric::cosine: {
      if (!(sums.a > 0) || !(sums.b > 0)) break;
      const double cosine = sums.dot / std::sqrt(sums.a * sums.b);
      const double between = std::acos(std::clamp(cosine - 1e-12, -1.0, 1.0));
      const double outside = std::acos(std::clamp(double{last} + rounding, -1.0, 1.0));
      return std::cos(std::max(0.0, outside - between)) + rounding;
    }
    case Metric::dot: {
      const double lengths = (std::sqrt(sums.a) + std::sqrt(sums.b)) * double{longest};
      const double apart = std::sqrt(sums.apart) * double{longest};
      return double{last} + apart * (1 + rounding) + lengths * rounding;
    }
    case Metric::l2: {
      const double outside = std::sqrt(std::max(0.0, -double{last} * (1 - rounding)));
      const double nearest = std::max(0.0, outside - std::sqrt(sums.apart) * (1 + 1e-9));
      return -nearest * nearest * (1 - rounding);
    }
  }
  return std::numeric_limits<double>::infinity();
}

void get_ready_to_certify(const VectorSearch& search) {
  Scratch& own = scratch();
  if (search.vector.size() <= own.dimension) return;
  own.dimension = search.vector.size();
  own.scorer.prepare(search.vector, search.space->spec.metric);
}

bool certify(const Reading& reading, const VectorSearch& search, const Remembered& remembered,
             bool same, float longest, Answer& answer) {
  const Findings& known = remembered.findings;
  if (!known.exact || known.commit > reading.commit) return false;
  double bound = -std::numeric_limits<double>::infinity();
  if (!known.complete) {
    if (known.nominees.size() < search.k) return false;
    const float last = known.nominees.back().score;
    bound = same ? double{last}
                 : most_score(search.space->spec.metric, remembered.values, search.vector, last,
                              longest);
    // The k-th best is seldom nearer to this query than to the one that it was remembered for.
    if (!same && !(bound < double{known.nominees[search.k - 1].score})) return false;
  }
  Certifier certifier(reading, search, remembered, same, scratch());
  return certifier.gather() && certifier.conclude(bound, answer);
}

}  // namespace aeon::engine
