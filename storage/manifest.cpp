#include "storage/manifest.hpp"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "storage/codec.hpp"
#include "storage/manifest_record.hpp"

namespace aeon::storage {

namespace format = manifest_format;

namespace {

constexpr std::string_view kPrefix = "manifest";
constexpr std::uint64_t kReplaceBytes = std::uint64_t{256} << 10;
// A file may be replaced between listing and opening; more often in a row means something else.
constexpr int kOpenAttempts = 100;

}  // namespace

// What reading one manifest file found.
struct Manifest::Loaded {
  std::shared_ptr<File> file;
  std::string path;
  ManifestPosition position;
  ManifestState state;
  std::uint64_t end = 0;
  RecoveryNote note;
};

std::string Manifest::path_of(std::uint64_t number) const {
  return directory_ + "/" + file_name(kPrefix, number);
}

Result<std::vector<std::uint64_t>> Manifest::list_numbers() const {
  AEON_ASSIGN(const auto names, os_->list_directory(directory_));
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : names) {
    if (const std::uint64_t number = file_number(name, kPrefix)) numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

// Follows the chain from loaded.end on. What does not verify is a torn tail when nothing behind it
// verifies, else damage.
Status Manifest::load_records(Loaded& l) const {
  const std::uint64_t number = l.position.file_number;
  AEON_ASSIGN(const std::uint64_t size, l.file->size());
  const auto damaged = [&](std::uint64_t offset, std::string_view what) {
    return fail(Errc::damaged, fmt::format("{}: the record at offset {} {}; restore the file from "
                                           "a copy or run repair",
                                           l.path, offset, what));
  };
  if (size < l.end) return damaged(l.end, "and what is behind it were cut off");
  std::optional<format::Record> last;
  while (true) {
    AEON_ASSIGN(auto record, format::read_record(*l.file, number, l.end, size));
    if (!record) break;
    const bool first = l.position.records == 0;
    if (record->head.palace != l.state.palace ||
        (!first && (record->head.previous != l.position.chain ||
                    record->head.sequence != l.state.sequence + 1))) {
      return damaged(l.end, "does not follow the one before");
    }
    l.position.records += 1;
    l.position.chain = record->head.chain;
    l.state.sequence = record->head.sequence;
    l.end += record->bytes.size();
    last = std::move(record);
  }
  for (std::uint64_t at = l.end + kPageBytes; at < size; at += kPageBytes) {
    AEON_ASSIGN(const auto later, format::read_record(*l.file, number, at, size));
    if (later) return damaged(l.end, "does not match its sum though later ones do");
  }
  if (l.position.records == 0) return damaged(l.end, "does not match its sum");
  l.note = {.bytes = size - l.end, .path = l.path, .offset = l.end};
  if (!last) return {};
  auto state = format::decode_state(*last);
  if (!state) return damaged(l.end - last->bytes.size(), "has an unknown shape");
  l.state = std::move(*state);
  return {};
}

Result<Manifest::Loaded> Manifest::load(std::uint64_t number, bool distrust_cache) const {
  Loaded l;
  l.path = path_of(number);
  l.position.file_number = number;
  AEON_ASSIGN(l.file, os_->open_file(l.path, read_only_ ? OpenMode::read : OpenMode::read_write));
  if (distrust_cache) l.file->drop_cache();
  std::string page(kPageBytes, '\0');
  AEON_ASSIGN(const std::size_t got, l.file->read_at(std::as_writable_bytes(std::span(page)), 0));
  page.resize(got);
  AEON_ASSIGN(l.state.palace, format::decode_head(page, number, l.path));
  l.end = kPageBytes;
  AEON_TRY(load_records(l));
  return l;
}

Result<Manifest::Loaded> Manifest::load_newest(bool distrust_cache) const {
  for (int attempt = 1;; ++attempt) {
    const auto numbers = list_numbers();
    if (!numbers && numbers.error().code != Errc::not_found) {
      return std::unexpected(numbers.error());
    }
    if (!numbers || numbers->empty()) {
      return fail(Errc::not_a_palace,
                  fmt::format("{} holds no palace: there is no manifest", directory_));
    }
    auto loaded = load(numbers->back(), distrust_cache);
    if (loaded || loaded.error().code != Errc::not_found || attempt == kOpenAttempts) return loaded;
  }
}

bool Manifest::adopt(Loaded l) {
  const bool changed = l.state.sequence != state_.sequence;
  if (l.position.file_number != position_.file_number || l.end != end_) {
    ours_ = false;
    durable_ = false;
  }
  file_ = std::move(l.file);
  state_ = std::move(l.state);
  position_ = l.position;
  end_ = l.end;
  note_ = l.note;
  return changed;
}

Result<Manifest> Manifest::open(Os& os, const std::string& directory, bool read_only) {
  Manifest manifest(os, directory, read_only);
  AEON_ASSIGN(auto loaded, manifest.load_newest(true));
  manifest.adopt(std::move(loaded));
  return manifest;
}

Result<Manifest> Manifest::create(Os& os, const std::string& directory, ManifestState first) {
  if (first.palace == PalaceUuid{}) {
    return fail(Errc::invalid_argument, "a palace needs a uuid that is not zero");
  }
  Manifest manifest(os, directory, false);
  AEON_ASSIGN(const auto numbers, manifest.list_numbers());
  if (!numbers.empty()) {
    return fail(Errc::already_exists, fmt::format("{} holds a palace already", directory));
  }
  first.sequence = 1;
  AEON_TRY(manifest.replace(first));
  return manifest;
}

// A newer file has the next number, or, when several replacements went by, ours is gone.
bool Manifest::moved_to_new_file() const {
  return os_->exists(path_of(position_.file_number + 1)) ||
         !os_->exists(path_of(position_.file_number));
}

Result<bool> Manifest::refresh() {
  if (moved_to_new_file()) {
    AEON_ASSIGN(auto loaded, load_newest(false));
    if (loaded.state.palace != state_.palace || loaded.state.sequence < state_.sequence) {
      return fail(Errc::damaged,
                  fmt::format("{}: the manifest went back to an older state or to another palace; "
                              "was the directory replaced under an open palace?",
                              directory_));
    }
    return adopt(std::move(loaded));
  }
  AEON_ASSIGN(const std::uint64_t size, file_->size());
  if (size == end_) {
    note_ = {};
    return false;
  }
  // Nothing of this object changes before all is read, not even when memory runs out meanwhile.
  Loaded more{.file = file_,
              .path = path_of(position_.file_number),
              .position = position_,
              .state = state_,
              .end = end_,
              .note = {}};
  AEON_TRY(load_records(more));
  return adopt(std::move(more));
}

std::unexpected<Error> Manifest::poison(Error error) {
  poison_ = error.message;
  return std::unexpected(std::move(error));
}

Status Manifest::append(ManifestState next) {
  if (read_only_) return fail(Errc::read_only, "the manifest was opened for reading only");
  if (!poison_.empty()) {
    return fail(Errc::read_only, fmt::format("{}: an earlier manifest write failed ({}); reopen "
                                             "the palace",
                                             directory_, poison_));
  }
  AEON_ASSIGN(const bool changed, refresh());
  if (changed) {
    return fail(Errc::version_conflict,
                fmt::format("{}: another process changed the manifest meanwhile", directory_));
  }
  assert(next.palace == state_.palace);
  next.sequence = state_.sequence + 1;
  AEON_ASSIGN(const auto record,
              format::encode_record(next, position_.chain, position_.file_number, end_));
  const bool grown = end_ + record.size() > std::max(kReplaceBytes, 4 * record.size());
  if (grown || !ours_ || note_.bytes != 0) return replace(next);
  return append_in_place(next, record);
}

Status Manifest::make_durable() {
  AEON_TRY(refresh());
  if (ours_ || durable_) return {};
  if (auto status = file_->sync(); !status) return poison(std::move(status).error());
  file_->drop_cache();
  const auto kept = load(position_.file_number, false);
  // A sync that failed before may have left a record in the cache alone: it is written anew.
  if (!kept || kept->position != position_) return replace(state_);
  if (auto status = os_->sync_directory(directory_); !status) {
    return poison(std::move(status).error());
  }
  durable_ = true;
  return {};
}

Status Manifest::append_in_place(const ManifestState& next, std::string_view record) {
  if (auto status = file_->write_at(as_bytes(record), end_); !status) {
    // No sync has been tried, so the torn tail is all there is to distrust, and the next append
    // goes to a new file.
    if (status.error().code == Errc::disk_full) return status;
    return poison(std::move(status).error());
  }
  if (auto status = file_->sync(); !status) return poison(std::move(status).error());
  state_ = next;
  position_.records += 1;
  position_.chain = format::head_of(record).chain;
  end_ += record.size();
  return {};
}

// Writes and syncs a whole manifest under a name that nobody reads.
Result<std::unique_ptr<File>> Manifest::write_new_file(const std::string& path,
                                                       std::uint64_t number,
                                                       const ManifestState& next,
                                                       std::string_view record) {
  if (os_->exists(path)) AEON_TRY(os_->unlink(path));
  AEON_ASSIGN(auto file, os_->open_file(path, OpenMode::create));
  std::string bytes = format::encode_head(next.palace, number);
  bytes.append(record);
  AEON_TRY(file->write_at(as_bytes(bytes), 0));
  AEON_TRY(file->sync());
  return file;
}

Status Manifest::replace(const ManifestState& next) {
  const std::uint64_t number = position_.file_number + 1;
  const std::string fresh = directory_ + "/manifest.new";
  AEON_ASSIGN(const auto record, format::encode_record(next, position_.chain, number, kPageBytes));
  auto file = write_new_file(fresh, number, next, record);
  if (!file) {
    static_cast<void>(os_->unlink(fresh));  // best effort: the next replacement removes it, too
    if (file.error().code == Errc::disk_full) return std::unexpected(std::move(file).error());
    return poison(std::move(file).error());
  }
  Status status = os_->rename(fresh, path_of(number));
  if (status) status = os_->sync_directory(directory_);
  if (!status) return poison(std::move(status).error());
  // Opened again for its name in messages alone; the file is the same if that fails.
  auto named = os_->open_file(path_of(number), OpenMode::read_write);
  file_ = std::move(named ? *named : *file);
  state_ = next;
  position_ = {.file_number = number, .records = 1, .chain = format::head_of(record).chain};
  end_ = kPageBytes + record.size();
  ours_ = true;
  note_ = {};
  unlink_older(number);
  return {};
}

// Best effort: an older file is never read while a newer one exists.
void Manifest::unlink_older(std::uint64_t number) {
  const auto numbers = list_numbers();
  if (!numbers) return;
  for (const std::uint64_t older : *numbers) {
    if (older < number) static_cast<void>(os_->unlink(path_of(older)));
  }
}

}  // namespace aeon::storage
