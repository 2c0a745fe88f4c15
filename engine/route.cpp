#include "engine/route.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/kernels.hpp"
#include "simd/quantize.hpp"
#include "storage/codec.hpp"

namespace aeon::engine {

namespace {

constexpr std::uint64_t kAskedRows = 64;
constexpr std::size_t kNeighbours = 10;
constexpr float kMostReach = 4.0F;  // more than any row can need; where arithmetic degenerates
constexpr std::uint32_t kStep = 256;

constexpr std::uint64_t align64(std::uint64_t offset) { return (offset + 63) / 64 * 64; }

struct Promise {
  float base = 0;
  float slope = 0;
};

// `dot` is q.c for a query of length `norm` (1 for the cosine, where rows were scaled to 1).
Promise promise_of(Metric metric, float dot, float norm, float square, float radius) {
  if (metric != Metric::l2) return {dot, norm * radius};
  const float away = std::max(0.0F, norm * norm + square - 2 * dot);
  return {-away - radius * radius, 2 * std::sqrt(away) * radius};
}

// Asks rows of a grouping as queries.
class Reach {
 public:
  Reach(std::span<const RowBlock> blocks, Metric metric, const Grouping& grouping)
      : blocks_(blocks), metric_(metric), grouping_(grouping) {
    std::uint32_t rows = 0;
    for (const RowBlock& block : blocks) {
      starts_.push_back(rows);
      rows += block.count;
    }
    groups_.resize(rows);
    std::size_t at = 0;
    for (std::uint32_t group = 0; group < grouping.groups(); ++group) {
      for (std::uint32_t i = 0; i < grouping.rows[group]; ++i) {
        groups_[position(grouping.order[at++])] = group;
      }
    }
  }

  std::array<float, kRecallLevels.size()> measure() {
    const std::uint64_t rows = grouping_.order.size();
    const std::uint64_t asked = std::min(rows, kAskedRows);
    for (std::uint64_t i = 0; i < asked; ++i) ask(grouping_.order[i * rows / asked]);
    std::ranges::sort(needed_);
    std::array<float, kRecallLevels.size()> reach{};
    for (std::size_t level = 0; level < reach.size(); ++level) {
      const auto at = static_cast<std::size_t>(std::ceil(static_cast<double>(kRecallLevels[level]) *
                                                         static_cast<double>(needed_.size())));
      reach[level] = needed_.empty() ? kMostReach : needed_[std::max<std::size_t>(at, 1) - 1];
    }
    return reach;
  }

 private:
  struct Neighbour {
    float score = 0;
    RowPlace place;
  };
  [[nodiscard]] std::uint32_t position(RowPlace place) const {
    return starts_[place.block] + place.row;
  }

  void ask(RowPlace place) {
    const RowBlock& block = blocks_[place.block];
    codes_.assign(block.codes + place.row * block.stride, block.dimension);
    const float factor = grouping_factor(block, place.row, metric_);
    const float norm = metric_ == Metric::cosine ? 1.0F : block.norms[place.row];
    find_neighbours(place, factor, norm);
    if (best_.empty()) return;
    const float worst = std::ranges::min(best_, {}, &Neighbour::score).score;
    for (const Neighbour& neighbour : best_) {
      needed_.push_back(
          needed_reach(place, factor, norm, groups_[position(neighbour.place)], worst));
    }
  }

  // The kNeighbours best rows but the asked one itself.
  void find_neighbours(RowPlace asked, float factor, float norm) {
    constexpr auto kBetter = [](const Neighbour& a, const Neighbour& b) {
      return a.score > b.score;
    };
    best_.clear();
    for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
      const RowBlock& block = blocks_[b];
      for (std::uint32_t first = 0; first < block.count; first += kStep) {
        const std::uint32_t count = std::min(kStep, block.count - first);
        simd::kernels().dot_i8_rows(
            codes_, {block.codes + first * block.stride, block.stride, count}, nullptr, dots_);
        for (std::uint32_t i = 0; i < count; ++i) {
          const std::uint32_t row = first + i;
          float score =
              factor * grouping_factor(block, row, metric_) * static_cast<float>(dots_[i]);
          if (metric_ == Metric::l2) {
            score = 2 * score - norm * norm - block.norms[row] * block.norms[row];
          }
          if (best_.size() == kNeighbours && score <= best_.front().score) continue;
          if (b == asked.block && row == asked.row) continue;
          if (best_.size() == kNeighbours) {
            std::ranges::pop_heap(best_, kBetter);
            best_.pop_back();
          }
          best_.push_back({score, {b, row}});
          std::ranges::push_heap(best_, kBetter);
        }
      }
    }
  }

  float needed_reach(RowPlace asked, float factor, float norm, std::uint32_t group, float score) {
    const auto centroid = grouping_.centroid(group);
    const RowBlock& block = blocks_[asked.block];
    const std::int8_t* codes = block.codes + asked.row * block.stride;
    double dot = 0;
    double square = 0;
    for (std::size_t i = 0; i < centroid.size(); ++i) {
      dot += static_cast<double>(factor) * codes[i] * centroid[i];
      square += static_cast<double>(centroid[i]) * centroid[i];
    }
    const double count = grouping_.rows[group];
    if (groups_[position(asked)] == group && count > 1) {
      // The centroid without the asked row: c' = (n c - q) / (n - 1).
      const double length = static_cast<double>(norm) * norm;
      square = (count * count * square - 2 * count * dot + length) / ((count - 1) * (count - 1));
      dot = (count * dot - length) / (count - 1);
    }
    const Promise promise = promise_of(metric_, static_cast<float>(dot), norm,
                                       static_cast<float>(square), grouping_.radii[group]);
    if (promise.base >= score) return 0;
    if (promise.slope <= 0) return kMostReach;
    return std::min(kMostReach, (score - promise.base) / promise.slope);
  }

  std::span<const RowBlock> blocks_;
  const Metric metric_;
  const Grouping& grouping_;
  std::vector<std::uint32_t> starts_;  // of each block, counted in rows
  std::vector<std::uint32_t> groups_;  // of each row
  std::vector<Neighbour> best_;
  std::vector<float> needed_;
  simd::Int8Query codes_;
  std::int32_t dots_[kStep] = {};
};

// The rows of neighbouring clusters together.
struct District {
  std::vector<float> centroid;
  float radius = 0;
};

District district_of(const Grouping& grouping, std::uint32_t first, std::uint32_t last,
                     std::uint32_t dimension) {
  std::vector<double> sum(dimension);
  double rows = 0;
  double squares = 0;  // of the rows' lengths: |x - c|^2 + |c|^2 summed up by cluster
  for (std::uint32_t cluster = first; cluster < last; ++cluster) {
    const double count = grouping.rows[cluster];
    const auto centroid = grouping.centroid(cluster);
    double square = static_cast<double>(grouping.radii[cluster]) * grouping.radii[cluster];
    for (std::size_t i = 0; i < centroid.size(); ++i) {
      sum[i] += count * centroid[i];
      square += static_cast<double>(centroid[i]) * centroid[i];
    }
    squares += count * square;
    rows += count;
  }
  District district;
  double length = 0;
  for (const double value : sum) {
    const double mean = value / rows;
    length += mean * mean;
    district.centroid.push_back(static_cast<float>(mean));
  }
  district.radius = static_cast<float>(std::sqrt(std::max(0.0, squares / rows - length)));
  return district;
}

template <typename T>
void put_column(std::vector<std::byte>& part, std::uint64_t offset, const std::vector<T>& column) {
  if (!column.empty()) {  // an empty one has no address
    std::memcpy(part.data() + offset, column.data(), column.size() * sizeof(T));
  }
}

// Lays columns out one behind another, each on 64 bytes.
class Columns {
 public:
  std::uint64_t add(std::uint64_t bytes) {
    const std::uint64_t start = at_;
    at_ = align64(at_ + bytes);
    return start;
  }
  CentroidLayout centroids(std::uint64_t count, std::uint32_t dimension) {
    CentroidLayout layout{};
    layout.codes = add(count * code_stride(dimension));
    layout.sums = add(count * 4);
    layout.scales = add(count * 4);
    layout.squares = add(count * 4);
    layout.radii = add(count * 4);
    return layout;
  }
  [[nodiscard]] std::uint64_t bytes() const { return at_; }

 private:
  std::uint64_t at_ = 0;
};

// Quantises centroids into a route's part.
void put_centroids(std::vector<std::byte>& part, const CentroidLayout& layout,
                   std::span<const float> values, const std::vector<float>& radii,
                   std::uint32_t dimension) {
  const std::size_t stride = code_stride(dimension);
  std::vector<std::int32_t> sums;
  std::vector<float> scales;
  std::vector<float> squares;
  for (std::size_t i = 0; i < radii.size(); ++i) {
    auto* codes = reinterpret_cast<std::int8_t*>(part.data() + layout.codes + i * stride);
    const simd::Quantized code =
        simd::quantize_int8(values.data() + i * dimension, dimension, codes);
    sums.push_back(code.sum);
    scales.push_back(code.scale);
    squares.push_back(code.scale * code.scale * static_cast<float>(code.sum_of_squares));
  }
  put_column(part, layout.sums, sums);
  put_column(part, layout.scales, scales);
  put_column(part, layout.squares, squares);
  put_column(part, layout.radii, radii);
}

}  // namespace

CentroidView CentroidLayout::view(const std::byte* base, std::uint32_t count) const noexcept {
  CentroidView view;
  view.count = count;
  view.codes = reinterpret_cast<const std::int8_t*>(base + codes);
  view.sums = reinterpret_cast<const std::int32_t*>(base + sums);
  view.scales = reinterpret_cast<const float*>(base + scales);
  view.squares = reinterpret_cast<const float*>(base + squares);
  view.radii = reinterpret_cast<const float*>(base + radii);
  return view;
}

RouteLayout RouteLayout::of(std::uint32_t clusters, std::uint32_t districts,
                            std::uint32_t dimension) noexcept {
  Columns columns;
  RouteLayout layout{};
  layout.starts = columns.add((std::uint64_t{clusters} + 1) * 4);
  layout.district_starts = columns.add((std::uint64_t{districts} + 1) * 4);
  layout.clusters = columns.centroids(clusters, dimension);
  layout.districts = columns.centroids(districts, dimension);
  layout.bytes = columns.bytes();
  return layout;
}

Route make_route(std::span<const RowBlock> blocks, Metric metric) {
  Route route;
  route.grouping = group_rows(blocks, metric);
  route.reach = Reach(blocks, metric, route.grouping).measure();
  return route;
}

Status write_route(storage::SegmentWriter& writer, const Route& route, std::uint32_t dimension) {
  const Grouping& grouping = route.grouping;
  const auto clusters = static_cast<std::uint32_t>(grouping.groups());
  const auto districts = static_cast<std::uint32_t>(grouping.districts.size());
  const RouteLayout layout = RouteLayout::of(clusters, districts, dimension);
  std::vector<std::byte> part(layout.bytes);
  std::vector<std::uint32_t> starts{0};
  for (const std::uint32_t rows : grouping.rows) starts.push_back(starts.back() + rows);
  put_column(part, layout.starts, starts);
  put_centroids(part, layout.clusters, grouping.centroids, grouping.radii, dimension);
  std::vector<std::uint32_t> district_starts = grouping.districts;
  district_starts.push_back(clusters);
  put_column(part, layout.district_starts, district_starts);
  std::vector<float> middles;
  std::vector<float> radii;
  for (std::uint32_t i = 0; i < districts; ++i) {
    const District district =
        district_of(grouping, district_starts[i], district_starts[i + 1], dimension);
    middles.insert(middles.end(), district.centroid.begin(), district.centroid.end());
    radii.push_back(district.radius);
  }
  put_centroids(part, layout.districts, middles, radii, dimension);
  return writer.append(part);
}

void Promises::rate(const CentroidView& centroids, std::uint32_t first, float reach,
                    std::span<float> promises) const {
  const std::size_t stride = code_stride(static_cast<std::uint32_t>(codes_.length));
  const float scale = metric_ == Metric::cosine ? scale_ / norm_ : scale_;
  const float norm = metric_ == Metric::cosine ? 1.0F : norm_;
  const auto end = first + static_cast<std::uint32_t>(promises.size());
  std::int32_t dots[kStep];
  for (std::uint32_t at = first; at < end; at += kStep) {
    const std::uint32_t count = std::min(kStep, end - at);
    simd::kernels().dot_i8_rows(codes_, {centroids.codes + at * stride, stride, count},
                                centroids.sums + at, dots);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t c = at + i;
      const float dot = scale * centroids.scales[c] * static_cast<float>(dots[i]);
      const Promise promise =
          promise_of(metric_, dot, norm, centroids.squares[c], centroids.radii[c]);
      promises[c - first] = promise.base + reach * promise.slope;
    }
  }
}

float reach_for(const RouteView& route, float recall) noexcept {
  const auto above = std::ranges::lower_bound(kRecallLevels, recall);
  const auto level = static_cast<std::size_t>(above - kRecallLevels.begin());
  if (level == 0) return route.reach[0];
  if (level == kRecallLevels.size()) return route.reach.back();
  const float share =
      (recall - kRecallLevels[level - 1]) / (kRecallLevels[level] - kRecallLevels[level - 1]);
  return route.reach[level - 1] + share * (route.reach[level] - route.reach[level - 1]);
}

}  // namespace aeon::engine
