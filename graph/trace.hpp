// Walks over the Trace at one instant: along a session's line, over a span of time, to neighbours.
//
// The graph knows ids, not memories: whether a memory is still visible is asked through `visible`,
// a callable MemoryId -> Result<bool>. Walks cost what they touch: O(log n) for each step.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "graph/keys.hpp"
#include "storage/result.hpp"
#include "storage/run_set.hpp"
#include "storage/visible_cursor.hpp"

namespace aeon::graph {

struct Instant {
  const storage::RunSet& runs;
  std::uint64_t commit;
};

struct LineEvent {
  std::uint64_t id = 0;
  std::int64_t time = 0;
};

struct FoundEdge {
  std::uint64_t from = 0;
  std::uint32_t type = 0;
  std::uint64_t to = 0;
  EdgeRecord record;
  std::uint64_t commit = 0;
};

enum class Way : std::uint8_t { out, in };

// Which edges a cursor shows: those that stand, or also those that were ended and that no merge has
// left out yet.
enum class Edges : std::uint8_t { standing, all };

// Edges at a node, by type then other end. Thread-confined; the instant must outlive it.
class EdgeCursor {
 public:
  EdgeCursor() = default;
  EdgeCursor(const Instant& instant, std::uint64_t node, Way way, std::uint32_t type,
             Edges shown = Edges::standing) {
    reset(instant, node, way, type, shown);
  }
  // `type` 0: all types. Keeps its buffers, so warm use allocates nothing.
  void reset(const Instant& instant, std::uint64_t node, Way way, std::uint32_t type,
             Edges shown = Edges::standing);
  [[nodiscard]] bool valid() const noexcept { return valid_; }
  // Of the edge that is shown; the record of one that was ended is meaningless.
  [[nodiscard]] bool stands() const noexcept { return stands_; }
  [[nodiscard]] const FoundEdge& edge() const noexcept { return edge_; }
  [[nodiscard]] std::uint64_t other_end() const noexcept {
    return way_ == Way::out ? edge_.to : edge_.from;
  }
  void next();
  [[nodiscard]] Status status() const;

 private:
  void settle();
  storage::VisibleCursor cursor_;
  std::string prefix_;
  Way way_ = Way::out;
  Edges shown_ = Edges::standing;
  FoundEdge edge_;
  bool stands_ = false;
  bool valid_ = false;
  bool malformed_ = false;
};

// The event after (out) or before (in) `id` on its session's line, or 0.
[[nodiscard]] Result<std::uint64_t> step_on_line(const Instant& instant, std::uint64_t id, Way way);

// Up to `count` visible events from `id` on (exclusive), nearest first. Ends after kMaxSkipped
// events that are not visible in a row, and where `next` edges that users linked lead back to an
// event of the walk.
inline constexpr std::size_t kMaxSkipped = 1'000'000;
template <typename Visible>
Status walk_line(const Instant& instant, std::uint64_t id, Way way, std::size_t count,
                 Visible&& visible, std::vector<std::uint64_t>& ids) {
  ids.clear();
  std::size_t skipped = 0;
  std::unordered_set<std::uint64_t> met = {id};
  while (ids.size() < count && skipped < kMaxSkipped) {
    AEON_ASSIGN(id, step_on_line(instant, id, way));
    if (id == 0 || !met.insert(id).second) break;
    AEON_ASSIGN(const bool seen, visible(id));
    skipped = seen ? 0 : skipped + 1;
    if (seen) ids.push_back(id);
  }
  return {};
}

// Events of a session in [since, until), by time then id; the greatest `until` leaves none out.
// Thread-confined.
class TimelineCursor {
 public:
  TimelineCursor(const Instant& instant, std::uint32_t tenant, std::uint32_t session,
                 std::int64_t since, std::int64_t until);
  [[nodiscard]] bool valid() const noexcept { return valid_; }
  [[nodiscard]] const LineEvent& event() const noexcept { return event_; }
  void next();
  [[nodiscard]] Status status() const { return cursor_.status(); }

 private:
  void settle();
  storage::VisibleCursor cursor_;
  const std::int64_t until_;
  LineEvent event_;
  bool valid_ = false;
};

}  // namespace aeon::graph
