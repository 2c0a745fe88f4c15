// Walks over the graph of memories: what they are asked and what they answer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/model.hpp"

namespace aeon {

enum class WalkWay : std::uint8_t { out = 1, in = 2, both = 3 };

// How much an edge of a type counts: its own weight is multiplied by this one.
struct TypeWeight {
  std::string_view type{};
  float weight = 1.0F;  // finite, above 0
};

// Views must live during the call only. An edge is walked when its type is wanted, its weight is
// above 0, it holds at `valid_at`, and the memory at its other end is visible, holds at `valid_at`
// and matches kind, session and filter. A memory that does not match is not walked through either;
// the starts always belong to the walk.
struct WalkQuery {
  std::span<const MemoryId> from{};  // visible memories; the same one twice counts once
  WalkWay way = WalkWay::out;
  std::span<const TypeWeight> types{};  // only these; empty: all types, each at 1
  std::optional<TimeNs> valid_at{};     // empty: whatever the validity of edges and memories
  std::string_view session{};           // only this session (of the tenant of the first start)
  std::string_view kind{};              // only this kind
  std::string_view filter{};            // JSON filter over metadata, see docs/filters.md
  std::uint32_t hops = 2;               // reach, path, activate: edges from a start at most
  std::uint32_t limit = 100;            // memories in the answer at most
  std::uint64_t max_edges = 100'000;    // edges looked at at most, those not walked included
  double decay = 0.8;                   // activate: kept at every step, within (0, 1]
  double restart = 0.15;                // rank: probability to go back to a start, within (0, 1)
  // rank: a memory's residual above this times its edges is passed on; activate: less than this is
  // not passed on. Within (0, 1].
  double error = 1e-4;
};

struct Walked {
  MemoryId id = 0;
  MemoryId via = 0;        // reach, path: the memory before it; 0 for a start
  std::uint32_t hops = 0;  // reach, path, activate: edges from the nearest start
  double score = 0;        // rank, activate; reach, path: 0
};

// Caller-owned and reusable.
struct WalkAnswer {
  std::vector<Walked> found{};
  CommitNumber commit = 0;  // the instant that it belongs to
  std::uint64_t edges = 0;  // looked at
  // False when max_edges ended the walk before it was done; what was found is right all the same,
  // scores are lower bounds.
  bool complete = true;
  // rank, activate: no score is further below its true value than this, nor all of them together.
  double error = 0;
};

}  // namespace aeon
