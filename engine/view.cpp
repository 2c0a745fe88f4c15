#include "engine/view.hpp"

#include <fmt/format.h>

namespace aeon::engine {

namespace {

// Point look-ups on one thread share this scratch: it keeps key buffers, so that warm look-ups
// allocate nothing.
struct Scratch {
  std::string key;
  storage::LookupScratch lookup;
};
Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

Error damaged_record(MemoryId id) {
  return {Errc::damaged, 0,
          fmt::format("memory {}: its record does not decode; run aeon verify", id)};
}

}  // namespace

View::View(std::vector<std::shared_ptr<const SegmentView>> segments,
           std::map<std::uint64_t, std::shared_ptr<const BlobFile>> blobs,
           std::vector<std::shared_ptr<Tail>> tails, CommitNumber settled)
    : segments_(std::move(segments)),
      blobs_(std::move(blobs)),
      tails_(std::move(tails)),
      settled_(settled) {
  for (auto tail = tails_.rbegin(); tail != tails_.rend(); ++tail) runs_.add((*tail)->keyed());
  for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
    runs_.add((*segment)->run());
    horizon_ = std::max(horizon_, (*segment)->history().horizon);
  }
}

CommitNumber Reading::ended_at(std::uint32_t space, std::uint32_t node,
                               bool& damaged) const noexcept {
  std::uint64_t ended = 0;
  for (const auto& tail : view.tails()) {
    if ((ended = tail->ended_at(space, node)) != 0) break;
  }
  if (ended == 0) {
    for (const auto& segment : view.segments()) {
      if ((ended = segment->ended_at(space, node, damaged)) != 0) break;
    }
  }
  return ended <= commit ? ended : 0;
}

Result<bool> Reading::fields_are_indexed() const {
  setting_key(scratch().key, Setting::fields);
  const auto found = find(scratch().key, scratch().lookup);
  if (!found && found.error().code == Errc::damaged) return false;
  if (!found) return std::unexpected(found.error());
  return *found && (*found)->value == kFieldsIndexed;
}

Result<WordCounts> Reading::word_counts(std::uint32_t tenant) const {
  word_counts_key(scratch().key, tenant);
  AEON_ASSIGN(const auto found, find(scratch().key, scratch().lookup));
  WordCounts counts;
  if (found && !decode_word_counts(found->value, counts)) {
    return fail(Errc::damaged, "a count of words does not decode; run aeon verify");
  }
  return counts;
}

Result<std::uint32_t> Reading::number_of(NameClass kind, std::uint32_t parent,
                                         std::string_view name) const {
  name_key(scratch().key, kind, parent, name);
  AEON_ASSIGN(const auto found, find(scratch().key, scratch().lookup));
  if (!found) return 0U;
  return static_cast<std::uint32_t>(storage::Decoder(found->value).varint());
}

Result<std::string> Reading::name_of(NameClass kind, std::uint32_t number) const {
  if (number == 0) return std::string{};
  if (kind == NameClass::edge_type && number == graph::kNextType) return std::string("next");
  name_id_key(scratch().key, kind, number);
  AEON_ASSIGN(const auto found, find(scratch().key, scratch().lookup));
  if (!found) return std::string{};
  storage::Decoder decoder(found->value);
  decoder.varint();  // the parent
  return std::string(decoder.rest());
}

Result<std::uint32_t> Reading::tenant_number(std::string_view name) const {
  if (name.empty()) return 0U;
  AEON_ASSIGN(const std::uint32_t number, number_of(NameClass::tenant, 0, name));
  if (number == 0) {
    return fail(Errc::unknown_tenant,
                fmt::format("no tenant is named \"{}\"; create it first", name));
  }
  return number;
}

Result<bool> Reading::try_version(MemoryId id, Version& version) const {
  version_key(scratch().key, id);
  AEON_ASSIGN(const auto found, find(scratch().key, scratch().lookup));
  if (!found) return false;
  if (!decode_version(found->value, version.record)) return std::unexpected(damaged_record(id));
  version.commit = found->commit;
  return version.record.live && !has_expired(version.record);
}

Status Reading::find_version(MemoryId id, Version& version) const {
  AEON_ASSIGN(const bool visible, try_version(id, version));
  if (visible) return {};
  return fail(Errc::unknown_id, fmt::format("no memory {} is visible at commit {}", id, commit));
}

Result<const BlobFile*> Reading::blob_file(const storage::BlobRef& blob) const {
  const auto file = view.blobs().find(blob.file);
  if (file != view.blobs().end()) return file->second.get();
  return fail(Errc::damaged, fmt::format("a memory's content lies in blob-{:06}, which the "
                                         "manifest does not name; run aeon verify",
                                         blob.file));
}

Status Reading::read_content(const VersionRecord& record, std::string& content) const {
  if (!record.blob) {
    content.assign(record.content);
    return {};
  }
  AEON_ASSIGN(const BlobFile* file, blob_file(*record.blob));
  return file->reader->read(*record.blob, content);
}

Result<std::optional<std::string_view>> Reading::view_content(const VersionRecord& record) const {
  if (!record.blob) return record.content;
  if (storage::blob_encoding(record.blob->flags) != storage::BlobEncoding::raw) return std::nullopt;
  AEON_ASSIGN(const BlobFile* file, blob_file(*record.blob));
  AEON_ASSIGN(const auto bytes, file->reader->view(*record.blob));
  return storage::as_view(bytes);
}

Result<MemoryId> Reading::key_owner(std::uint32_t tenant, std::string_view key) const {
  unique_key(scratch().key, tenant, key);
  AEON_ASSIGN(const auto found, find(scratch().key, scratch().lookup));
  if (!found || found->value.empty()) return MemoryId{0};
  return MemoryId{storage::Decoder(found->value).varint()};
}

}  // namespace aeon::engine
