// Creating, opening, recovering and closing a palace.
//
// Whoever opens a palace that nobody else has open (an exclusive lock on the presence byte tells)
// trusts nothing but manifest and log: it reads the log to its end, cuts a torn tail, and sets up
// the control block anew. Whoever finds others there reads up to what the control block says is
// written; those others keep it right, and the death of one of them in the middle of a group shows
// in `writing`, which the next holder of the append lock clears up.
#include <fmt/format.h>

#include "engine/engine_state.hpp"
#include "engine/no_memory.hpp"
#include "engine/store.hpp"

namespace aeon::engine {

namespace {

// Each is one process that died while it recovered, or one that shares no version with this one.
constexpr int kMostAttempts = 1000;
// How long an opening waits for one that recovers the palace, or closes it, and how often it looks.
constexpr std::int64_t kEntryTimeoutNs = 20'000'000'000;
constexpr std::int64_t kEntryPollNs = 500'000;

Status make_directory(storage::Os& os, const std::string& directory) {
  if (!os.exists(directory)) return os.make_directory(directory);
  AEON_ASSIGN(const auto names, os.list_directory(directory));
  if (names.empty()) return {};
  for (const std::string& name : names) {
    if (storage::file_number(name, "manifest") != 0) {
      return fail(Errc::already_exists, fmt::format("{} holds a palace already", directory));
    }
  }
  return fail(Errc::already_exists,
              fmt::format("{} is not empty; a palace needs a directory of its own", directory));
}

}  // namespace

Status Store::create(const std::string& directory, storage::Os& os) {
  AEON_TRY(make_directory(os, directory));
  const storage::PalaceUuid palace{os.random_u64(), os.random_u64()};
  storage::ManifestState state;
  state.palace = palace;
  state.created_ns = os.wall_time_ns();
  state.first_log = 1;
  state.settled_chain = wal::genesis_chain(palace);
  EngineState engine;
  AEON_ASSIGN(engine.position,
              wal::create_log(os, {directory, palace}, 1, 1, 0, state.settled_chain));
  state.engine_state = encode_engine_state(engine);
  // The manifest comes last: a directory without one is no palace, whatever else it holds.
  AEON_ASSIGN([[maybe_unused]] const auto manifest,
              storage::Manifest::create(os, directory, std::move(state)));
  const std::size_t slash = directory.find_last_of('/', directory.size() - 2);
  return os.sync_directory(slash == std::string::npos ? "." : directory.substr(0, slash + 1));
}

Store::Store(storage::Os& os, std::string directory, OpenOptions options,
             storage::Manifest manifest)
    : os_(os),
      directory_(std::move(directory)),
      options_(options),
      palace_(manifest.state().palace),
      process_(os.process_id()),
      author_(os.random_u64()),
      log_place_{directory_, palace_},
      lookaside_(options_.lookaside_bytes),
      manifest_(std::move(manifest)) {}

Result<std::unique_ptr<Store>> Store::open(const std::string& directory,
                                           const OpenOptions& options) {
  storage::Os& os = options.os != nullptr ? *options.os : storage::real_os();
  AEON_ASSIGN(storage::Manifest manifest,
              storage::Manifest::open(os, directory, options.read_only));
  std::unique_ptr<Store> store(new Store(os, directory, options, std::move(manifest)));
  {
    const storage::MutexLock lock(store->write_mutex_);
    if (Status recovered = store->recover(); !recovered) {
      return std::unexpected(store->explained(std::move(recovered).error()));
    }
    store->recovered_ = true;
  }
  if (options.background && !options.read_only) AEON_TRY(store->start_background());
  return store;
}

// Everything as of the manifest: segments, blobs, spaces, counters, an empty tail.
Status Store::load_manifest() {
  const storage::ManifestState& state = manifest_.state();
  EngineState engine;
  if (!decode_engine_state(state.engine_state, engine)) {
    return fail(Errc::damaged,
                fmt::format("{}: the manifest's engine state does not decode", directory_));
  }
  AEON_ASSIGN(auto segments, open_segments(nullptr));
  AEON_ASSIGN(auto blobs, open_blobs(nullptr));
  std::vector<std::shared_ptr<Tail>> tails = {std::make_shared<Tail>(state.settled_commit + 1)};
  auto loaded = std::make_unique<View>(std::move(segments), std::move(blobs), std::move(tails),
                                       state.settled_commit);
  AEON_TRY(load_spaces(*loaded, state.settled_commit));
  publish_view(std::move(loaded));
  adopted_ = state.sequence;
  counters_ = engine.counters;
  position_ = engine.position;
  rotations_.clear();
  AEON_TRY(load_expiry());
  visible_.store(state.settled_commit, std::memory_order_release);  // (3)
  return {};
}

Status Store::load_spaces(const View& loaded, CommitNumber commit) {
  const Reading reading{loaded, catalog_, commit};
  storage::LookupScratch scratch;
  std::string key;
  for (std::uint32_t number = catalog_.count() + 1; number <= kMaxSpaces; ++number) {
    space_key(key, number);
    AEON_ASSIGN(const auto found, reading.find(key, scratch));
    if (!found) break;
    SpaceInfo info;
    info.number = number;
    info.born = found->commit;
    if (!decode_space(found->value, info.spec)) {
      return fail(Errc::damaged,
                  fmt::format("{}: space {} does not decode; run aeon verify", directory_, number));
    }
    catalog_.add(std::move(info));
  }
  return {};
}

// Files that seem to be gone may be those of an older manifest record, when the newest is damaged.
Error Store::explained(Error error) const {
  const storage::RecoveryNote& note = manifest_.recovery_note();
  if (note.bytes == 0 || (error.code != Errc::missing_file && error.code != Errc::too_old)) {
    return error;
  }
  error.message += fmt::format(
      "; {} holds {} bytes at offset {} that are no whole record: the "
      "newest record may be lost there, restore the file from a copy",
      note.path, note.bytes, note.offset);
  return error;
}

Status Store::recover() {
  if (options_.read_only) {
    AEON_TRY(load_newest());
    opened_clean_ = cleanly_closed_;
    read_only_reason_ = "it was opened read-only";
    if (reader_ == nullptr) return {};
    durable_ = reader_->known_durable();
    AEON_ASSIGN(const wal::LogEnd end, reader_->examine_end());
    damaged_log_ = end.kind == wal::LogEndKind::damaged;
    if (damaged_log_) read_only_reason_ = end.message;
    return {};
  }
  AEON_ASSIGN(control_, Control::open(os_, directory_));
  AEON_ASSIGN(const bool alone, enter_presence());
  if (!alone) {
    AEON_TRY(load_newest());
    return settle_doubt();
  }
  AEON_TRY(manifest_.refresh());
  AEON_TRY(recover_alone());
  return control_->lock(LockByte::presence, storage::LockMode::shared);
}

// Takes the presence lock: alone (true), which keeps others out, or among others. Whoever is alone
// recovers or closes; one that was stopped at it can't be told from a slow one, nor passed by.
Result<bool> Store::lock_presence() {
  const std::atomic<std::uint32_t> nobody{0};
  const std::int64_t start = os_.monotonic_ns();
  for (;;) {
    AEON_ASSIGN(const bool alone,
                control_->try_lock(LockByte::presence, storage::LockMode::exclusive));
    if (alone) return true;
    AEON_ASSIGN(const bool among,
                control_->try_lock(LockByte::presence, storage::LockMode::shared));
    if (among) return false;
    if (os_.monotonic_ns() - start > kEntryTimeoutNs) {
      return fail(Errc::writer_stopped,
                  fmt::format("process {} recovers or closes {} and does not come to an end; open "
                              "it read-only meanwhile",
                              control_->block().writer_process.load(std::memory_order_relaxed),
                              directory_));
    }
    os_.wait_on(nobody, 0, kEntryPollNs);
  }
}

// Whether the caller is alone with the palace, and keeps others out until it has recovered; else it
// is among others, and the control block is right. Whoever recovered may have died at it while this
// one waited: then somebody must begin again.
Result<bool> Store::enter_presence() {
  ControlBlock& control = control_->block();
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    AEON_ASSIGN(const bool alone, lock_presence());
    // (10) comes before every look at the control block, see wake_followers(); (11) in is_alone().
    const std::uint64_t before = control.arrivals.fetch_add(1, std::memory_order_seq_cst);
    if (alone) {
      control.writer_process.store(os_.process_id(), std::memory_order_relaxed);
      alone_ = true;
      arrivals_seen_ = before + 1;
      return true;
    }
    // (9) synchronizes-with (8) in Control::reset().
    const bool recovering = control.recovering.load(std::memory_order_acquire) != 0;
    if (!recovering && control_->valid(os_, palace_)) return false;
    control_->unlock(LockByte::presence);
  }
  return fail(Errc::busy, fmt::format("{} is open in a process whose control file this version "
                                      "can't share; close it there first",
                                      directory_));
}

// A process that died in the middle of a group leaves commits of which nobody knows yet whether
// they are in the log. Whoever comes back after its own death must not look before that is settled,
// or it would do again what then turns out to be done. Reads go on where it can't be settled now.
// Where somebody else has just settled it, `written` was raised before `writing` was cleared.
Status Store::settle_doubt() {
  ControlBlock& control = control_->block();
  if (control.writing.load(std::memory_order_acquire) == 0) {           // (20)
    return follow_to(control.written.load(std::memory_order_acquire));  // (2)
  }
  const Status turn = take_turn();
  if (turn) {
    end_turn();
    return {};
  }
  const Errc code = turn.error().code;
  return code == Errc::writer_stopped || code == Errc::read_only ? Status{} : turn;
}

Status Store::recover_alone() {
  AEON_TRY(control_->lock(LockByte::append, storage::LockMode::exclusive));
  control_->block().recovering.store(1, std::memory_order_release);  // (8)
  // Processes of this boot left without closing: a sync of theirs may have failed, and the page
  // cache may show what the device does not have.
  if (control_->valid(os_, palace_) &&
      control_->block().closed.load(std::memory_order_acquire) == 0) {  // (24)
    AEON_TRY(wal::distrust_cache(os_, directory_, manifest_.state().first_log));
  }
  AEON_TRY(load_manifest());
  const Status read = read_to_end();
  if (read) {
    opened_clean_ = cleanly_closed_;
    control_->reset(os_, palace_, visible(), durable_, manifest_.state().sequence);
  }
  control_->unlock(LockByte::append);
  AEON_TRY(read);
  AEON_ASSIGN(const bool taken, control_->try_lock(LockByte::upkeep, storage::LockMode::exclusive));
  if (!taken) return {};
  Status removed = remove_orphans();
  if (removed) removed = remove_staged();
  if (removed) removed = wal::remove_unfinished_spare(os_, directory_);
  if (removed) removed = Control::remove_unfinished(os_, directory_);
  if (removed) removed = remove_unnamed_payloads();
  control_->unlock(LockByte::upkeep);
  return removed;
}

// To the end of the log, whoever wrote it; the caller holds the append lock. A torn tail is cut. A
// damaged log leaves the palace readable up to the damage and takes no more commits.
Status Store::read_to_end() {
  AEON_TRY(follow_to(UINT64_MAX));
  if (reader_ == nullptr || reader_->position() != position_) {
    AEON_ASSIGN(reader_, wal::LogReader::open(os_, log_place_, position_));
    AEON_TRY(reader_->next(UINT64_MAX));
  }
  AEON_ASSIGN(const wal::LogEnd end, reader_->examine_end());
  if (end.kind == wal::LogEndKind::damaged) {
    damaged_log_ = true;
    read_only_reason_ = end.message;
    return {};
  }
  // A writer that died in a rotation leaves a next file without a frame: the log goes on there.
  position_ = end.position;
  cleanly_closed_ = end.kind == wal::LogEndKind::clean_close;
  bytes_cut_ += end.bytes_cut + manifest_.recovery_note().bytes;
  durable_ = std::max(durable_, reader_->known_durable());
  ControlBlock& control = control_->block();
  if (writer_ == nullptr) {
    AEON_ASSIGN(writer_, wal::LogWriter::open(os_, log_place_, end));
  } else {
    AEON_TRY(writer_->skip_to(end, durable_));
  }
  control.log.store(position_.log, std::memory_order_relaxed);
  control.written.store(visible(), std::memory_order_release);  // (1)
  control.writing.store(0, std::memory_order_release);          // (19)
  return {};
}

// Unlinks files that the newest manifest record does not name: a checkpoint that died leaves them.
// The caller holds the upkeep lock, so that no other process is just writing one.
Status Store::remove_orphans() {
  const storage::ManifestState& state = manifest_.state();
  const auto named = [&state](std::string_view name) {
    const auto is = [&](const storage::SegmentInfo& info, std::string_view prefix) {
      return storage::file_number(name, prefix) == info.number;
    };
    return std::ranges::any_of(state.segments, [&](const auto& info) { return is(info, "seg"); }) ||
           std::ranges::any_of(state.blobs,
                               [&](const auto& blob) { return is(blob.file, "blob"); });
  };
  AEON_ASSIGN(const auto names, os_.list_directory(directory_));
  std::vector<std::string> orphans;
  bool old_logs = false;
  for (const std::string& name : names) {
    const bool settled_file =
        storage::file_number(name, "seg") != 0 || storage::file_number(name, "blob") != 0;
    if (settled_file && !named(name)) orphans.push_back(directory_ + "/" + name);
    const std::uint64_t log = storage::file_number(name, "log");
    old_logs = old_logs || (log != 0 && log < state.first_log);
  }
  if (orphans.empty() && !old_logs) return {};
  // The record that no longer names them may be in the page cache alone: power loss would bring
  // the one before back.
  if (!manifest_.make_durable()) return {};
  for (const std::string& path : orphans) AEON_TRY(os_.unlink(path));
  (void)retire_logs(state.first_log, true);  // what stays is met by the next upkeep
  return {};
}

Store::~Store() {
  (void)without_exceptions([this] { return close(); });
  view_.clear();
}

Status Store::close() {
  // The locks are the parent's as much as this process', and so is the right to close.
  if (!refuse_after_fork()) {
    abandon_background();
    return {};
  }
  stop_background();
  // A checkpoint comes to its end first: behind a closed palace it would write beside whoever
  // finds itself alone.
  const storage::MutexLock upkeep(upkeep_mutex_);
  const storage::MutexLock lock(write_mutex_);
  if (closed_) return {};
  closed_ = true;
  if (keeps_turn_) release_turn();
  // Whoever did not get through recovery does not know where the log ends, and writes nothing.
  if (control_ == nullptr || !recovered_) return {};
  // The last one out writes the closing frame; others leave the log as it is.
  control_->unlock(LockByte::presence);
  if (!read_only_reason_.empty()) return {};
  AEON_ASSIGN(const bool alone,
              control_->try_lock(LockByte::presence, storage::LockMode::exclusive));
  if (!alone) return {};
  closed_ = false;  // take_turn refuses a closed palace
  Status status = take_turn();
  if (status) {
    if (cleanly_closed_) {
      control_->block().closed.store(1, std::memory_order_release);  // (23)
    } else {
      status = append_closing_frame();
    }
    end_turn();
  }
  closed_ = true;
  control_->unlock(LockByte::presence);
  return status;
}

// Names the manifest record that was last, so that damage that hides a record is noticed.
Status Store::append_closing_frame() {
  AEON_TRY(manifest_.make_durable());
  const std::string payload = encode_closing(manifest_.position());
  control_->block().writing.store(1, std::memory_order_release);  // (19)
  const Status status = writer_->append_close(storage::as_bytes(payload));
  if (!status) {
    if (writer_->poison()) poison(*writer_->poison());
    return status;
  }
  control_->block().durable.store(writer_->durable_commit(), std::memory_order_relaxed);
  control_->block().writing.store(0, std::memory_order_release);  // (19)
  control_->block().closed.store(1, std::memory_order_release);   // (23)
  cleanly_closed_ = true;
  position_ = writer_->position();
  return {};
}

}  // namespace aeon::engine
