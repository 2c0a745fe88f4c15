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
        simd::kernels().dot_i8_rows(codes_,
                                    {block.codes + first * block.stride, block.stride, count},
                                    block.sums + first, dots_);
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

template <typename T>
void put_column(std::vector<std::byte>& part, std::uint64_t offset, const std::vector<T>& column) {
  std::memcpy(part.data() + offset, column.data(), column.size() * sizeof(T));
}

}  // namespace

CentroidLayout CentroidLayout::of(std::uint32_t clusters, std::uint32_t dimension) noexcept {
  CentroidLayout layout{};
  std::uint64_t at = 0;
  const auto column = [&](std::uint64_t item) {
    const std::uint64_t start = at;
    at = align64(at + item * clusters);
    return start;
  };
  layout.codes = column(code_stride(dimension));
  layout.sums = column(4);
  layout.scales = column(4);
  layout.squares = column(4);
  layout.radii = column(4);
  layout.bytes = at;
  return layout;
}

Route make_route(std::span<const RowBlock> blocks, Metric metric) {
  Route route;
  route.grouping = group_rows(blocks, metric);
  route.reach = Reach(blocks, metric, route.grouping).measure();
  return route;
}

Status write_centroids(storage::SegmentWriter& writer, const Route& route, RouteEntry& entry) {
  const Grouping& grouping = route.grouping;
  const auto clusters = static_cast<std::uint32_t>(grouping.groups());
  const CentroidLayout layout = CentroidLayout::of(clusters, entry.dimension);
  const std::size_t stride = code_stride(entry.dimension);
  std::vector<std::byte> part(layout.bytes);
  std::vector<std::int32_t> sums;
  std::vector<float> scales;
  std::vector<float> squares;
  for (std::uint32_t cluster = 0; cluster < clusters; ++cluster) {
    const auto centroid = grouping.centroid(cluster);
    auto* codes = reinterpret_cast<std::int8_t*>(part.data() + layout.codes + cluster * stride);
    const simd::Quantized code = simd::quantize_int8(centroid.data(), centroid.size(), codes);
    sums.push_back(code.sum);
    scales.push_back(code.scale);
    squares.push_back(code.scale * code.scale * static_cast<float>(code.sum_of_squares));
  }
  put_column(part, layout.sums, sums);
  put_column(part, layout.scales, scales);
  put_column(part, layout.squares, squares);
  put_column(part, layout.radii, grouping.radii);
  AEON_TRY(writer.align(64));
  entry.clusters = clusters;
  entry.centroids_offset = writer.section_offset();
  entry.centroids_bytes = part.size();
  entry.reach = route.reach;
  return writer.append(part);
}

Status write_places(storage::SegmentWriter& writer, const Route& route,
                    std::span<const RowBlock> blocks, RouteEntry& entry) {
  const Grouping& grouping = route.grouping;
  std::vector<RowCluster> places;
  places.reserve(grouping.order.size());
  std::size_t at = 0;
  for (std::uint32_t cluster = 0; cluster < grouping.groups(); ++cluster) {
    for (std::uint32_t i = 0; i < grouping.rows[cluster]; ++i) {
      const RowPlace place = grouping.order[at++];
      places.push_back({blocks[place.block].nodes[place.row], cluster});
    }
  }
  std::ranges::sort(places, {}, &RowCluster::node);
  entry.places_offset = writer.section_offset();
  entry.places = places.size();
  return writer.append(std::as_bytes(std::span(places)));
}

bool read_route(const storage::Segment& segment, const RouteEntry& entry,
                RouteView& view) noexcept {
  const storage::Section* section = segment.find(storage::SectionKind::cluster_centroids);
  if (section == nullptr || entry.dimension == 0 || entry.dimension > kMaxDimension) return false;
  const CentroidLayout layout = CentroidLayout::of(entry.clusters, entry.dimension);
  if (entry.centroids_bytes != layout.bytes || entry.centroids_offset % 64 != 0 ||
      entry.centroids_offset > section->bytes ||
      entry.centroids_bytes > section->bytes - entry.centroids_offset) {
    return false;
  }
  const std::byte* base = segment.checked(section->offset + entry.centroids_offset, layout.bytes);
  if (base == nullptr) return false;
  view.clusters = entry.clusters;
  view.dimension = entry.dimension;
  view.codes = reinterpret_cast<const std::int8_t*>(base + layout.codes);
  view.sums = reinterpret_cast<const std::int32_t*>(base + layout.sums);
  view.scales = reinterpret_cast<const float*>(base + layout.scales);
  view.squares = reinterpret_cast<const float*>(base + layout.squares);
  view.radii = reinterpret_cast<const float*>(base + layout.radii);
  return true;
}

std::uint32_t cluster_of(const storage::Segment& segment, const RouteEntry& entry,
                         std::uint32_t node, bool& damaged) noexcept {
  const storage::Section* section = segment.find(storage::SectionKind::cluster_places);
  if (section == nullptr || entry.places_offset > section->bytes ||
      entry.places > (section->bytes - entry.places_offset) / sizeof(RowCluster)) {
    damaged = true;
    return UINT32_MAX;
  }
  std::uint64_t low = 0;
  std::uint64_t high = entry.places;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    const std::byte* at = segment.checked(
        section->offset + entry.places_offset + middle * sizeof(RowCluster), sizeof(RowCluster));
    if (at == nullptr) {
      damaged = true;
      return UINT32_MAX;
    }
    const auto place = storage::load<RowCluster>(at);
    if (place.node == node) return place.cluster;
    if (place.node < node) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return UINT32_MAX;
}

void Promises::rate(const RouteView& route, float reach, std::vector<float>& promises) const {
  promises.resize(route.clusters);
  const std::size_t stride = code_stride(route.dimension);
  const float scale = metric_ == Metric::cosine ? scale_ / norm_ : scale_;
  const float norm = metric_ == Metric::cosine ? 1.0F : norm_;
  std::int32_t dots[kStep];
  for (std::uint32_t first = 0; first < route.clusters; first += kStep) {
    const std::uint32_t count = std::min(kStep, route.clusters - first);
    simd::kernels().dot_i8_rows(codes_, {route.codes + first * stride, stride, count},
                                route.sums + first, dots);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t c = first + i;
      const float dot = scale * route.scales[c] * static_cast<float>(dots[i]);
      const Promise promise = promise_of(metric_, dot, norm, route.squares[c], route.radii[c]);
      promises[c] = promise.base + reach * promise.slope;
    }
  }
}

float reach_for(const RouteEntry& entry, float recall) noexcept {
  const auto above = std::ranges::lower_bound(kRecallLevels, recall);
  const auto level = static_cast<std::size_t>(above - kRecallLevels.begin());
  if (level == 0) return entry.reach[0];
  if (level == kRecallLevels.size()) return entry.reach.back();
  const float share =
      (recall - kRecallLevels[level - 1]) / (kRecallLevels[level] - kRecallLevels[level - 1]);
  return entry.reach[level - 1] + share * (entry.reach[level] - entry.reach[level - 1]);
}

}  // namespace aeon::engine
