#include "engine/line.hpp"

#include <algorithm>

namespace aeon::engine {

namespace {

// Anybody may link `next`, also between sessions. What was forgotten is beside an event only on
// lines of format version 2, or where it was no event.
Result<bool> stands_on(Draft& draft, std::uint32_t tenant, std::uint32_t session, MemoryId id) {
  AEON_ASSIGN(const VersionState* const state, draft.version(id));
  if (state == nullptr || state->tenant != tenant) return false;
  if (state->visible) return state->session == session;
  AEON_ASSIGN(const std::uint32_t last, draft.last_session(id, *state));
  return last == session;
}

}  // namespace

Status close_up_line(Draft& draft, std::uint32_t tenant, std::uint32_t session, MemoryId id) {
  AEON_ASSIGN(const auto before, draft.line_neighbours(id, graph::Way::in));
  AEON_ASSIGN(const auto after, draft.line_neighbours(id, graph::Way::out));
  // The nearest on each side: ids rise along a line. 0: none.
  MemoryId previous = 0;
  MemoryId following = 0;
  for (const MemoryId other : after) {
    AEON_TRY(draft.set_edge({id, graph::kNextType, other}, false, {}));
    AEON_ASSIGN(const bool on_line, stands_on(draft, tenant, session, other));
    if (on_line && other > id && following == 0) following = other;
  }
  for (const MemoryId other : before) {
    AEON_TRY(draft.set_edge({other, graph::kNextType, id}, false, {}));
    AEON_ASSIGN(const bool on_line, stands_on(draft, tenant, session, other));
    if (on_line && other < id) previous = std::max(previous, other);
  }
  AEON_ASSIGN(const MemoryId newest, draft.session_end(tenant, session));
  if (newest == id) draft.set_session_end(tenant, session, previous);
  if (previous == 0 || following == 0) return {};
  AEON_ASSIGN(const bool linked, draft.edge_exists(previous, graph::kNextType, following));
  if (linked) return {};
  std::string record;
  graph::encode_edge(record, {});
  return draft.set_edge({previous, graph::kNextType, following}, true, std::move(record));
}

}  // namespace aeon::engine
