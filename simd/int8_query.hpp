// A query of INT8 codes, prepared once and compared with many rows.
//
// Instruction sets want the same codes in different dress: VNNI multiplies unsigned by signed bytes
// and takes the codes plus 128, AVX2 takes magnitudes and gives the query's sign to the row, NEON
// takes the codes as they are. All three live here, zero-padded to whole vectors, inside the
// object, so no kernel allocates and only rows need care at their ends. Nothing points outside: the
// object may be copied, and a caller keeps one per thread (12 KiB) and assigns it anew for each
// query.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aeon::simd {

inline constexpr std::size_t kMaxLength = 4096;

struct Int8Query {
  // Takes a copy of `length` codes (1..kMaxLength), each in [-127, 127]. Linear in length.
  void assign(const std::int8_t* source, std::size_t source_length) noexcept;

  alignas(64) std::int8_t codes[kMaxLength];
  alignas(64) std::uint8_t biased[kMaxLength];      // code + 128; padding is 0
  alignas(64) std::uint8_t magnitudes[kMaxLength];  // |code|
  std::size_t length = 0;
  std::int32_t sum = 0;
  std::int32_t sum_of_squares = 0;
  // Bit g says that the products of codes [64 g, 64 g + 32) and [64 g + 32, 64 g + 64) with any row
  // may be added in 16 bits, pair by pair of neighbours, without overflow.
  std::uint64_t narrow_groups = 0;
};

}  // namespace aeon::simd
