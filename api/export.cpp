#include "api/export.hpp"
#include "api/store_ahead.hpp"

#include <algorithm>
#include <tuple>
#include <variant>

#include <fmt/format.h>

namespace aeon::api {
namespace {

constexpr std::size_t kListed = 256;
constexpr std::size_t kMaxEdges = 1U << 20;
constexpr std::size_t kBatchOperations = 512;
constexpr std::size_t kBatchBytes = 2U << 20;  // of JSON; encoded it is smaller

// Calls `each` with every visible id in ascending order.
Status for_each_id(const Snapshot& snapshot, const std::function<Status(MemoryId)>& each) {
  std::vector<MemoryId> ids;
  MemoryId after = 0;
  while (true) {
    ids.clear();
    AEON_TRY(snapshot.list(after, kListed, ids));
    if (ids.empty()) return {};
    for (const MemoryId id : ids) AEON_TRY(each(id));
    after = ids.back();
  }
}

Status export_edges(const Snapshot& snapshot, MemoryId id, const LineSink& sink,
                    std::uint64_t& count) {
  std::vector<Edge> edges;
  AEON_TRY(snapshot.neighbours(id, Direction::out, "", kMaxEdges, edges));
  std::vector<Event> next;
  AEON_TRY(snapshot.follow(id, 1, next));
  if (!next.empty()) {
    const bool there = std::ranges::any_of(
        edges, [&](const Edge& edge) { return edge.type == "next" && edge.to == next.front().id; });
    if (!there) edges.push_back({.from = id, .to = next.front().id, .type = "next"});
  }
  std::ranges::sort(edges, {}, [](const Edge& edge) { return std::tie(edge.type, edge.to); });
  for (const Edge& edge : edges) {
    AEON_TRY(sink(edge_line(edge)));
    ++count;
  }
  return {};
}

}  // namespace

Result<ExportReport> export_palace(const Snapshot& snapshot, const LineSink& sink) {
  ExportReport report;
  AEON_ASSIGN(std::vector<SpaceSpec> spaces, snapshot.spaces());
  AEON_TRY(sink(header_line({snapshot.commit(), std::move(spaces)})));
  AEON_ASSIGN(const std::vector<std::string> tenants, snapshot.tenants());
  for (const std::string& tenant : tenants) {
    if (!tenant.empty()) AEON_TRY(sink(tenant_line(tenant)));
  }
  Memory memory;
  AEON_TRY(for_each_id(snapshot, [&](MemoryId id) -> Status {
    AEON_TRY(snapshot.get(id, memory, true));
    ++report.memories;
    return sink(memory_json(memory));
  }));
  AEON_TRY(for_each_id(
      snapshot, [&](MemoryId id) { return export_edges(snapshot, id, sink, report.edges); }));
  return report;
}

Result<Importer> Importer::start(Palace& palace) {
  AEON_ASSIGN(const Stats stats, palace.stats());
  Importer importer(palace);
  importer.report_.kept_ids = stats.versions == 0;
  return importer;
}

Status Importer::line(std::string_view text) {
  AEON_ASSIGN(ExportLine line, parse_export_line(text));
  if (!has_header_ && !std::holds_alternative<ExportHeader>(line)) {
    return fail(Errc::invalid_json,
                "the first line is no export header; store plain memories with `aeon put --jsonl`");
  }
  if (auto* memory = std::get_if<MemoryLine>(&line)) {
    AEON_TRY(take(std::move(*memory), text.size()));
  } else if (auto* edge = std::get_if<Edge>(&line)) {
    AEON_TRY(take(std::move(*edge), text.size()));
  } else if (auto* tenant = std::get_if<CreateTenant>(&line)) {
    AEON_TRY(take(std::move(*tenant)));
  } else {
    AEON_TRY(take(std::move(std::get<ExportHeader>(line))));
  }
  const bool full = batch_.operations().size() >= kBatchOperations || batch_bytes_ >= kBatchBytes;
  return full ? flush() : Status{};
}

Status Importer::take(ExportHeader&& header) {
  if (has_header_) return fail(Errc::invalid_json, "a second export header; import one at a time");
  has_header_ = true;
  AEON_ASSIGN(const std::vector<SpaceSpec> there, palace_->snapshot().spaces());
  for (SpaceSpec& space : header.spaces) {
    const auto same = std::ranges::find(there, space.name, &SpaceSpec::name);
    if (same == there.end()) {
      batch_.create_space(std::move(space));
    } else if (space_json(*same) != space_json(space)) {
      return fail(Errc::already_exists,
                  fmt::format("space \"{}\" is {} here and {} in the export; import into a new "
                              "palace",
                              space.name, space_json(*same), space_json(space)));
    }
  }
  return {};
}

Status Importer::take(CreateTenant&& tenant) {
  batch_.create_tenant(std::move(tenant.name));
  return {};
}

Status Importer::take(MemoryLine&& line, std::size_t bytes) {
  if (line.id == 0) return fail(Errc::invalid_json, "an exported memory must have its \"id\"");
  line.memory.embed = false;
  line.memory.keep_mentions = true;  // those of the export follow as edges
  line.memory.wanted_id = report_.kept_ids ? line.id : 0;
  AEON_TRY(store_ahead(*palace_, line.memory));
  batch_.remember(std::move(line.memory));
  batch_ids_.push_back(line.id);
  batch_bytes_ += bytes;
  return {};
}

Status Importer::take(Edge&& edge, std::size_t bytes) {
  if (!batch_ids_.empty()) AEON_TRY(flush());  // the ids of both ends must be known
  AEON_ASSIGN(const MemoryId from, here(edge.from));
  AEON_ASSIGN(const MemoryId to, here(edge.to));
  batch_.link({.from = MemoryRef::of(from),
               .to = MemoryRef::of(to),
               .type = std::move(edge.type),
               .weight = edge.weight,
               .valid_from = edge.valid_from,
               .valid_to = edge.valid_to});
  ++report_.edges;
  batch_bytes_ += bytes;
  return {};
}

Status Importer::flush() {
  if (batch_.empty()) return {};
  AEON_ASSIGN(const Ack ack, palace_->commit(std::move(batch_), Durability::sync));
  if (!report_.kept_ids) {
    for (std::size_t i = 0; i < batch_ids_.size(); ++i) map_[batch_ids_[i]] = ack.ids[i];
  }
  ++report_.commits;
  report_.memories += batch_ids_.size();
  batch_ = Batch();
  batch_ids_.clear();
  batch_bytes_ = 0;
  return {};
}

Result<ImportReport> Importer::finish() {
  if (!has_header_) {
    return fail(Errc::invalid_json, "the input holds no export; write one with `aeon export`");
  }
  AEON_TRY(flush());
  return report_;
}

Result<MemoryId> Importer::here(MemoryId exported) const {
  if (report_.kept_ids) return exported;
  const auto found = map_.find(exported);
  if (found == map_.end()) {
    return fail(Errc::unknown_id,
                fmt::format("the edge names memory {}, which no line before it holds", exported));
  }
  return found->second;
}

}  // namespace aeon::api
