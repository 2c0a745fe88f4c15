#include "engine/copy_target.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "engine/copy_place.hpp"
#include "storage/codec.hpp"

namespace aeon::engine {

namespace {

// Says that a directory is a copy in the making; gone once it is a palace.
constexpr std::string_view kMarker = "copying";
constexpr std::size_t kCopyBytes = std::size_t{1} << 20;
constexpr std::size_t kGroupBytes = std::size_t{4} << 20;

bool is_settled_file(std::string_view name) {
  return storage::file_number(name, "seg") != 0 || storage::file_number(name, "blob") != 0;
}

// Names that a copy in the making may have.
bool is_of_a_copy(std::string_view name) {
  constexpr std::array<std::string_view, 4> kLogs = {"log", "spare", "next", "fill"};
  return name == kMarker || name.starts_with("control") || name == "manifest.new" ||
         is_settled_file(name) || std::ranges::any_of(kLogs, [name](std::string_view prefix) {
           return storage::file_number(name, prefix) != 0;
         });
}

bool holds_manifest(const std::vector<std::string>& names) {
  return std::ranges::any_of(
      names, [](const std::string& name) { return storage::file_number(name, "manifest") != 0; });
}

// Whether a failed link says that this file can't be shared, though it may be read and copied.
bool must_be_copied(const Error& error) {
  constexpr std::array<int, 6> kCodes = {EXDEV, EPERM, EACCES, EMLINK, EOPNOTSUPP, ENOSYS};
  return std::ranges::count(kCodes, error.os_errno) != 0;
}

std::string_view prefix_of(storage::FileKind kind) {
  return kind == storage::FileKind::segment ? "seg" : "blob";
}

}  // namespace

CopyTarget::CopyTarget(storage::Os& os, const std::string& source, std::string directory,
                       storage::PalaceUuid palace)
    : os_(os),
      source_(source),
      directory_(without_last_slash(std::move(directory))),
      palace_(palace),
      log_place_{directory_, palace} {}

Result<std::unique_ptr<CopyTarget>> CopyTarget::open(storage::Os& os, const std::string& source,
                                                     const std::string& directory,
                                                     storage::PalaceUuid palace) {
  std::unique_ptr<CopyTarget> target(new CopyTarget(os, source, directory, palace));
  AEON_TRY(check_copy_place(os, source, target->directory_));
  AEON_TRY(target->enter());
  return target;
}

// What was brought for a record that never came is of no use to anybody.
CopyTarget::~CopyTarget() {
  if (!may_tidy_) return;
  if (manifest_) {
    (void)remove_unnamed(manifest_->state());
    return;
  }
  // The next call begins again. The directory stays: it was there before, or is empty now.
  const auto names = os_.list_directory(directory_);
  if (!names || holds_manifest(*names)) return;
  control_.reset();
  for (const std::string& name : *names) {
    if (is_of_a_copy(name) && name != kMarker) (void)os_.unlink(path(name));
  }
  (void)os_.unlink(path(kMarker));
}

Status CopyTarget::enter() {
  if (!os_.exists(directory_)) AEON_TRY(os_.make_directory(directory_));
  AEON_ASSIGN(const auto names, os_.list_directory(directory_));
  if (!holds_manifest(names)) return enter_new(names);
  auto manifest = storage::Manifest::open(os_, directory_, true);
  if (!manifest) return std::unexpected(std::move(manifest).error());
  if (manifest->state().palace != palace_) {
    return fail(
        Errc::foreign_file,
        fmt::format("{} holds another palace, not a copy of {}; name a directory of its own",
                    directory_, source_));
  }
  return enter_existing();
}

Status CopyTarget::enter_new(const std::vector<std::string>& names) {
  const bool half_made = std::ranges::count(names, kMarker) != 0;
  for (const std::string& name : names) {
    if (half_made && is_of_a_copy(name)) continue;
    return fail(Errc::already_exists,
                fmt::format("{} is not empty and holds no copy of {} ({} is there); name a new "
                            "directory",
                            directory_, source_, name));
  }
  // Durable before anything else, or power loss may leave files that nobody dares to touch.
  AEON_TRY(os_.open_file(path(kMarker), storage::OpenMode::open_or_create));
  AEON_TRY(os_.sync_directory(directory_));
  may_tidy_ = true;
  AEON_ASSIGN(control_, Control::open(os_, directory_));
  AEON_ASSIGN(const bool alone,
              control_->try_lock(LockByte::presence, storage::LockMode::exclusive));
  if (!alone) {
    may_tidy_ = false;
    return fail(Errc::busy, fmt::format("another process is just making a copy in {}", directory_));
  }
  for (const std::string& name : names) {
    if (name != kMarker && !name.starts_with("control")) AEON_TRY(os_.unlink(path(name)));
  }
  return {};
}

Status CopyTarget::enter_existing() {
  AEON_ASSIGN(control_, Control::open(os_, directory_));
  AEON_ASSIGN(const bool alone,
              control_->try_lock(LockByte::presence, storage::LockMode::exclusive));
  if (!alone) {
    return fail(Errc::busy, fmt::format("{} is open in a process, or is the palace itself; close "
                                        "it there, or name another directory",
                                        directory_));
  }
  AEON_ASSIGN(manifest_, storage::Manifest::open(os_, directory_, false));
  const storage::ManifestState& state = manifest_->state();
  // Whoever had it open may have died without a sync.
  AEON_TRY(wal::distrust_cache(os_, directory_, state.first_log));
  AEON_TRY(manifest_->make_durable());
  EngineState engine;
  if (!decode_engine_state(state.engine_state, engine)) {
    return fail(Errc::damaged,
                fmt::format("{}: the manifest's engine state does not decode; name a new directory",
                            directory_));
  }
  AEON_ASSIGN(const auto reader, wal::LogReader::open(os_, log_place_, engine.position));
  for (;;) {
    AEON_ASSIGN(const auto frame, reader->next());
    if (!frame) break;
  }
  AEON_ASSIGN(const wal::LogEnd end, reader->examine_end());
  AEON_ASSIGN(writer_, wal::LogWriter::open(os_, log_place_, end));
  end_ = CopyEnd{writer_->last_commit(), writer_->position().chain};
  report_.before = end_->commit;
  may_tidy_ = true;
  // A run that was cut off before it removed the marker.
  if (os_.exists(path(kMarker))) AEON_TRY(os_.unlink(path(kMarker)));
  return {};
}

Status CopyTarget::bring(const storage::ManifestState& state, bool lenient) {
  for (const storage::SegmentInfo& info : state.segments) {
    AEON_TRY(bring_file(storage::FileKind::segment, info, lenient));
  }
  for (const storage::BlobFileInfo& blob : state.blobs) {
    AEON_TRY(bring_file(storage::FileKind::blob, blob.file, lenient));
  }
  return {};
}

Status CopyTarget::bring_file(storage::FileKind kind, const storage::SegmentInfo& info,
                              bool lenient) {
  const std::string name = storage::file_name(prefix_of(kind), info.number);
  if (brought_.contains(name)) return {};
  const auto same_number = [&info](const storage::SegmentInfo& known) {
    return known.number == info.number;
  };
  std::optional<storage::SegmentInfo> known;
  if (manifest_) {
    const storage::ManifestState& old = manifest_->state();
    for (const auto& segment : old.segments) {
      if (kind == storage::FileKind::segment && same_number(segment)) known = segment;
    }
    for (const auto& blob : old.blobs) {
      if (kind == storage::FileKind::blob && same_number(blob.file)) known = blob.file;
    }
  }
  if (known && *known != info) {
    return fail(Errc::version_conflict,
                fmt::format("{} was changed by itself since it was made ({} is another file); name "
                            "a new directory",
                            directory_, name));
  }
  const std::string from = source_ + "/" + name;
  const std::string to = path(name);
  if (known && os_.exists(to)) {
    ++report_.files_kept;
    brought_.insert(name);
    return {};
  }
  if (os_.exists(to)) AEON_TRY(os_.unlink(to));  // of a run that was cut off
  Status done = os_.link(from, to);
  const bool copies = !done && must_be_copied(done.error());
  if (copies) done = copy_file(from, to);
  if (!done && done.error().code == Errc::not_found) {
    if (lenient) return {};
    return fail(Errc::missing_file, fmt::format("{}: the file does not exist", from),
                done.error().os_errno);
  }
  AEON_TRY(done);
  AEON_TRY(storage::Segment::open(os_, directory_, palace_, kind, info));
  ++(copies ? report_.files_copied : report_.files_linked);
  if (copies) report_.bytes_copied += info.bytes;
  brought_.insert(name);
  return {};
}

Status CopyTarget::copy_file(const std::string& from, const std::string& to) {
  AEON_ASSIGN(const auto source, os_.open_file(from, storage::OpenMode::read));
  AEON_ASSIGN(const auto target, os_.open_file(to, storage::OpenMode::create));
  std::vector<std::byte> piece(kCopyBytes);
  const auto copy = [&]() -> Status {
    for (std::uint64_t at = 0;; at += piece.size()) {
      AEON_ASSIGN(const std::size_t count, source->read_at(piece, at));
      if (count != 0) AEON_TRY(target->write_at(std::span(piece).first(count), at));
      if (count < piece.size()) return target->sync();
    }
  };
  Status done = copy();
  if (!done) (void)os_.unlink(to);
  return done;
}

// Where the copy's log goes on behind the settled commits of `state`.
Result<wal::LogPosition> CopyTarget::place_in_log(const storage::ManifestState& state) {
  const CommitNumber settled = state.settled_commit;
  if (!end_) {
    return wal::create_log(os_, log_place_, 1, settled + 1, state.epoch, state.settled_chain);
  }
  EngineState old;
  if (settled < manifest_->state().settled_commit ||
      !decode_engine_state(manifest_->state().engine_state, old)) {
    return fail(Errc::version_conflict,
                fmt::format("{} was changed by itself since it was made; name a new directory",
                            directory_));
  }
  if (settled <= end_->commit) {
    AEON_ASSIGN(const auto reader, wal::LogReader::open(os_, log_place_, old.position));
    while (reader->position().next_commit <= settled) {
      AEON_ASSIGN(const auto frame, reader->next(settled));
      if (!frame) break;
    }
    return reader->position();
  }
  AEON_TRY(writer_->rotate(wal::Urgency::ordinary, wal::FileSource::any));
  wal::LogPosition position = writer_->position();
  position.next_commit = settled + 1;
  position.chain = state.settled_chain;
  return position;
}

Status CopyTarget::publish(storage::ManifestState state, EngineState engine, const Frames& frames) {
  AEON_ASSIGN(const wal::LogPosition position, place_in_log(state));
  state.first_log = position.log;
  engine.position = position;
  state.engine_state = encode_engine_state(engine);
  AEON_TRY(os_.sync_directory(directory_));
  if (end_) {
    may_tidy_ = false;  // a failed append leaves it open which files are named
    AEON_TRY(manifest_->append(state));
    may_tidy_ = true;
    AEON_TRY(append(position, frames));
  } else {
    AEON_TRY(append(position, frames));
    AEON_ASSIGN(manifest_, storage::Manifest::create(os_, directory_, state));
    AEON_TRY(os_.unlink(path(kMarker)));
    AEON_TRY(os_.sync_directory(directory_above(directory_)));
  }
  report_.commit = writer_->last_commit();
  AEON_TRY(close_log());
  return remove_unnamed(manifest_->state());
}

// Puts the commits behind what the log holds from `from` on, as the writer of the copy. Each must
// have the chain value that it has in the palace.
Status CopyTarget::append(const wal::LogPosition& from, const Frames& frames) {
  AEON_ASSIGN(const auto reader, wal::LogReader::open(os_, log_place_, from));
  for (;;) {
    AEON_ASSIGN(const auto frame, reader->next());
    if (!frame) break;
  }
  AEON_ASSIGN(const wal::LogEnd end, reader->examine_end());
  AEON_ASSIGN(writer_, wal::LogWriter::open(os_, log_place_, end));
  std::vector<std::pair<wal::CommitHeader, std::vector<std::byte>>> group;
  std::size_t bytes = 0;
  const auto write = [&]() -> Status {
    std::vector<wal::PreparedCommit> commits;
    std::vector<wal::PreparedCommit*> pointers;
    commits.reserve(group.size());
    for (const auto& [header, payload] : group) {
      wal::PreparedCommit& commit = commits.emplace_back();
      commit.payload = payload;
      commit.header = header;
      pointers.push_back(&commit);
    }
    if (!group.empty()) writer_->set_epoch(group.back().first.epoch);
    AEON_TRY(writer_->append(pointers, wal::Urgency::ordinary));
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (commits[i].header == group[i].first) continue;
      return fail(Errc::damaged, fmt::format("{}: commit {} does not follow what the copy holds",
                                             directory_, group[i].first.commit));
    }
    report_.commits += group.size();
    group.clear();
    bytes = 0;
    return {};
  };
  for (;;) {
    AEON_ASSIGN(const auto frame, frames());
    if (!frame) break;
    if (frame->header.commit <= writer_->last_commit() + group.size()) continue;
    if (!group.empty() && frame->header.epoch != group.back().first.epoch) AEON_TRY(write());
    group.emplace_back(frame->header, std::vector(frame->payload.begin(), frame->payload.end()));
    bytes += frame->payload.size();
    if (bytes >= kGroupBytes) AEON_TRY(write());
  }
  AEON_TRY(write());
  return writer_->sync();
}

Status CopyTarget::close_log() {
  const std::string closing = encode_closing(manifest_->position());
  return writer_->append_close(storage::as_bytes(closing));
}

// Unlinks what `state` does not name: files of the state before, and of runs that were cut off.
Status CopyTarget::remove_unnamed(const storage::ManifestState& state) {
  std::set<std::string> named;
  for (const auto& info : state.segments) named.insert(storage::file_name("seg", info.number));
  for (const auto& blob : state.blobs) named.insert(storage::file_name("blob", blob.file.number));
  AEON_ASSIGN(const auto names, os_.list_directory(directory_));
  for (const std::string& name : names) {
    const std::uint64_t log = storage::file_number(name, "log");
    const bool old_log = log != 0 && log < state.first_log;
    if (old_log || (is_settled_file(name) && !named.contains(name))) {
      AEON_TRY(os_.unlink(path(name)));
    }
  }
  return {};
}

}  // namespace aeon::engine
