// Payloads too large for the log. One is written ahead of the commit that remembers it, into a blob
// file of its own, so that the log stays short and a payload is written once:
//
//   1. a file number is taken from the manifest, so that nobody else uses it
//   2. staging/blob-N is written and synced
//   3. it moves to the palace as blob-N, and a manifest record lists it
//   4. a commit names it
//
// A crash before 3 leaves a staged file, which whoever opens the palace alone removes: then no
// process is left that could be writing it. A crash between 3 and 4 leaves a listed file that
// nothing refers to, as a payload does that is never committed; it is removed likewise, since only
// a process that is gone could have named it. Since the record of 3 is durable
// before the commit of 4 is written, whoever reads that commit finds the file: in its view, or in
// the newest manifest record.
#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

#include "engine/store.hpp"
#include "engine/text/utf8.hpp"
#include "storage/blob_writer.hpp"
#include "storage/merged_cursor.hpp"

namespace aeon::engine {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::int64_t kPatienceNs = 30'000'000'000;

// Checks text that comes in pieces, which may be cut within a character.
class Utf8Stream {
 public:
  Status add(std::string_view piece) {
    carried_.append(piece);
    const std::size_t bad = find_invalid_utf8(carried_);
    std::size_t whole = carried_.size();
    if (bad != kValidUtf8) {
      // The last character may go on in the next piece; longer than three bytes it does not.
      if (carried_.size() - bad > 3 || !may_go_on(std::string_view(carried_).substr(bad))) {
        return invalid(bad);
      }
      whole = bad;
    }
    seen_ += whole;
    carried_.erase(0, whole);
    return {};
  }
  [[nodiscard]] Status end() const { return carried_.empty() ? Status{} : invalid(0); }

 private:
  static bool may_go_on(std::string_view start) {
    return utf8_length(start[0]) > start.size() &&
           std::ranges::all_of(start.substr(1), is_utf8_continuation);
  }
  [[nodiscard]] Status invalid(std::size_t at) const {
    return fail(Errc::invalid_utf8,
                fmt::format("a payload of text is not UTF-8 at byte {}; convert it, or store it as "
                            "bytes",
                            seen_ + at));
  }
  std::string carried_;
  std::uint64_t seen_ = 0;
};

Status write_stream(storage::BlobWriter& writer, const Palace::PayloadSource& source,
                    StoredPayload& payload) {
  AEON_TRY(writer.begin_stream(payload.bytes));
  std::vector<std::byte> piece(std::min<std::uint64_t>(kPieceBytes, payload.bytes));
  Utf8Stream text;
  for (std::uint64_t at = 0; at < payload.bytes;) {
    const std::uint64_t wanted = std::min<std::uint64_t>(piece.size(), payload.bytes - at);
    AEON_ASSIGN(const std::size_t count, source(std::span(piece).first(wanted)));
    if (count == 0 || count > wanted) {
      return fail(Errc::invalid_argument,
                  fmt::format("a payload of {} bytes ended at byte {}; say its true length",
                              payload.bytes, at));
    }
    const auto bytes = std::span<const std::byte>(piece).first(count);
    if (payload.content_type == ContentType::text) AEON_TRY(text.add(storage::as_view(bytes)));
    if (payload.head.size() < kHeadBytes) payload.head.append(storage::as_view(bytes));
    AEON_TRY(writer.write_chunk(bytes));
    at += count;
  }
  AEON_TRY(text.end());
  payload.head.resize(payload.content_type == ContentType::text
                          ? truncate_utf8(payload.head, kHeadBytes).size()
                          : std::min(payload.head.size(), kHeadBytes));
  AEON_ASSIGN(payload.place, writer.end_stream());
  return {};
}

}  // namespace

Result<StoredPayload> Store::store_payload(ContentType type, std::uint64_t bytes,
                                           const Palace::PayloadSource& source) {
  if (bytes > kMaxPayloadBytes) {
    return fail(Errc::too_large,
                fmt::format("a payload has {} bytes; at most {} fit", bytes, kMaxPayloadBytes));
  }
  StoredPayload payload;
  payload.content_type = type;
  payload.bytes = bytes;
  AEON_ASSIGN(const std::uint64_t number, reserve_file());
  const std::string staged = staging() + "/" + storage::file_name("blob", number);
  const auto write = [&]() -> Status {
    AEON_ASSIGN(const auto writer, storage::BlobWriter::create(os_, staging(), palace_, number));
    AEON_TRY(write_stream(*writer, source, payload));
    AEON_ASSIGN(const storage::SegmentInfo file, writer->finish());
    return publish_payload(file);
  };
  if (Status written = write(); !written) {
    (void)os_.unlink(staged);
    return std::unexpected(std::move(written).error());
  }
  return payload;
}

Result<std::uint64_t> Store::reserve_file() {
  const UpkeepLock lock(*this, kPatienceNs);
  AEON_TRY(lock.status());
  AEON_TRY(begin_upkeep());
  if (!os_.exists(staging())) {
    const Status made = os_.make_directory(staging());
    if (!made && made.error().code != Errc::already_exists) {
      return std::unexpected(made.error());
    }
  }
  storage::ManifestState state;
  {
    const storage::MutexLock write_lock(write_mutex_);
    state = manifest_.state();
  }
  const std::uint64_t number = state.next_file++;
  AEON_TRY(publish_manifest(std::move(state)));
  return number;
}

Status Store::publish_payload(const storage::SegmentInfo& file) {
  const UpkeepLock lock(*this, kPatienceNs);
  AEON_TRY(lock.status());
  AEON_TRY(begin_upkeep());
  const std::string name = storage::file_name("blob", file.number);
  AEON_TRY(os_.rename(staging() + "/" + name, directory_ + "/" + name));
  storage::ManifestState state;
  {
    const storage::MutexLock write_lock(write_mutex_);
    state = manifest_.state();
  }
  storage::BlobFileInfo info;
  info.file = file;
  info.live_bytes = file.bytes;
  state.blobs.push_back(info);
  return publish_manifest(std::move(state));
}

// A reference that this palace did not hand out is refused before anything depends on it.
Status Store::check_payloads(const Batch& batch) const {
  const auto check = [this](const NewMemory& memory) -> Status {
    if (!memory.payload) return {};
    const auto guard = enter();
    const auto file = view().blobs().find(memory.payload->place.file);
    if (file != view().blobs().end() && file->second->reader->view(memory.payload->place)) {
      return {};
    }
    return fail(Errc::invalid_argument,
                "a memory has a payload that this palace does not hold; "
                "store it here first");
  };
  for (const Batch::Operation& operation : batch.operations()) {
    if (const auto* memory = std::get_if<NewMemory>(&operation)) AEON_TRY(check(*memory));
    if (const auto* next = std::get_if<Supersede>(&operation)) AEON_TRY(check(next->next));
  }
  return {};
}

// The caller is alone with the palace: nobody is left who could be writing these.
Status Store::remove_staged() {
  if (!os_.exists(staging())) return {};
  AEON_ASSIGN(const auto names, os_.list_directory(staging()));
  for (const std::string& name : names) {
    if (storage::file_number(name, "blob") != 0) AEON_TRY(os_.unlink(staging() + "/" + name));
  }
  return {};
}

// The caller is alone with the palace and holds the upkeep lock: nobody is left who could name
// these. A damaged log hides who has what, so everything stays then.
Status Store::remove_unnamed_payloads() {
  if (!read_only_reason_.empty()) return {};
  std::unordered_set<std::uint64_t> unnamed;
  storage::LookupScratch scratch;
  std::string key;
  for (const storage::BlobFileInfo& blob : manifest_.state().blobs) {
    if (blob.file.last_commit != 0) continue;
    payload_key(key, blob.file.number);
    AEON_ASSIGN(const auto owner, view().runs().newest(key, visible(), scratch));
    if (!owner) unnamed.insert(blob.file.number);
  }
  if (unnamed.empty()) return {};
  // Until format version 2 only the version itself says which file it has.
  std::string prefix;
  storage::begin_key(prefix, storage::Table::versions);
  storage::MergedCursor cursor(view().runs());
  VersionRecord record;
  for (cursor.seek(prefix); cursor.valid() && cursor.key().starts_with(prefix); cursor.next()) {
    if (!decode_version(cursor.value(), record)) return {};  // verify names it
    if (record.blob) unnamed.erase(record.blob->file);
  }
  if (!cursor.status() || unnamed.empty()) return {};
  storage::ManifestState state = manifest_.state();
  std::erase_if(state.blobs, [&](const storage::BlobFileInfo& blob) {
    return unnamed.contains(blob.file.number);
  });
  if (Status listed = manifest_.append(std::move(state)); !listed) {
    // They are no worse than any other bytes: a full disk must not keep anybody out of a palace
    // where space could be freed.
    return listed.error().code == Errc::disk_full ? Status{} : listed;
  }
  AEON_TRY(adopt_state());
  // (13)
  control_->block().manifest_sequence.store(manifest_.state().sequence, std::memory_order_release);
  return remove_orphans();
}

}  // namespace aeon::engine
