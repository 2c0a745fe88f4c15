// Rows of one space and one tenant in columns: the shape that search scans, whether the columns lie
// in a RAM tail or in a settled cluster.
//
// A row is the INT8 image of a vector (codes and one scale) with what search needs beside it:
//   norm    length of the stored vector
//   error   length of (stored vector - scale * codes): how far an INT8 score can be off
// and, where the space keeps one, the precise row in a column of its own. What every visit to a row
// needs stands in a head right before its codes, so that a visit is one run of cache lines; what
// only filters and rescoring need stands in columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/model.hpp"

namespace aeon::storage {
class Segment;
}

namespace aeon::engine {

// Persisted in `partition_rows` sections, and the same in RAM: a packed row is a head and then the
// codes, zero-padded to code_stride().
struct RowHead {
  float scale = 0;
  float norm = 0;
  float error = 0;
  std::int32_t sum = 0;    // of the codes
  std::uint64_t id = 0;    // the memory that the row belongs to
  std::uint64_t born = 0;  // commit that wrote the row
};
static_assert(sizeof(RowHead) == 32 && std::is_trivially_copyable_v<RowHead>);

// Values of one kind at equal distances in memory.
template <typename T>
class Column {
 public:
  Column() = default;
  explicit Column(const T* values) noexcept
      : first_(reinterpret_cast<const std::byte*>(values)), stride_(sizeof(T)) {}
  Column(const std::byte* first, std::size_t stride) noexcept : first_(first), stride_(stride) {}
  [[nodiscard]] T operator[](std::size_t row) const noexcept {
    T value;
    std::memcpy(&value, first_ + row * stride_, sizeof value);
    return value;
  }
  [[nodiscard]] Column from(std::size_t row) const noexcept {
    return {first_ + row * stride_, stride_};
  }

 private:
  const std::byte* first_ = nullptr;
  std::size_t stride_ = 0;
};

struct RowBlock {
  std::uint32_t count = 0;
  std::uint32_t dimension = 0;
  Precision precision = Precision::int8;
  std::size_t stride = 0;  // bytes from one row's codes to the next
  const std::int8_t* codes = nullptr;
  Column<std::int32_t> sums;
  Column<float> scales;
  Column<float> norms;
  Column<float> errors;
  Column<std::uint64_t> ids;
  Column<std::uint64_t> born;
  const std::int16_t* exponents = nullptr;  // of float16 rows: value = half * 2^exponent
  const std::int64_t* times = nullptr;      // event time
  const std::uint32_t* nodes = nullptr;
  const std::uint32_t* sessions = nullptr;
  const std::uint32_t* kinds = nullptr;
  const std::byte* precise = nullptr;  // count rows of precise_bytes(), in RAM; null when settled
  const storage::Segment* cold_segment = nullptr;  // where settled precise rows lie
  std::uint64_t cold_offset = 0;

  // The rows [first, first + rows).
  [[nodiscard]] RowBlock part(std::uint32_t first, std::uint32_t rows) const noexcept;
  // Takes codes and the columns of heads from packed rows.
  void set_packed(const std::byte* rows) noexcept;
};

[[nodiscard]] constexpr std::size_t code_stride(std::uint32_t dimension) noexcept {
  return (dimension + 15U) / 16U * 16U;
}
[[nodiscard]] constexpr std::size_t packed_stride(std::uint32_t dimension) noexcept {
  return sizeof(RowHead) + code_stride(dimension);
}
[[nodiscard]] inline RowHead head_of(const std::byte* packed) noexcept {
  RowHead head;
  std::memcpy(&head, packed, sizeof head);
  return head;
}
[[nodiscard]] inline const std::int8_t* codes_of(const std::byte* packed) noexcept {
  return reinterpret_cast<const std::int8_t*>(packed + sizeof(RowHead));
}
[[nodiscard]] constexpr std::size_t precise_bytes(Precision precision,
                                                  std::uint32_t dimension) noexcept {
  switch (precision) {
    case Precision::int8: return 0;
    case Precision::float16: return std::size_t{2} * dimension;
    case Precision::float32: return std::size_t{4} * dimension;
  }
  return 0;
}

// Vectors are refused outside these magnitudes (largest component), so that no score overflows.
inline constexpr float kSmallestMagnitude = 1e-15F;
inline constexpr float kLargestMagnitude = 1e15F;

// One row as a commit record carries it. The views point into the record, or into QuantisedRow.
struct RowData {
  float scale = 0;
  float norm = 0;
  float error = 0;
  std::int16_t exponent = 0;
  std::int32_t sum = 0;
  std::string_view codes;    // `dimension` bytes
  std::string_view precise;  // precise_bytes()
};

struct QuantisedRow {
  float scale = 0;
  float norm = 0;
  float error = 0;
  std::int16_t exponent = 0;
  std::int32_t sum = 0;
  std::vector<std::int8_t> codes;
  std::vector<std::byte> precise;
  [[nodiscard]] RowData data() const noexcept;
};

// Quantises one finite vector within the stated magnitudes (or all zero). The codes are those of
// the values that the precise row keeps, so that exporting and importing gives the same row.
void quantise_row(std::span<const float> values, Precision precision, QuantisedRow& row);

// The precise rows [first, first + count), checked; null when the space keeps none or their page is
// damaged.
[[nodiscard]] const std::byte* precise_rows(const RowBlock& block, std::uint32_t first,
                                            std::uint32_t count) noexcept;

// Asks for the memory of a precise row.
void prefetch_precise(const RowBlock& block, std::uint32_t row) noexcept;

// The values that row `index` keeps: the precise ones, else scale * code. False when damaged.
[[nodiscard]] bool stored_values(const RowBlock& block, std::uint32_t index,
                                 std::span<float> values);

}  // namespace aeon::engine
