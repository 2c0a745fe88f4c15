#include "engine/scorer.hpp"

#include <cassert>
#include <cmath>

namespace aeon::engine {

namespace {
// Covers the rounding of the float arithmetic below and of the rescoring kernels, relative to the
// product of the lengths: a few ulps for each of the at most kMaxDimension terms, added pairwise.
constexpr float kRoundingShare = 1e-5F;
}  // namespace

void Scorer::prepare(std::span<const float> query, Metric metric) {
  metric_ = metric;
  query_ = query;
  quantise_row(query, Precision::float32, row_);
  norm_ = row_.norm;
  scale_ = row_.scale;
  error_ = row_.error;
  int8_.assign(row_.codes.data(), row_.codes.size());
  values_.resize(query.size());
}

// See search.hpp for the argument. |x'| <= |x| + |dx|.
Scorer::Margin Scorer::margin_of(const RowHead& row, std::int32_t dot) const noexcept {
  const float norm = row.norm;
  const float product = scale_ * row.scale * static_cast<float>(dot);
  const float off = norm_ * row.error + error_ * (norm + row.error);
  switch (metric_) {
    case Metric::dot: return {product, off + kRoundingShare * norm_ * norm};
    case Metric::cosine: {
      const float lengths = norm_ * norm;
      return {product / lengths, off / lengths + kRoundingShare};
    }
    case Metric::l2: {
      const float squares = norm_ * norm_ + norm * norm;
      return {2 * product - squares, 2 * off + 2 * kRoundingShare * squares};
    }
  }
  return {};
}

std::uint32_t Scorer::scan(const RowBlock& block, std::uint32_t first, std::uint32_t count,
                           float threshold) {
  assert(count <= kStep);
  const simd::Rows rows{block.codes + first * block.stride, block.stride, count};
  for (std::uint32_t i = 0; i < count; ++i) sums_[i] = block.sums[first + i];
  simd::kernels().dot_i8_rows(int8_, rows, sums_, dots_);
  std::uint32_t passed = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t row = first + i;
    const RowHead head{
        .scale = block.scales[row], .norm = block.norms[row], .error = block.errors[row]};
    const auto [score, margin] = margin_of(head, dots_[i]);
    passed_[passed] = {row, score - margin, score + margin};
    passed += score + margin >= threshold ? 1 : 0;
  }
  return passed;
}

bool Scorer::rescore(const RowBlock& block, std::uint32_t row, float& score) {
  const simd::Kernels& kernels = simd::kernels();
  const std::size_t n = query_.size();
  if (metric_ == Metric::l2) {
    if (!stored_values(block, row, values_)) return false;
    score = -kernels.l2sq_f32(query_.data(), values_.data(), n);
    return true;
  }
  float dot = 0;
  if (block.precision == Precision::float16) {
    const std::byte* precise = precise_rows(block, row, 1);
    if (precise == nullptr) return false;
    dot = kernels.dot_f16(query_.data(), reinterpret_cast<const std::uint16_t*>(precise), n);
    dot = std::ldexp(dot, block.exponents[row]);
  } else {
    if (!stored_values(block, row, values_)) return false;
    dot = kernels.dot_f32(query_.data(), values_.data(), n);
  }
  score = metric_ == Metric::dot ? dot : dot / (norm_ * block.norms[row]);
  return true;
}

}  // namespace aeon::engine
