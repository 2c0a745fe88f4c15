// All places where an entry may be: RAM tails and settled runs, newest first. A view owns one; it
// is built once and only read afterwards.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "storage/run.hpp"
#include "storage/run_tail.hpp"
#include "storage/versioned_key.hpp"

namespace aeon::storage {

// Buffers of one lookup at a time. Keep one per thread or answer: warm lookups allocate nothing.
class LookupScratch {
 private:
  friend class RunSet;
  std::string target_;
  RunCursor cursor_;
};

class RunSet {
 public:
  using Source = std::variant<const RunTail*, RunReader>;

  struct Found {
    std::string_view value;  // lives as long as its tail or segment
    std::uint64_t commit = 0;
  };

  // Adds a source that is older than all added before: of every user key its commits are lower
  // than, or the same entries as, those of newer sources. Tails and segments must outlive the set.
  void add(const RunTail& tail) { sources_.emplace_back(&tail); }
  void add(const RunReader& run) { sources_.emplace_back(run); }
  [[nodiscard]] std::span<const Source> sources() const noexcept { return sources_; }

  // The newest entry of `user_key` whose commit is at most `commit`; the first source that has one
  // answers. Any thread, with its own scratch; no lock and no system call. Errors: damaged, when
  // the place where a source would hold the key can't be read; older sources are not asked then,
  // because they might answer with a version that is no longer the newest.
  [[nodiscard]] Result<std::optional<Found>> newest(std::string_view user_key, std::uint64_t commit,
                                                    LookupScratch& scratch) const;

 private:
  std::vector<Source> sources_;
};

}  // namespace aeon::storage
