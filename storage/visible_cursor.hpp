// What a snapshot sees of a range of keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/merged_cursor.hpp"

namespace aeon::storage {

// Walks the user keys that begin with a prefix, in order, and shows of each the newest version
// whose commit is at most the snapshot's; whether that version's value means "gone" is the
// caller's to say. Use, lifetime and damage as with MergedCursor. A user key with many versions
// outside the snapshot costs a search, not a walk over them.
class VisibleCursor {
 public:
  VisibleCursor() = default;
  VisibleCursor(const RunSet& set, std::uint64_t commit) { reset(set, commit); }
  void reset(const RunSet& set, std::uint64_t commit);

  // To the first visible user key that begins with `prefix` and is not less than `from`. Neither
  // may be a view of this cursor.
  void seek(std::string_view prefix, std::string_view from = {});
  // Only when valid().
  void next();

  [[nodiscard]] bool valid() const noexcept { return valid_; }
  // The key lives until the cursor moves, the value as long as its tail or segment.
  [[nodiscard]] std::string_view user_key() const noexcept { return user_key_; }
  [[nodiscard]] std::string_view value() const noexcept { return merged_.value(); }
  [[nodiscard]] std::uint64_t commit() const noexcept { return found_commit_; }

  // An error when the walk stopped at damage, or at a key too short to carry a commit.
  [[nodiscard]] Status status() const;
  // Goes on behind it; call again until status() is fine.
  void skip_damage();

 private:
  void settle();
  void pass(std::string_view user_key, std::uint64_t commit, bool inclusive);

  MergedCursor merged_;
  std::uint64_t commit_ = 0;
  std::string prefix_;
  std::string user_key_;  // the one shown last
  std::uint64_t found_commit_ = 0;
  std::string target_;
  unsigned steps_ = 0;    // taken since the last entry that was shown or searched for
  bool has_key_ = false;  // user_key_ holds a key of this walk
  bool valid_ = false;
  bool malformed_ = false;
};

}  // namespace aeon::storage
