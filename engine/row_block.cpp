#include "engine/row_block.hpp"

#include <cmath>
#include <cstring>

#include "simd/kernels.hpp"
#include "simd/quantize.hpp"
#include "storage/codec.hpp"
#include "storage/segment.hpp"

namespace aeon::engine {

namespace {

// Summed in double and in order, so that the result does not depend on the instruction set.
float length_of(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return static_cast<float>(std::sqrt(sum));
}

// Rounds up past what the float conversion may have lost: an error bound must not be too small.
float error_of(std::span<const float> values, const QuantisedRow& row) {
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double off = values[i] - static_cast<double>(row.scale) * row.codes[i];
    sum += off * off;
  }
  return static_cast<float>(std::sqrt(sum) * (1 + 1e-6));
}

// The power of two that brings the largest magnitude into [0.5, 1), so that float16 neither
// overflows nor falls among its denormals. Scaling by it loses nothing.
std::int16_t exponent_of(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
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
  const simd::Int8Quantization codes =
      simd::quantize_int8(kept.data(), kept.size(), row.codes.data());
  row.scale = codes.scale;
  row.sum = codes.sum;
  if (precision == Precision::int8) {
    for (std::size_t i = 0; i < kept.size(); ++i) {
      kept[i] = row.scale * static_cast<float>(row.codes[i]);
    }
  }
  row.norm = length_of(kept);
  row.error = error_of(kept, row);
}

const std::byte* precise_rows(const RowBlock& block, std::uint32_t first,
                              std::uint32_t count) noexcept {
  const std::size_t bytes = precise_bytes(block.precision, block.dimension);
  if (bytes == 0) return nullptr;
  if (block.precise != nullptr) return block.precise + first * bytes;
  return block.cold_segment->checked(block.cold_offset + first * bytes, count * bytes);
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
