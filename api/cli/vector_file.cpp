#include "api/cli/vector_file.hpp"

#include <array>
#include <bit>

#include <fmt/format.h>

#include "storage/os.hpp"

namespace aeon::cli {
namespace {

static_assert(std::endian::native == std::endian::little);

using Counts = std::array<std::int32_t, 2>;

std::unexpected<Error> refuse(const std::string& path, std::string_view why) {
  return fail(Errc::invalid_argument,
              fmt::format("{} {}; give a file of int32 rows, int32 width and rows x width values",
                          path, why));
}

Result<Counts> read_counts(const storage::File& file, const std::string& path) {
  Counts counts{};
  AEON_ASSIGN(const std::size_t got, file.read_at(std::as_writable_bytes(std::span(counts)), 0));
  if (got < sizeof counts) return refuse(path, "is too short for its two counts");
  if (counts[0] < 1 || counts[1] < 1) {
    return refuse(path, fmt::format("says it holds {} rows of {} values", counts[0], counts[1]));
  }
  return counts;
}

template <typename Value>
Result<Table<Value>> read_table(const std::string& path) {
  AEON_ASSIGN(const auto file, storage::real_os().open_file(path, storage::OpenMode::read));
  AEON_ASSIGN(const Counts counts, read_counts(*file, path));
  Table<Value> table{.path = path,
                     .rows = static_cast<std::uint32_t>(counts[0]),
                     .width = static_cast<std::uint32_t>(counts[1])};
  const std::uint64_t values = std::uint64_t{table.rows} * table.width;
  AEON_ASSIGN(const std::uint64_t bytes, file->size());
  if (bytes != sizeof counts + values * sizeof(Value)) {
    return refuse(path,
                  fmt::format("has {} bytes where {} rows of {} values take {}", bytes, table.rows,
                              table.width, sizeof counts + values * sizeof(Value)));
  }
  table.values.resize(values);
  const auto into = std::as_writable_bytes(std::span(table.values));
  AEON_ASSIGN(const std::size_t got, file->read_at(into, sizeof counts));
  if (got != into.size()) return refuse(path, "became shorter while it was read");
  return table;
}

}  // namespace

Result<VectorTable> read_vectors(const std::string& path) { return read_table<float>(path); }

Result<RowTable> read_row_numbers(const std::string& path) {
  return read_table<std::int32_t>(path);
}

}  // namespace aeon::cli
