#include "api/cli/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace aeon::cli {

Histogram::Histogram() : counts_(std::make_unique<std::array<std::uint64_t, kBuckets>>()) {}

// A number below 256 is its own bucket. A larger one is shifted right until 128..255 is left, its
// leading bits; each shift has 128 buckets of its own.
std::size_t Histogram::bucket_of(std::uint64_t value) noexcept {
  const auto width = static_cast<unsigned>(std::bit_width(value));
  const unsigned shift = width > kStepBits + 1 ? width - kStepBits - 1 : 0;
  return (std::size_t{shift} << kStepBits) + static_cast<std::size_t>(value >> shift);
}

std::uint64_t Histogram::end_of(std::size_t bucket) noexcept {
  constexpr std::size_t kSteps = std::size_t{1} << kStepBits;
  if (bucket < 2 * kSteps) return bucket;
  const std::size_t shift = bucket / kSteps - 1;
  const std::uint64_t leading = bucket - (shift << kStepBits);
  return (leading << shift) + ((std::uint64_t{1} << shift) - 1);
}

void Histogram::add(std::uint64_t value, std::uint64_t times) noexcept {
  if (times == 0) return;
  (*counts_)[bucket_of(value)] += times;
  count_ += times;
  max_ = std::max(max_, value);
}

void Histogram::add(const Histogram& other) noexcept {
  for (std::size_t i = 0; i < kBuckets; ++i) (*counts_)[i] += (*other.counts_)[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

std::uint64_t Histogram::quantile(double q) const noexcept {
  if (count_ == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
  const std::uint64_t wanted = std::clamp<std::uint64_t>(rank, 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += (*counts_)[i];
    if (seen >= wanted) return std::min(end_of(i), max_);
  }
  return max_;
}

std::uint64_t Histogram::above(std::uint64_t value) const noexcept {
  std::uint64_t count = 0;
  for (std::size_t i = bucket_of(value) + 1; i < kBuckets; ++i) count += (*counts_)[i];
  return count;
}

}  // namespace aeon::cli
