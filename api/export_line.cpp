#include "api/export_line.hpp"

#include <fmt/format.h>

#include "api/json_line.hpp"
#include "api/time_text.hpp"

namespace aeon::api {
namespace {

Result<SpaceSpec> read_space(const JsonMember& member) {
  AEON_ASSIGN(const JsonObject object, object_of(member));
  SpaceSpec space;
  for (const JsonMember& part : object.members()) {
    if (part.name == "dimension") {
      AEON_ASSIGN(const std::uint64_t dimension, unsigned_of(part));
      if (dimension > kMaxDimension) return wrong_type(part, "at most 4096");
      space.dimension = static_cast<std::uint32_t>(dimension);
      continue;
    }
    AEON_ASSIGN(std::string text, string_of(part));
    if (part.name == "name") {
      space.name = std::move(text);
    } else if (part.name == "metric") {
      AEON_ASSIGN(space.metric, parse_metric(text));
    } else if (part.name == "precision") {
      AEON_ASSIGN(space.precision, parse_precision(text));
    } else if (part.name == "model") {
      space.model = std::move(text);
    } else {
      return fail(Errc::invalid_json, fmt::format("a space has no field \"{}\"", part.name));
    }
  }
  return space;
}

Result<ExportLine> read_header(const JsonObject& object) {
  AEON_ASSIGN(const std::uint64_t version, unsigned_of(*object.find("aeon_export")));
  if (version != kExportVersion) {
    return fail(Errc::newer_format,
                fmt::format("the export is of version {}, this Aeon reads version {}; import it "
                            "with a newer Aeon",
                            version, kExportVersion));
  }
  ExportHeader header;
  if (const JsonMember* commit = object.find("commit")) {
    AEON_ASSIGN(header.commit, unsigned_of(*commit));
  }
  if (const JsonMember* spaces = object.find("spaces")) {
    AEON_ASSIGN(const std::vector<JsonMember> elements, array_of(*spaces));
    for (const JsonMember& element : elements) {
      AEON_ASSIGN(SpaceSpec space, read_space(element));
      header.spaces.push_back(std::move(space));
    }
  }
  return header;
}

Result<ExportLine> read_edge(const JsonMember& member) {
  AEON_ASSIGN(const JsonObject object, object_of(member));
  Edge edge;
  for (const JsonMember& part : object.members()) {
    if (part.name == "from") {
      AEON_ASSIGN(edge.from, unsigned_of(part));
    } else if (part.name == "to") {
      AEON_ASSIGN(edge.to, unsigned_of(part));
    } else if (part.name == "type") {
      AEON_ASSIGN(edge.type, string_of(part));
    } else if (part.name == "weight") {
      AEON_ASSIGN(edge.weight, float_of(part));
    } else if (part.name == "valid_from") {
      AEON_ASSIGN(edge.valid_from, time_of(part));
    } else if (part.name == "valid_to") {
      AEON_ASSIGN(edge.valid_to, time_of(part));
    } else {
      return fail(Errc::invalid_json, fmt::format("an edge has no field \"{}\"", part.name));
    }
  }
  if (edge.from == 0 || edge.to == 0 || edge.type.empty()) {
    return wrong_type(member, "an object of \"from\", \"to\" and \"type\"");
  }
  return edge;
}

}  // namespace

std::string_view metric_name(Metric metric) noexcept {
  switch (metric) {
    case Metric::cosine: return "cosine";
    case Metric::dot: return "dot";
    case Metric::l2: return "l2";
  }
  return "unknown";
}

std::string_view precision_name(Precision precision) noexcept {
  switch (precision) {
    case Precision::int8: return "int8";
    case Precision::float16: return "float16";
    case Precision::float32: return "float32";
  }
  return "unknown";
}

Result<Metric> parse_metric(std::string_view name) {
  for (const Metric metric : {Metric::cosine, Metric::dot, Metric::l2}) {
    if (metric_name(metric) == name) return metric;
  }
  return fail(Errc::invalid_argument,
              fmt::format("\"{}\" is no metric; take cosine, dot or l2", name));
}

Result<Precision> parse_precision(std::string_view name) {
  for (const Precision precision : {Precision::int8, Precision::float16, Precision::float32}) {
    if (precision_name(precision) == name) return precision;
  }
  return fail(Errc::invalid_argument,
              fmt::format("\"{}\" is no precision; take int8, float16 or float32", name));
}

std::string space_json(const SpaceSpec& space) {
  JsonLine line;
  line.add("name", space.name)
      .add("dimension", space.dimension)
      .add("metric", metric_name(space.metric))
      .add("precision", precision_name(space.precision))
      .add("model", space.model);
  return std::move(line).finish();
}

std::string header_line(const ExportHeader& header) {
  std::vector<std::string> spaces;
  for (const SpaceSpec& space : header.spaces) spaces.push_back(space_json(space));
  JsonLine line;
  line.add("aeon_export", kExportVersion).add("commit", header.commit);
  line.add_raw("spaces", json_array(spaces));
  return std::move(line).finish();
}

std::string tenant_line(std::string_view tenant) {
  JsonLine name;
  name.add("name", tenant);
  JsonLine line;
  line.add_raw("create_tenant", std::move(name).finish());
  return std::move(line).finish();
}

std::string edge_line(const Edge& edge) {
  JsonLine parts;
  parts.add("from", edge.from).add("to", edge.to).add("type", edge.type);
  parts.add("weight", edge.weight);
  if (edge.valid_from != kBeginningOfTime) parts.add("valid_from", time_text(edge.valid_from));
  if (edge.valid_to != kEndOfTime) parts.add("valid_to", time_text(edge.valid_to));
  JsonLine line;
  line.add_raw("edge", std::move(parts).finish());
  return std::move(line).finish();
}

Result<ExportLine> parse_export_line(std::string_view text) {
  AEON_ASSIGN(const JsonObject object, JsonObject::parse(text));
  if (object.find("aeon_export") != nullptr) return read_header(object);
  if (object.members().size() == 1) {
    const JsonMember& only = object.members().front();
    if (only.name == "edge") return read_edge(only);
    if (only.name == "create_tenant") {
      AEON_ASSIGN(const JsonObject tenant, object_of(only));
      const JsonMember* name = tenant.find("name");
      if (name == nullptr) return wrong_type(only, "an object of \"name\"");
      AEON_ASSIGN(std::string value, string_of(*name));
      return CreateTenant{std::move(value)};
    }
  }
  MemoryLine line;
  AEON_TRY(read_memory(object, line));
  return line;
}

}  // namespace aeon::api
