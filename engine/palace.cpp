#include "engine/palace.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "engine/feed_source.hpp"
#include "engine/no_memory.hpp"
#include "engine/store.hpp"
#include "engine/view.hpp"
#include "storage/os.hpp"

namespace aeon {

using engine::without_exceptions;

Palace::Palace(std::unique_ptr<engine::Store> store) : store_(std::move(store)) {}
Palace::Palace(Palace&&) noexcept = default;
Palace& Palace::operator=(Palace&&) noexcept = default;
Palace::~Palace() = default;

Result<Palace> Palace::create(const std::string& directory, const std::vector<SpaceSpec>& spaces,
                              OpenOptions options) try {
  if (directory.empty()) return fail(Errc::invalid_argument, "a palace needs a directory's path");
  if (options.read_only) {
    return fail(Errc::invalid_argument, "a palace can't be created read-only");
  }
  storage::Os& os = options.os != nullptr ? *options.os : storage::real_os();
  Batch batch;
  for (const SpaceSpec& spec : spaces) batch.create_space(spec);
  // Checked before anything is made, so that a bad space leaves no half palace behind.
  if (!batch.empty()) AEON_TRY(engine::prepare(batch, engine::Catalog{}, 0));
  AEON_TRY(engine::Store::create(directory, os));
  AEON_ASSIGN(Palace palace, open(directory, options));
  if (!batch.empty()) AEON_TRY(palace.commit(std::move(batch), Durability::sync));
  return palace;
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Result<Palace> Palace::open(const std::string& directory, OpenOptions options) try {
  if (directory.empty()) return fail(Errc::invalid_argument, "a palace needs a directory's path");
  AEON_ASSIGN(auto store, engine::Store::open(directory, options));
  return Palace(std::move(store));
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Status Palace::close() {
  return without_exceptions([&] { return store_->close(); });
}

Result<Ack> Palace::commit(Batch batch, Durability level) {
  return without_exceptions([&] { return store_->commit(std::move(batch), level); });
}

Result<StoredPayload> Palace::store_payload(ContentType type, std::uint64_t bytes,
                                            const PayloadSource& source) {
  return without_exceptions([&] { return store_->store_payload(type, bytes, source); });
}

Result<StoredPayload> Palace::store_payload(ContentType type, std::string_view content) try {
  return store_->store_payload(type, content.size(),
                               [content](std::span<std::byte> buffer) mutable {
                                 const std::size_t count = std::min(buffer.size(), content.size());
                                 std::memcpy(buffer.data(), content.data(), count);
                                 content.remove_prefix(count);
                                 return Result<std::size_t>(count);
                               });
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

// A view that was published between the two looks may have left out what the commit still needs.
// What it settled is committed and all in it, so that is the instant to show then.
Snapshot Palace::snapshot() const {
  const CommitNumber commit = store_->visible();
  Snapshot snapshot(*store_, commit, store_->expiry_now());
  snapshot.commit_ = std::max(commit, snapshot.view_->settled());
  return snapshot;
}

Status Palace::recall(const Query& query, Answer& answer) const {
  return without_exceptions([&] { return snapshot().recall(query, answer); });
}

Result<Snapshot> Palace::fresh_snapshot() try {
  AEON_TRY(store_->catch_up());
  return snapshot();
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Result<Snapshot> Palace::snapshot_at(CommitNumber commit) const try {
  const CommitNumber newest = store_->visible();
  if (commit > newest) {
    return fail(Errc::invalid_argument,
                fmt::format("commit {} lies in the future; the newest is {}", commit, newest));
  }
  Snapshot snapshot(*store_, commit, kBeginningOfTime);
  if (commit < snapshot.view_->horizon()) {
    return fail(Errc::too_old,
                fmt::format("commit {} lies before the history that is kept; the oldest that can "
                            "be read is {}",
                            commit, snapshot.view_->horizon()));
  }
  return snapshot;
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Status Palace::checkpoint() {
  return without_exceptions([&] { return store_->checkpoint(false); });
}
Status Palace::compact() {
  return without_exceptions([&] { return store_->checkpoint(true); });
}
Result<bool> Palace::maintain(std::chrono::nanoseconds budget) {
  return without_exceptions([&] { return store_->maintain(budget); });
}
Status Palace::purge() {
  return without_exceptions([&] { return store_->purge(); });
}
Result<BackupReport> Palace::backup(const std::string& directory) try {
  if (directory.empty()) return fail(Errc::invalid_argument, "a copy needs a directory's path");
  return store_->backup(directory);
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}
Result<std::vector<CommitInfo>> Palace::commits(CommitNumber after, std::size_t limit) {
  return without_exceptions([&] { return store_->commits(after, limit); });
}
Result<std::vector<VersionInfo>> Palace::versions(MemoryId id) {
  return without_exceptions([&] { return store_->versions(id); });
}
Result<ChangeFeed> Palace::changes_after(CommitNumber after) try {
  AEON_TRY(store_->catch_up());
  AEON_TRY(snapshot_at(after));
  return ChangeFeed(std::make_unique<engine::FeedSource>(*store_, after));
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}
Result<bool> Palace::scrub(std::chrono::nanoseconds budget) {
  return without_exceptions([&] { return store_->scrub(budget); });
}

Result<Stats> Palace::stats() const {
  return without_exceptions([&] { return store_->stats(); });
}
Result<VerifyReport> Palace::verify() const {
  return without_exceptions([&] { return store_->verify(); });
}

}  // namespace aeon
