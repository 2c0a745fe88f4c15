// How far the INT8 distance of a row (distance.hpp) is off from its true one.
//
// Let u and v be query and row, both scaled to length 1, and u + a, v + b their images, which have
// length 1 too (quantise_row chooses the scale so). Then
//   |(u + a) - (v + b)|^2 = |u - v|^2 + 2 (u - v).(a - b) + |a - b|^2
// The roundings a and b point anywhere, so in n dimensions (u - v).(a - b) is about
// |u - v| |a - b| / sqrt(n), seldom more than a few times that, and |a - b|^2 differs little from
// row to row. So near rows are told apart better than far ones, down to distances about as large as
// |a - b|^2; below that INT8 tells nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/model.hpp"
#include "engine/row_block.hpp"

namespace aeon::engine {

class Blur {
 public:
  // `norm` and `error` are the query's; `largest_norm` is that of Distance.
  Blur(Metric metric, std::uint32_t dimension, float norm, float error, float largest_norm) noexcept
      : metric_(metric),
        norm_(norm),
        largest_(largest_norm),
        off_(norm > 0 ? error * error / (norm * norm) : 0),
        deviations_(kDeviations / std::sqrt(static_cast<float>(dimension))) {}

  // The true distance of such a row lies, but for a few rows in a thousand, so near to `distance`.
  [[nodiscard]] float of(float distance, float row_norm, float row_error) const noexcept {
    if (!(row_norm > 0) || !(norm_ > 0)) return 0;
    const float off = off_ + row_error * row_error / (row_norm * row_norm);
    switch (metric_) {
      case Metric::cosine: return of_square(2 * distance, off) / 2;
      case Metric::dot: {
        const float cosine = std::clamp((1 - distance) * largest_ / row_norm, -1.0F, 1.0F);
        return row_norm / largest_ * of_square(2 - 2 * cosine, off) / 2;
      }
      case Metric::l2: {
        const float product = norm_ * row_norm;
        const float longer = norm_ - row_norm;
        return product * of_square((distance - longer * longer) / product, off);
      }
    }
    return 0;
  }
  // The same for a row that nothing is known of: as if it were one like the query.
  [[nodiscard]] float of(float distance) const noexcept {
    const float row_norm = metric_ == Metric::dot ? largest_ : norm_;
    return of(distance, row_norm, std::sqrt(off_) * row_norm);
  }

  // Whether the k-th nearest row lies so near that INT8 can't tell who is nearer. Not where nobody
  // can, as among copies.
  [[nodiscard]] bool hides(float distance) const noexcept {
    if (metric_ == Metric::dot) return false;
    const float unit = metric_ == Metric::l2 ? norm_ * norm_ : 1;
    return distance > kSame * unit && of(distance) > distance / 2;
  }

 private:
  static constexpr float kSame = 1e-6F;
  static constexpr float kDeviations = 2.5F;
  static constexpr float kUnevenness = 0.5F;  // of |a - b|^2 among rows, as a share of it

  [[nodiscard]] float of_square(float square, float off) const noexcept {
    return 2 * deviations_ * std::sqrt(std::max(0.0F, square) * off) + kUnevenness * off;
  }

  const Metric metric_;
  const float norm_;
  const float largest_;
  const float off_;         // |a|^2
  const float deviations_;  // kDeviations / sqrt(n)
};

}  // namespace aeon::engine
