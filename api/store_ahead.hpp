// Content that is too large for a commit goes ahead of it.
#pragma once

#include "engine/palace.hpp"

namespace aeon::api {

// Where `memory` has more content than a commit carries, stores it as a payload of `palace` and
// lets the memory name that; else nothing. Errors: those of Palace::store_payload(); the memory is
// as it was then.
[[nodiscard]] inline Status store_ahead(Palace& palace, NewMemory& memory) {
  if (memory.content.size() <= kMaxInlineBytes) return {};
  AEON_ASSIGN(memory.payload, palace.store_payload(memory.content_type, memory.content));
  memory.content.clear();
  return {};
}

}  // namespace aeon::api
