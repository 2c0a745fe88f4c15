#include "engine/line.hpp"

namespace aeon::engine {

Status close_up_line(Draft& draft, std::uint32_t tenant, std::uint32_t session, MemoryId id) {
  AEON_ASSIGN(const auto before, draft.line_neighbours(id, graph::Way::in));
  AEON_ASSIGN(const auto after, draft.line_neighbours(id, graph::Way::out));
  for (const MemoryId next : after) {
    AEON_TRY(draft.set_edge({id, graph::kNextType, next}, false, {}));
  }
  for (const MemoryId previous : before) {
    AEON_TRY(draft.set_edge({previous, graph::kNextType, id}, false, {}));
    if (after.empty() || previous == id || after.front() == id || previous == after.front()) {
      continue;
    }
    AEON_ASSIGN(const bool linked, draft.edge_exists(previous, graph::kNextType, after.front()));
    if (linked) continue;
    std::string record;
    graph::encode_edge(record, {});
    AEON_TRY(draft.set_edge({previous, graph::kNextType, after.front()}, true, std::move(record)));
  }
  AEON_ASSIGN(const MemoryId newest, draft.session_end(tenant, session));
  if (newest == id) draft.set_session_end(tenant, session, before.empty() ? 0 : before.front());
  return {};
}

}  // namespace aeon::engine
