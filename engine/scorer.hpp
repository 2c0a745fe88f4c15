// Scores rows against one query: INT8 bounds over many rows, then the stored precision for few.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/route.hpp"
#include "engine/row_block.hpp"
#include "simd/kernels.hpp"

namespace aeon::engine {

class Scorer {
 public:
  static constexpr std::uint32_t kStep = 256;  // rows scored at a time

  // The true score of `row` lies in [lower, upper].
  struct Bounds {
    std::uint32_t row = 0;
    float lower = 0;
    float upper = 0;
  };

  // `query` must be finite, of the space's dimension, and outlive the scans.
  void prepare(std::span<const float> query, Metric metric);

  // Scores rows [first, first + count), count <= kStep; returns how many have upper >= threshold.
  // They can be read with passed(0..n-1) until the next scan.
  [[nodiscard]] std::uint32_t scan(const RowBlock& block, std::uint32_t first, std::uint32_t count,
                                   float threshold);
  [[nodiscard]] const Bounds& passed(std::uint32_t index) const { return passed_[index]; }

  // What the INT8 product of codes says of a row: its true score is within `margin` of `score`.
  struct Margin {
    float score = 0;
    float margin = 0;
  };
  [[nodiscard]] Margin margin_of(const RowHead& row, std::int32_t dot) const noexcept;

  // What centroids promise, comparable with scores (route.hpp).
  [[nodiscard]] Promises promises() const { return {int8_, scale_, norm_, metric_}; }
  // The query's codes, their scale, the query's length, and how far the codes are off.
  [[nodiscard]] const simd::Int8Query& codes() const noexcept { return int8_; }
  [[nodiscard]] float scale() const noexcept { return scale_; }
  [[nodiscard]] float norm() const noexcept { return norm_; }
  [[nodiscard]] float error() const noexcept { return error_; }

  // The score by the stored values. False when they are damaged.
  [[nodiscard]] bool rescore(const RowBlock& block, std::uint32_t row, float& score);

 private:
  Metric metric_ = Metric::cosine;
  std::span<const float> query_;
  float norm_ = 0;   // |q|
  float scale_ = 0;  // of the query's codes
  float error_ = 0;  // |q - scale * codes|
  QuantisedRow row_;
  simd::Int8Query int8_;
  std::vector<float> values_;
  std::int32_t sums_[kStep] = {};
  std::int32_t dots_[kStep] = {};
  Bounds passed_[kStep] = {};
};

}  // namespace aeon::engine
