// Files of vectors and of row numbers, as benches of nearest neighbours exchange them:
//   .fbin: int32 n, int32 d, then n * d float32, row after row
//   .ibin: int32 n, int32 k, then n * k int32, row after row
// Little-endian.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "storage/result.hpp"

namespace aeon::cli {

template <typename Value>
struct Table {
  std::string path{};
  std::uint32_t rows = 0;   // at least 1
  std::uint32_t width = 0;  // at least 1
  std::vector<Value> values{};

  [[nodiscard]] std::span<const Value> row(std::size_t number) const noexcept {
    return std::span(values).subspan(number * width, width);
  }
};
using VectorTable = Table<float>;
using RowTable = Table<std::int32_t>;

// Reads a whole file into memory. Errors: not_found, no_permission, io_error; invalid_argument when
// its counts are below 1 or its length is not what they call for.
[[nodiscard]] Result<VectorTable> read_vectors(const std::string& path);
[[nodiscard]] Result<RowTable> read_row_numbers(const std::string& path);

}  // namespace aeon::cli
