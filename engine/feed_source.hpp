// Where a change feed takes its commits from. A commit that is in the log is read there: it costs
// its own length. One that was settled before the feed came to it is told from the keyed tables of
// the segments that settled it, a stretch of commits at a time, because a pass over their entries
// costs the same for one commit as for many.
#pragma once

#include <deque>
#include <map>

#include "engine/changes.hpp"
#include "engine/store.hpp"

namespace aeon::engine {

// A change with the number of its edge type in place of the name.
struct RawChange {
  Change::Kind kind = Change::Kind::wrote;
  MemoryId id = 0;
  MemoryId to = 0;
  std::uint32_t type = 0;
};

class FeedSource {
 public:
  FeedSource(Store& store, CommitNumber after) : store_(store), last_(after) {}
  [[nodiscard]] Result<bool> next(CommitChanges& changes);
  [[nodiscard]] CommitNumber position() const noexcept { return last_; }

 private:
  Result<bool> next_in_log(CommitNumber newest, CommitChanges& changes);
  Status begin();
  Status collect_settled(const View& view);
  Result<std::vector<Change>> name_types(std::vector<RawChange>&& raw);

  Store& store_;
  CommitNumber last_;
  std::deque<CommitChanges> settled_;  // ready to be answered
  std::unique_ptr<wal::LogReader> reader_;
  std::map<std::uint32_t, std::string> type_names_;
};

[[nodiscard]] CommitInfo info_of(const wal::CommitHeader& header) noexcept;

}  // namespace aeon::engine
