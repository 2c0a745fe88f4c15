// The kernels: plain numbers in, plain numbers out, one table of functions per instruction set.
//
// One source file holds one instruction set, compiled with its own flags, and fills one `Kernels`.
// kernels() picks a table at its first call, by what the processor and the operating system support
// (AVX-512 VNNI, then AVX2 with FMA and F16C, else scalar; NEON on AArch64). The environment
// variable AEON_SIMD=scalar|avx2|avx512vnni|neon forces one; a name that is unknown or can't run
// here is refused, the best is taken, and kernel_choice() says so.
//
// What all tables promise:
//   - Lengths are 1..kMaxLength. No function reads or writes a byte outside [p, p + length). Rows,
//     wherever they are passed as `Rows` or by address, need no alignment and no padding.
//   - INT8 codes lie in [-127, 127]; results on them are exact, and so are equal in every table.
//     (A code of -128, which no quantiser writes, gives an unspecified number, never a fault.)
//   - Float dot and l2sq differ from the exact value by rounding only: |result - exact| <=
//     (length + 2) * 2^-23 * S + length * 2^-149, S being the sum of the absolute values of the
//     exact terms, a b or (a - b)^2; cosine by (length + 4) * 2^-22. Within one table a row's
//     result has the same bits whether it is computed alone or anywhere among others.
//   - Conversions, quantisation, max_abs, all_finite and select give the same bits in every table.
//   - Thread-safe, lock-free, allocation-free, noexcept; out arrays must not overlap inputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "simd/int8_query.hpp"

namespace aeon::simd {

// `count` rows, the i-th starting at first + i * stride_bytes. Owns nothing.
struct Rows {
  const void* first;
  std::size_t stride_bytes;
  std::size_t count;
};

struct CodeSums {
  std::int32_t sum;
  std::int32_t sum_of_squares;
};

struct Kernels {
  const char* name;

  // INT8, one pair.
  std::int32_t (*dot_i8)(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept;
  std::int32_t (*l2sq_i8)(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept;
  CodeSums (*sums_i8)(const std::int8_t* codes, std::size_t n) noexcept;

  // INT8, one query and many rows of query.length codes; out[i] belongs to row i. `sums` holds each
  // row's sum of codes; it may be null, which costs VNNI one more multiplication for each 64 codes
  // and the others nothing. Long runs are prefetched. dot_i8_at takes rows by address (sums[i] is
  // row i's) and prefetches the rows ahead, for candidates scattered in memory.
  void (*dot_i8_rows)(const Int8Query& query, const Rows& rows, const std::int32_t* sums,
                      std::int32_t* out) noexcept;
  void (*dot_i8_at)(const Int8Query& query, const std::int8_t* const* rows,
                    const std::int32_t* sums, std::size_t count, std::int32_t* out) noexcept;
  void (*l2sq_i8_rows)(const Int8Query& query, const Rows& rows, std::int32_t* out) noexcept;

  // float32 with float32, and float32 with float16 held as bits. Cosine is the cosine similarity,
  // clamped to [-1, 1], 0 where either side has no length. Values so large that a sum of squares
  // overflows float32 give infinities or NaN, as the arithmetic does; ones so small (1e-19 and
  // less) that their squares underflow lose precision in l2sq and cosine, and may count as no
  // length.
  float (*dot_f32)(const float* a, const float* b, std::size_t n) noexcept;
  float (*l2sq_f32)(const float* a, const float* b, std::size_t n) noexcept;
  float (*cosine_f32)(const float* a, const float* b, std::size_t n) noexcept;
  float (*dot_f16)(const float* a, const std::uint16_t* b, std::size_t n) noexcept;
  float (*l2sq_f16)(const float* a, const std::uint16_t* b, std::size_t n) noexcept;
  float (*cosine_f16)(const float* a, const std::uint16_t* b, std::size_t n) noexcept;
  void (*dot_f32_rows)(const float* query, std::size_t n, const Rows& rows, float* out) noexcept;
  void (*l2sq_f32_rows)(const float* query, std::size_t n, const Rows& rows, float* out) noexcept;
  void (*cosine_f32_rows)(const float* query, std::size_t n, const Rows& rows, float* out) noexcept;
  void (*dot_f16_rows)(const float* query, std::size_t n, const Rows& rows, float* out) noexcept;
  void (*l2sq_f16_rows)(const float* query, std::size_t n, const Rows& rows, float* out) noexcept;
  void (*cosine_f16_rows)(const float* query, std::size_t n, const Rows& rows, float* out) noexcept;

  // float16 <-> float32, any n. Rounds to nearest even; beyond 65519.99.. becomes infinity;
  // denormals are kept; a NaN stays a NaN with its sign and upper payload, made quiet.
  void (*f32_to_f16)(const float* in, std::size_t n, std::uint16_t* out) noexcept;
  void (*f16_to_f32)(const std::uint16_t* in, std::size_t n, float* out) noexcept;

  // Any n, also 0. max_abs takes finite input; all_finite is false if any value is infinite or NaN.
  float (*max_abs_f32)(const float* x, std::size_t n) noexcept;
  bool (*all_finite_f32)(const float* x, std::size_t n) noexcept;
  // codes[i] = x[i] * inverse_scale rounded to nearest even; every product must lie within
  // [-127.5, 127.5). Call quantize_int8() of quantize.hpp, which chooses the scale.
  CodeSums (*quantize_f32)(const float* x, std::size_t n, float inverse_scale,
                           std::int8_t* codes) noexcept;

  // Writes the positions i of scores[i] > threshold, ascending, and returns how many. `out` has
  // room for n. NaN is above nothing. Meant for thresholds that few scores pass.
  std::size_t (*select_above_i32)(const std::int32_t* scores, std::size_t n, std::int32_t threshold,
                                  std::uint32_t* out) noexcept;
  std::size_t (*select_above_f32)(const float* scores, std::size_t n, float threshold,
                                  std::uint32_t* out) noexcept;
};

struct KernelChoice {
  std::string_view name;  // the table in use
  bool forced;            // AEON_SIMD named it
  std::string_view
      refused_name;  // what AEON_SIMD said if it was refused (at most 31 bytes), else ""
};

// The table in use; chosen at the first call, the same for the life of the process.
const Kernels& kernels() noexcept;
KernelChoice kernel_choice() noexcept;

// Every table that this processor can run, best first, scalar last.
std::span<const Kernels* const> available_kernels() noexcept;

// The rule behind kernels(): what a process with AEON_SIMD=`requested` uses (null or "" asks for
// nothing). refused_name refers to `requested`.
struct KernelResolution {
  const Kernels* table;
  KernelChoice choice;
};
KernelResolution resolve_kernels(const char* requested,
                                 std::span<const Kernels* const> available) noexcept;

}  // namespace aeon::simd
