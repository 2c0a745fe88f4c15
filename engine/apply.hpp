// The only way in: state changes here and nowhere else. Live commits, recovery, followers of other
// processes and replicas call apply() with the same records in the same order, so exact state is
// the same everywhere.
#pragma once

#include <string_view>

#include "engine/catalog.hpp"
#include "engine/counters.hpp"
#include "engine/tail.hpp"
#include "wal/commit_header.hpp"

namespace aeon::engine {

// What a commit changes. Used by one thread at a time.
struct ApplyTarget {
  Tail& tail;
  Catalog& catalog;
  Counters& counters;
};

// Carries out one commit. `rotate` is set when the record asks for the tails to be frozen after it.
// Nothing becomes visible before the caller publishes the commit number. Cost: proportional to the
// record. Errors: damaged (the payload is no record), no_memory; after an error the target must
// not be used further.
[[nodiscard]] Status apply(const ApplyTarget& target, const wal::CommitHeader& header,
                           std::string_view payload, bool& rotate);

}  // namespace aeon::engine
