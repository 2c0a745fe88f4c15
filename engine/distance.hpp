// How far a row lies from a query by its INT8 image, for steering a search: 0 is nearest, and a
// ratio of two distances means something, which a score does not.
//   cosine  1 - cos
//   l2      the squared Euclidean distance
//   dot     1 - q.x / (|q| M), M no less than the length of any row: half the squared Euclidean
//           distance after every row was given one more component that brings it to length M, and
//           the query was scaled to it (Bachrach et al. 2014)
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/model.hpp"
#include "engine/row_block.hpp"

namespace aeon::engine {

class Distance {
 public:
  // `scale` and `norm` are the query's; `largest_norm` is M, used by dot alone.
  Distance(Metric metric, float scale, float norm, float largest_norm) noexcept
      : metric_(metric), longest_(norm * largest_norm) {
    switch (metric) {
      case Metric::cosine: factor_ = norm > 0 ? scale / norm : 0; break;
      case Metric::dot:
        factor_ = norm > 0 && largest_norm > 0 ? scale / (norm * largest_norm) : 0;
        break;
      case Metric::l2:
        factor_ = 2 * scale;
        square_ = norm * norm;
        break;
    }
  }
  // `dot` is that of the codes.
  [[nodiscard]] float operator()(float row_scale, float row_norm, std::int32_t dot) const noexcept {
    const float product = factor_ * row_scale * static_cast<float>(dot);
    switch (metric_) {
      case Metric::cosine: return std::max(0.0F, 1 - product / row_norm);
      case Metric::dot: return std::max(0.0F, 1 - product);
      case Metric::l2: return std::max(0.0F, square_ + row_norm * row_norm - product);
    }
    return 0;
  }

  // The distance that belongs to a score (search.hpp).
  [[nodiscard]] float of_score(float score) const noexcept {
    switch (metric_) {
      case Metric::cosine: return 1 - score;
      case Metric::dot: return longest_ > 0 ? 1 - score / longest_ : 1;
      case Metric::l2: return -score;
    }
    return 0;
  }

 private:
  const Metric metric_;
  const float longest_;
  float factor_ = 0;
  float square_ = 0;
};

// Between two rows, by the same measure; for dot, as vectors that one more component has brought to
// length `largest_norm`.
[[nodiscard]] inline float distance_between(Metric metric, const RowHead& a, const RowHead& b,
                                            std::int32_t dot, float largest_norm) noexcept {
  const float product = a.scale * b.scale * static_cast<float>(dot);
  if (metric == Metric::cosine) return std::max(0.0F, 1 - product / (a.norm * b.norm));
  const float plain = std::max(0.0F, a.norm * a.norm + b.norm * b.norm - 2 * product);
  if (metric == Metric::l2) return plain;
  const auto rest = [largest_norm](float norm) {
    return std::sqrt(std::max(0.0F, largest_norm * largest_norm - norm * norm));
  };
  const float off = rest(a.norm) - rest(b.norm);
  return plain + off * off;
}

// Between two rows taken at random, see spread.hpp.
[[nodiscard]] inline float spread_distance(Metric metric, const RowHead& a, const RowHead& b,
                                           std::int32_t dot) noexcept {
  return distance_between(metric == Metric::dot ? Metric::cosine : metric, a, b, dot, 0);
}

}  // namespace aeon::engine
