// The lines of an export: a header, then tenants, then memories, then edges. docs/jsonl.md is the
// grammar. Memories are written as memory_json() writes them.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/json_memory.hpp"
#include "engine/model.hpp"

namespace aeon::api {

inline constexpr std::uint64_t kExportVersion = 1;

struct ExportHeader {
  CommitNumber commit = 0;  // the instant that was exported
  std::vector<SpaceSpec> spaces;
};

using ExportLine = std::variant<ExportHeader, CreateTenant, MemoryLine, Edge>;

[[nodiscard]] std::string header_line(const ExportHeader& header);
[[nodiscard]] std::string tenant_line(std::string_view tenant);
[[nodiscard]] std::string edge_line(const Edge& edge);
// {"name":..,"dimension":..,"metric":..,"precision":..,"model":..}
[[nodiscard]] std::string space_json(const SpaceSpec& space);

// Reads any of the four. Errors: those of parse_memory, newer_format (a later export version).
[[nodiscard]] Result<ExportLine> parse_export_line(std::string_view text);

[[nodiscard]] std::string_view metric_name(Metric metric) noexcept;
[[nodiscard]] std::string_view precision_name(Precision precision) noexcept;
// Errors: invalid_argument, listing the names there are.
[[nodiscard]] Result<Metric> parse_metric(std::string_view name);
[[nodiscard]] Result<Precision> parse_precision(std::string_view name);

}  // namespace aeon::api
