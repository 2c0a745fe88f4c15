// How far rows of a partition lie from each other, taken at random: against this a search judges
// whether what it found is near, or no nearer than chance would have it.
//
// In a cloud without structure the k nearest of n rows are the tail of one bell curve: about
// sqrt(2 ln(n / k)) deviations below the mean. There a walk has no gradient to follow, and stops
// where it happens to be. Rows that belong together lie far below that. In few dimensions the curve
// is no bell, and a walk needs no help.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/model.hpp"

namespace aeon::engine {

struct Spread {
  double mean = 0;       // of the distance of two rows (distance.hpp; dot as if all had one length)
  double deviation = 0;  // its standard deviation
  double weight = 0;     // pairs, or rows, that speak for it; 0: unknown

  // Of the rows of both; as rough as is enough.
  void add(const Spread& other) noexcept {
    const double sum = weight + other.weight;
    if (sum == 0) return;
    mean = (mean * weight + other.mean * other.weight) / sum;
    deviation = (deviation * weight + other.deviation * other.weight) / sum;
    weight = sum;
  }

  // Whether `distance` of the k-th nearest of `rows` is one that chance explains.
  [[nodiscard]] bool is_chance(double distance, double k, double rows,
                               Metric metric) const noexcept {
    if (weight == 0 || deviation <= 0 || rows <= k) return false;
    const double ratio = mean / deviation;
    const double dimensions = (metric == Metric::l2 ? 2 : 1) * ratio * ratio;
    if (dimensions < kFewDimensions) return false;
    return (mean - distance) / deviation < std::sqrt(2 * std::log(rows / k));
  }

  static constexpr double kFewDimensions = 24;
};

// Sums up distances as they come.
struct SpreadSums {
  double count = 0;
  double sum = 0;
  double squares = 0;

  void add(double distance) noexcept {
    count += 1;
    sum += distance;
    squares += distance * distance;
  }
  [[nodiscard]] Spread spread(double weight) const noexcept {
    if (count < 2) return {};
    const double mean = sum / count;
    return {mean, std::sqrt(std::max(0.0, squares / count - mean * mean)), weight};
  }
};

}  // namespace aeon::engine
