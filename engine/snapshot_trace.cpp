// The Trace through a snapshot: lines, times, neighbours.
#include <fmt/format.h>

#include "engine/no_memory.hpp"
#include "engine/palace.hpp"
#include "engine/store.hpp"
#include "graph/trace.hpp"

namespace aeon {

using engine::NameClass;
using engine::Reading;

namespace {

// Whether a memory is visible, for the graph's walks. Keeps one record for all calls.
class Visible {
 public:
  explicit Visible(const Reading& reading) : reading_(reading) {}
  Result<bool> operator()(MemoryId id) { return reading_.try_version(id, version_); }
  [[nodiscard]] const engine::VersionRecord& record() const { return version_.record; }

 private:
  const Reading& reading_;
  Reading::Version version_;
};

Status walk(const Reading& reading, MemoryId id, graph::Way way, std::size_t count,
            std::vector<Event>& events) {
  events.clear();
  Reading::Version version;
  AEON_TRY(reading.find_version(id, version));
  std::vector<std::uint64_t> ids;
  Visible visible(reading);
  AEON_TRY(graph::walk_line({reading.view.runs(), reading.commit}, id, way, count, visible, ids));
  for (const MemoryId found : ids) {
    AEON_TRY(reading.find_version(found, version));
    events.push_back({found, version.record.event_time});
  }
  return {};
}

}  // namespace

Status Snapshot::backtrack(MemoryId id, std::size_t count, std::vector<Event>& events) const try {
  return walk(reading(), id, graph::Way::in, count, events);
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Status Snapshot::follow(MemoryId id, std::size_t count, std::vector<Event>& events) const try {
  return walk(reading(), id, graph::Way::out, count, events);
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Status Snapshot::timeline(std::string_view tenant, std::string_view session, TimeNs since,
                          TimeNs until, std::size_t limit, std::vector<Event>& events) const try {
  const Reading reading = this->reading();
  events.clear();
  AEON_ASSIGN(const std::uint32_t tenant_number, reading.tenant_number(tenant));
  AEON_ASSIGN(const std::uint32_t session_number,
              reading.number_of(NameClass::session, tenant_number, session));
  if (session_number == 0) return {};
  Visible visible(reading);
  graph::TimelineCursor cursor({reading.view.runs(), commit_}, tenant_number, session_number, since,
                               until);
  for (; cursor.valid() && events.size() < limit; cursor.next()) {
    AEON_ASSIGN(const bool seen, visible(cursor.event().id));
    if (seen) events.push_back({cursor.event().id, cursor.event().time});
  }
  return cursor.status();
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Status Snapshot::neighbours(MemoryId id, Direction direction, std::string_view type,
                            std::size_t limit, std::vector<Edge>& edges) const try {
  const Reading reading = this->reading();
  edges.clear();
  Reading::Version version;
  AEON_TRY(reading.find_version(id, version));
  std::uint32_t type_number = 0;
  if (type == "next") {
    type_number = graph::kNextType;
  } else if (!type.empty()) {
    AEON_ASSIGN(type_number, reading.number_of(NameClass::edge_type, 0, type));
    if (type_number == 0) return {};
  }
  Visible visible(reading);
  const graph::Way way = direction == Direction::out ? graph::Way::out : graph::Way::in;
  graph::EdgeCursor cursor({reading.view.runs(), commit_}, id, way, type_number);
  for (; cursor.valid() && edges.size() < limit; cursor.next()) {
    AEON_ASSIGN(const bool seen, visible(cursor.other_end()));
    if (!seen) continue;
    const graph::FoundEdge& found = cursor.edge();
    Edge& edge = edges.emplace_back();
    edge.from = found.from;
    edge.to = found.to;
    AEON_ASSIGN(edge.type, reading.name_of(NameClass::edge_type, found.type));
    edge.weight = found.record.weight;
    edge.valid_from = found.record.valid_from;
    edge.valid_to = found.record.valid_to;
    edge.version = found.commit;
  }
  return cursor.status();
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

}  // namespace aeon
