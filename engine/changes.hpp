// Who changed what, and when: the values that Palace::commits(), Palace::versions() and the
// change feed answer with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/model.hpp"
#include "storage/result.hpp"

namespace aeon {

namespace engine {
class FeedSource;
}

// What is remembered of every commit for ever; the hash chain runs over it.
struct CommitInfo {
  CommitNumber commit = 0;
  TimeNs time = 0;
  std::uint64_t author = 0;      // names the opening of the palace that made it
  std::uint32_t kinds = 0;       // bit i: an operation of kind i, see engine/format.md
  std::uint32_t operations = 0;  // decisions that it holds
  std::uint32_t bytes = 0;       // of its payload
};

// One version of one memory, or its end.
struct VersionInfo {
  CommitNumber commit = 0;
  TimeNs time = 0;  // of the commit; 0 when its header is gone
  std::uint64_t author = 0;
  bool live = false;  // false: the commit ended the memory
};

struct Change {
  enum class Kind : std::uint8_t {
    wrote = 1,     // a memory is new, or has a new version
    forgot = 2,    // a memory was ended
    linked = 3,    // an edge is new, or has a new weight or validity
    unlinked = 4,  // an edge was ended
  };
  Kind kind = Kind::wrote;
  MemoryId id = 0;     // the memory, or where the edge begins
  MemoryId to = 0;     // where the edge ends
  std::string type{};  // of the edge
  friend bool operator==(const Change&, const Change&) = default;
};

struct CommitChanges {
  CommitInfo commit;
  // By kind, then ids, then type; an edge that was changed more than once appears once, as it
  // became. What was erased since is left out. May be empty, as for a new space or a checkpoint.
  std::vector<Change> changes{};
};

// The commits of a palace in their order, whoever makes them, from the log where it still has them
// and else from what was settled of them. One thread at a time; its Palace must outlive it and may
// not be moved meanwhile.
class ChangeFeed {
 public:
  ChangeFeed(ChangeFeed&&) noexcept;
  ChangeFeed& operator=(ChangeFeed&&) noexcept;
  ~ChangeFeed();

  // The next commit, or false when there is none now; takes over what other processes committed
  // first. May be called again at any time. Errors: too_old (the history that it would tell is not
  // kept any more: read the palace anew and begin at its newest commit), damaged, those of reading.
  [[nodiscard]] Result<bool> next(CommitChanges& changes);
  // The last commit that was answered, or the one that the feed began after.
  [[nodiscard]] CommitNumber position() const noexcept;

 private:
  friend class Palace;
  explicit ChangeFeed(std::unique_ptr<engine::FeedSource> source);
  std::unique_ptr<engine::FeedSource> source_;
};

}  // namespace aeon
