#include "storage/visible_cursor.hpp"

#include <cassert>

namespace aeon::storage {
namespace {

// A search costs about as much as this many steps.
constexpr unsigned kMostSteps = 16;

}  // namespace

void VisibleCursor::reset(const RunSet& set, std::uint64_t commit) {
  merged_.reset(set);
  commit_ = commit;
  valid_ = has_key_ = malformed_ = false;
}

Status VisibleCursor::status() const {
  if (malformed_) return fail(Errc::damaged, "a sorted run holds a key too short for a commit");
  return merged_.status();
}

void VisibleCursor::seek(std::string_view prefix, std::string_view from) {
  prefix_.assign(prefix);
  has_key_ = malformed_ = false;
  merged_.seek(from > prefix ? from : prefix);
  settle();
}

void VisibleCursor::next() {
  assert(valid_);
  merged_.next();
  settle();
}

void VisibleCursor::skip_damage() {
  if (malformed_) {
    malformed_ = false;
    merged_.next();
  } else {
    merged_.skip_damage();
  }
  settle();
}

// Moves on from a version that is not shown: by a step, or after many steps by a search for
// (user_key, commit), or for what follows it.
void VisibleCursor::pass(std::string_view user_key, std::uint64_t commit, bool inclusive) {
  if (++steps_ < kMostSteps) return merged_.next();
  steps_ = 0;
  target_.assign(user_key);
  append_commit(target_, commit);
  if (!inclusive) target_.push_back('\0');
  merged_.seek(target_);
}

void VisibleCursor::settle() {
  valid_ = false;
  steps_ = 0;
  while (merged_.valid() && merged_.key().starts_with(prefix_)) {
    const VersionedKey at = split_versioned_key(merged_.key());
    if (at.user_key.empty()) {
      malformed_ = true;
      return;
    }
    if (has_key_ && at.user_key == user_key_) {
      pass(at.user_key, 0, false);
    } else if (at.commit > commit_) {
      pass(at.user_key, commit_, true);
    } else {
      user_key_.assign(at.user_key);
      has_key_ = true;
      found_commit_ = at.commit;
      valid_ = true;
      return;
    }
  }
}

}  // namespace aeon::storage
