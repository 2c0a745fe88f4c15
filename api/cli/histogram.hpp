// Counts of whole numbers (nanoseconds, mostly) in buckets whose width grows with the number: exact
// below 256, then within 1/128 of the true value, over all 64 bits, in fixed memory. Two histograms
// add up, so that each thread fills its own and nobody shares a counter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace aeon::cli {

class Histogram {
 public:
  Histogram();

  void add(std::uint64_t value, std::uint64_t times = 1) noexcept;
  void add(const Histogram& other) noexcept;

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  // The smallest number such that at least the share `q` of all counts is not above it, rounded up
  // to the end of its bucket, but never above max(). 0 when empty. q in [0, 1].
  [[nodiscard]] std::uint64_t quantile(double q) const noexcept;
  // How many counts lie above `value`, to the precision of its bucket.
  [[nodiscard]] std::uint64_t above(std::uint64_t value) const noexcept;

 private:
  static constexpr unsigned kStepBits = 7;  // 128 buckets for each doubling
  static constexpr std::size_t kBuckets = (64 - kStepBits + 1) << kStepBits;
  static std::size_t bucket_of(std::uint64_t value) noexcept;
  static std::uint64_t end_of(std::size_t bucket) noexcept;

  std::unique_ptr<std::array<std::uint64_t, kBuckets>> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace aeon::cli
