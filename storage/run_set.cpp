#include "storage/run_set.hpp"

namespace aeon::storage {
namespace {

// The entry that a lower-bound search for (user_key, commit) ended at, if it is of that user key.
template <typename Cursor>
std::optional<RunSet::Found> version_at(const Cursor& cursor, std::string_view user_key) {
  if (!cursor.valid()) return std::nullopt;
  const VersionedKey found = split_versioned_key(cursor.key());
  if (found.user_key != user_key) return std::nullopt;
  return RunSet::Found{cursor.value(), found.commit};
}

}  // namespace

Result<std::optional<RunSet::Found>> RunSet::newest(std::string_view user_key, std::uint64_t commit,
                                                    LookupScratch& scratch) const {
  std::string& target = scratch.target_;
  target.assign(user_key);
  append_commit(target, commit);
  for (const Source& source : sources_) {
    if (const auto* const tail = std::get_if<const RunTail*>(&source)) {
      RunTail::Cursor cursor(**tail);
      cursor.seek(target);
      if (auto found = version_at(cursor, user_key)) return found;
      continue;
    }
    RunCursor& cursor = scratch.cursor_;
    cursor.reset(std::get<RunReader>(source));
    cursor.seek(target);
    if (!cursor.status()) return std::unexpected(cursor.status().error());
    if (auto found = version_at(cursor, user_key)) return found;
  }
  return std::nullopt;
}

}  // namespace aeon::storage
