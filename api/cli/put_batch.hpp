// Lines on their way into a palace: gathered into commits, acknowledged in order, each failure
// traced to its line.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "api/cli/command.hpp"
#include "api/json_memory.hpp"
#include "engine/palace.hpp"

namespace aeon::cli {

struct PutOptions {
  Durability durability = Durability::sync;
  bool ack = false;       // print every id once it is acknowledged
  bool skip_bad = false;  // go on after a line that can't be stored
  std::size_t batch = 256;
};

struct PutCounts {
  std::uint64_t stored = 0;
  std::uint64_t skipped = 0;
  std::uint64_t commits = 0;
  CommitNumber last_commit = 0;
};

// Not thread-safe. The palace must outlive it.
class PutBatch {
 public:
  PutBatch(Palace& palace, const PutOptions& options);

  // Takes a memory; commits when the batch is full. `place` names its origin in messages.
  // An error means that what is pending is lost, except where skip_bad made it a note.
  [[nodiscard]] Status add(api::MemoryLine line, std::string place, std::size_t bytes);
  // Counts a line that could not even be read: an error, or a note where skip_bad is set.
  [[nodiscard]] Status bad(const Error& error, const std::string& place);
  // Commits what is pending and prints its acknowledgements.
  [[nodiscard]] Status flush();
  [[nodiscard]] bool empty() const noexcept { return pending_.empty(); }
  [[nodiscard]] Durability durability() const noexcept { return options_.durability; }
  [[nodiscard]] const PutCounts& counts() const noexcept { return counts_; }

 private:
  struct Pending {
    api::MemoryLine line;
    std::string place;
  };
  Result<Batch> encode(std::size_t first, std::size_t count) const;
  Result<MemoryRef> target(const api::EdgeLine& edge, const std::string& tenant, std::size_t first,
                           std::size_t index) const;
  Status commit(std::size_t first, std::size_t count);

  Palace* palace_;
  PutOptions options_;
  std::vector<SpaceSpec> spaces_;
  std::set<std::string> tenants_;  // known to exist
  std::vector<Pending> pending_;
  std::size_t bytes_ = 0;
  PutCounts counts_;
};

}  // namespace aeon::cli
