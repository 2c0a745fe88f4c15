// The only way in: state changes here and nowhere else. Live commits, recovery, followers of other
// processes and replicas call apply() with the same records in the same order, so exact state is
// the same everywhere.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/catalog.hpp"
#include "engine/counters.hpp"
#include "engine/view.hpp"
#include "storage/result.hpp"
#include "wal/commit_header.hpp"

namespace aeon::engine {

// What a commit changes. Used by one thread at a time.
struct ApplyTarget {
  const View& view;  // its active tail takes the commit
  Catalog& catalog;
  Counters& counters;
};

// What the caller must see to before it publishes the commit.
struct Applied {
  bool rotate = false;                  // the tails are to be frozen after it
  std::vector<std::uint64_t> missing;   // blob files that it names and the view does not have
  TimeNs earliest_expiry = kEndOfTime;  // of the memories that it wrote
};

// Carries out one commit.
// Nothing becomes visible before the caller publishes the commit number. Cost: proportional to the
// record. Errors: damaged (the payload is no record), no_memory; after an error the target must
// not be used further.
[[nodiscard]] Result<Applied> apply(const ApplyTarget& target, const wal::CommitHeader& header,
                                    std::string_view payload);

}  // namespace aeon::engine
