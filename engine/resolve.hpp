// The leader's half of a commit: decides what depends on the order of commits (ids, node and name
// numbers, who holds a key, which event came before) and writes the record.
#pragma once

#include <string>

#include "engine/draft.hpp"
#include "engine/prepare.hpp"
#include "engine/record.hpp"

namespace aeon::engine {

struct Resolved {
  std::string payload;
  std::uint32_t kinds = 0;
  std::uint32_t operations = 0;
  std::vector<MemoryId> ids;  // one for each remember, in order
};

// `commit` and `time` are the number and time the commit will have if accepted. On success the
// draft holds the commit's decisions, still to be accepted. Errors: already_exists, unknown_tenant,
// unknown_id, key_exists, version_conflict, invalid_argument, too_large; the caller then rejects
// the draft.
[[nodiscard]] Status resolve(const PreparedBatch& prepared, CommitNumber commit, TimeNs time,
                             Draft& draft, Resolved& resolved);

}  // namespace aeon::engine
