#include "engine/row_block.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "simd/kernels.hpp"
#include "simd/quantize.hpp"
#include "storage/codec.hpp"
#include "storage/segment.hpp"

namespace aeon::engine {

namespace {

// The sum of term(i) for i < count, in double: eight chains that are added up in a fixed order. So
// it does not depend on the instruction set, and no addition waits for the one before it.
template <typename Term>
double sum_of(std::size_t count, const Term& term) {
  constexpr std::size_t kChains = 8;
  std::array<double, kChains> sums{};
  std::size_t i = 0;
  for (; i + kChains <= count; i += kChains) {
    for (std::size_t chain = 0; chain < kChains; ++chain) sums[chain] += term(i + chain);
  }
  for (std::size_t chain = 0; i < count; ++i, ++chain) sums[chain] += term(i);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

float length_of(std::span<const float> values) {
  const double sum = sum_of(values.size(), [values](std::size_t i) {
    return static_cast<double>(values[i]) * values[i];
  });
  return static_cast<float>(std::sqrt(sum));
}

// Rounds up past what the float conversion may have lost: an error bound must not be too small.
float error_of(std::span<const float> values, const QuantisedRow& row) {
  const double scale = row.scale;
  const double sum = sum_of(values.size(), [&, codes = row.codes.data()](std::size_t i) {
    const double off = values[i] - scale * codes[i];
    return off * off;
  });
  return static_cast<float>(std::sqrt(sum) * (1 + 1e-6));
}

// The power of two that brings the largest magnitude into [0.5, 1), so that float16 neither
// overflows nor falls among its denormals. Scaling by it loses nothing.
std::int16_t exponent_of(std::span<const float> values) {
  const float largest = simd::kernels().max_abs_f32(values.data(), values.size());
  int exponent = 0;
  if (largest > 0) std::frexp(largest, &exponent);
  return static_cast<std::int16_t>(exponent);
}

// What the precise row keeps of `values`, written to row.precise and to `kept`.
void keep_float16(std::span<const float> values, QuantisedRow& row, std::vector<float>& kept) {
  row.exponent = exponent_of(values);
  const float down = std::ldexp(1.0F, -row.exponent);
  kept.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) kept[i] = values[i] * down;
  row.precise.resize(values.size() * 2);
  auto* halves = reinterpret_cast<std::uint16_t*>(row.precise.data());
  simd::kernels().f32_to_f16(kept.data(), kept.size(), halves);
  simd::kernels().f16_to_f32(halves, kept.size(), kept.data());
  const float up = std::ldexp(1.0F, row.exponent);
  for (float& value : kept) value *= up;
}

}  // namespace

RowBlock RowBlock::part(std::uint32_t first, std::uint32_t rows) const noexcept {
  RowBlock part = *this;
  const std::size_t bytes = precise_bytes(precision, dimension);
  part.count = rows;
  part.codes += first * stride;
  part.sums = sums.from(first);
  part.scales = scales.from(first);
  part.norms = norms.from(first);
  part.errors = errors.from(first);
  part.ids = ids.from(first);
  part.born = born.from(first);
  part.exponents += first;
  part.times += first;
  part.nodes += first;
  part.sessions += first;
  part.kinds += first;
  if (precise != nullptr) part.precise += first * bytes;
  part.cold_offset += first * bytes;
  return part;
}

void RowBlock::set_packed(const std::byte* rows) noexcept {
  stride = packed_stride(dimension);
  codes = codes_of(rows);
  sums = {rows + offsetof(RowHead, sum), stride};
  scales = {rows + offsetof(RowHead, scale), stride};
  norms = {rows + offsetof(RowHead, norm), stride};
  errors = {rows + offsetof(RowHead, error), stride};
  ids = {rows + offsetof(RowHead, id), stride};
  born = {rows + offsetof(RowHead, born), stride};
}

RowData QuantisedRow::data() const noexcept {
  return {.scale = scale,
          .norm = norm,
          .error = error,
          .exponent = exponent,
          .sum = sum,
          .codes = storage::as_view(std::as_bytes(std::span(codes))),
          .precise = storage::as_view(precise)};
}

void quantise_row(std::span<const float> values, Precision precision, QuantisedRow& row) {
  thread_local std::vector<float> kept;
  row.exponent = 0;
  row.precise.clear();
  if (precision == Precision::float16) {
    keep_float16(values, row, kept);
  } else {
    kept.assign(values.begin(), values.end());
    if (precision == Precision::float32) {
      const auto bytes = std::as_bytes(values);
      row.precise.assign(bytes.begin(), bytes.end());
    }
  }
  row.codes.resize(values.size());
  const simd::Quantized codes = simd::quantize_int8(kept.data(), kept.size(), row.codes.data());
  row.scale = codes.scale;
  row.sum = codes.sum;
  if (precision == Precision::int8) {
    for (std::size_t i = 0; i < kept.size(); ++i) {
      kept[i] = row.scale * static_cast<float>(row.codes[i]);
    }
  }
  row.norm = length_of(kept);
  // The image gets the length of the row: distances between images are then off by what differs
  // between rows, and not by what they have in common. See blur.hpp.
  if (precision != Precision::int8 && codes.sum_of_squares > 0) {
    row.scale = row.norm / std::sqrt(static_cast<float>(codes.sum_of_squares));
  }
  row.error = error_of(kept, row);
}

const std::byte* precise_rows(const RowBlock& block, std::uint32_t first,
                              std::uint32_t count) noexcept {
  const std::size_t bytes = precise_bytes(block.precision, block.dimension);
  if (bytes == 0) return nullptr;
  if (block.precise != nullptr) return block.precise + first * bytes;
  return block.cold_segment->checked(block.cold_offset + first * bytes, count * bytes);
}

void prefetch_precise(const RowBlock& block, std::uint32_t row) noexcept {
  const std::size_t bytes = precise_bytes(block.precision, block.dimension);
  if (block.precise == nullptr) {
    if (bytes != 0) block.cold_segment->prefetch(block.cold_offset + row * bytes, bytes);
    return;
  }
  for (std::size_t at = 0; at < bytes; at += 64) {
    __builtin_prefetch(block.precise + row * bytes + at);
  }
}

bool stored_values(const RowBlock& block, std::uint32_t index, std::span<float> values) {
  if (block.precision == Precision::int8) {
    const std::int8_t* codes = block.codes + index * block.stride;
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = block.scales[index] * static_cast<float>(codes[i]);
    }
    return true;
  }
  const std::byte* precise = precise_rows(block, index, 1);
  if (precise == nullptr) return false;
  if (block.precision == Precision::float32) {
    std::memcpy(values.data(), precise, values.size_bytes());
    return true;
  }
  simd::kernels().f16_to_f32(reinterpret_cast<const std::uint16_t*>(precise), values.size(),
                             values.data());
  const float up = std::ldexp(1.0F, block.exponents[index]);
  for (float& value : values) value *= up;
  return true;
}

}  // namespace aeon::engine
