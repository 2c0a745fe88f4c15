#include "api/cli/bench_ann_truth.hpp"

#include <algorithm>
#include <cmath>
#include <thread>

#include <fmt/format.h>

#include "simd/kernels.hpp"

namespace aeon::cli {
namespace {

constexpr std::size_t kBlockBytes = 256 << 10;  // of rows that stay in the cache for all queries
constexpr std::size_t kSpare = 16;  // candidates beyond k that rounding might have kept out
constexpr double kTie = 1e-6;

// Larger is nearer, as in Metric.
double exact_score(std::span<const float> a, std::span<const float> b, Metric metric) {
  double dot = 0, aa = 0, bb = 0, apart = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    apart += (x - y) * (x - y);
  }
  switch (metric) {
    case Metric::dot: return dot;
    case Metric::l2: return -apart;
    case Metric::cosine: break;
  }
  return aa > 0 && bb > 0 ? dot / std::sqrt(aa * bb) : 0;
}

struct Candidate {
  double score;
  std::uint32_t row;
};
bool nearer(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;
}

// The nearest rows so far, the farthest of them on top of the heap.
class Nearest {
 public:
  explicit Nearest(std::size_t limit) : limit_(limit) { heap_.reserve(limit + 1); }
  void offer(Candidate candidate) {
    if (heap_.size() == limit_ && !nearer(candidate, heap_.front())) return;
    heap_.push_back(candidate);
    std::ranges::push_heap(heap_, nearer);
    if (heap_.size() <= limit_) return;
    std::ranges::pop_heap(heap_, nearer);
    heap_.pop_back();
  }
  std::vector<Candidate>& rows() { return heap_; }

 private:
  std::size_t limit_;
  std::vector<Candidate> heap_{};
};

void score_rows(std::span<const float> query, const simd::Rows& rows, Metric metric, float* out) {
  const simd::Kernels& kernels = simd::kernels();
  switch (metric) {
    case Metric::cosine: return kernels.cosine_f32_rows(query.data(), query.size(), rows, out);
    case Metric::dot: return kernels.dot_f32_rows(query.data(), query.size(), rows, out);
    case Metric::l2: kernels.l2sq_f32_rows(query.data(), query.size(), rows, out);
  }
  for (std::size_t i = 0; i < rows.count; ++i) out[i] = -out[i];
}

// The nearest rows of queries [first, first + lists.size()).
void search_all(const VectorTable& base, const VectorTable& queries, std::size_t first,
                Metric metric, std::span<Nearest> lists) {
  const std::size_t row_bytes = base.width * sizeof(float);
  const std::size_t block = std::max<std::size_t>(1, kBlockBytes / row_bytes);
  std::vector<float> scores(block);
  for (std::size_t at = 0; at < base.rows; at += block) {
    const std::size_t count = std::min(block, base.rows - at);
    for (std::size_t i = 0; i < lists.size(); ++i) {
      score_rows(queries.row(first + i), {base.row(at).data(), row_bytes, count}, metric,
                 scores.data());
      for (std::size_t j = 0; j < count; ++j) {
        lists[i].offer({scores[j], static_cast<std::uint32_t>(at + j)});
      }
    }
  }
}

}  // namespace

Result<AnnTruth> AnnTruth::from(const RowTable& table, const VectorTable& base,
                                const VectorTable& queries, std::uint32_t k) {
  AnnTruth truth;
  truth.k_ = k;
  truth.nearest_ = std::min(k, base.rows);
  if (table.rows != queries.rows) {
    return fail(Errc::invalid_argument,
                fmt::format("{} answers {} queries and {} has {}; give the truth of these queries",
                            table.path, table.rows, queries.path, queries.rows));
  }
  if (table.width < truth.nearest_) {
    return fail(Errc::invalid_argument,
                fmt::format("{} has {} neighbours of each query and -k is {}; ask for fewer, or "
                            "leave --truth out",
                            table.path, table.width, k));
  }
  for (std::size_t query = 0; query < table.rows; ++query) {
    for (const std::int32_t row : table.row(query).first(truth.nearest_)) {
      if (row < 0 || static_cast<std::uint32_t>(row) >= base.rows) {
        return fail(Errc::invalid_argument,
                    fmt::format("{} names row {} for query {}, and {} has {} rows; give the truth "
                                "of this base",
                                table.path, row, query, base.path, base.rows));
      }
      truth.rows_.push_back(static_cast<std::uint32_t>(row));
    }
  }
  return truth;
}

AnnTruth AnnTruth::compute(const VectorTable& base, const VectorTable& queries, std::uint32_t k,
                           Metric metric, std::uint32_t threads) {
  AnnTruth truth;
  truth.k_ = k;
  truth.nearest_ = std::min(k, base.rows);
  std::vector<Nearest> lists(queries.rows, Nearest(truth.nearest_ + kSpare));
  const std::size_t share = (queries.rows + threads - 1) / threads;
  {
    std::vector<std::jthread> workers;
    for (std::size_t first = 0; first < queries.rows; first += share) {
      const std::size_t count = std::min(share, queries.rows - first);
      workers.emplace_back([&, first, count] {
        search_all(base, queries, first, metric, std::span(lists).subspan(first, count));
      });
    }
  }
  for (std::size_t query = 0; query < queries.rows; ++query) {
    std::vector<Candidate>& rows = lists[query].rows();
    for (Candidate& candidate : rows) {
      candidate.score = exact_score(queries.row(query), base.row(candidate.row), metric);
    }
    std::ranges::sort(rows, nearer);
    for (std::size_t i = 0; i < truth.nearest_; ++i) truth.rows_.push_back(rows[i].row);
  }
  return truth;
}

FoundShare AnnTruth::judge(std::span<const std::uint32_t> found, const VectorTable& base,
                           const VectorTable& queries, Metric metric) const {
  FoundShare share;
  for (std::size_t query = 0; query < queries.rows; ++query) {
    const auto truth = std::span(rows_).subspan(query * nearest_, nearest_);
    const auto values = queries.row(query);
    const double last = exact_score(values, base.row(truth.back()), metric);
    const double limit = last - kTie * std::abs(last);
    std::vector<std::uint32_t> rows(found.begin() + static_cast<std::ptrdiff_t>(query * k_),
                                    found.begin() + static_cast<std::ptrdiff_t>((query + 1) * k_));
    std::ranges::sort(rows);  // a row named twice counts once
    rows.erase(std::ranges::unique(rows).begin(), rows.end());
    for (const std::uint32_t row : rows) {
      if (row == kNoRow) continue;
      const bool named = std::ranges::find(truth, row) != truth.end();
      share.by_id += named;
      share.recall += named || exact_score(values, base.row(row), metric) >= limit;
    }
  }
  const double wanted = static_cast<double>(queries.rows) * nearest_;
  return {share.recall / wanted, share.by_id / wanted};
}

}  // namespace aeon::cli
