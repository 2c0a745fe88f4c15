// One opened palace: what its readers look at, what its writers take turns with, and the thread
// that keeps up with other processes. The work is spread over files by what it does:
//
//   open.cpp        create, open, recover, close
//   commit.cpp      the leader of a group: resolve, append, sync, apply, publish
//   turn.cpp        taking turns at the log with other processes
//   background.cpp  following and settling of its own accord
//   follow.cpp      taking over what other processes committed or settled
//   payload.cpp     payloads that are stored ahead of the commit that names them
//   checkpoint.cpp  settling tails into segments
//   expiry.cpp      forgetting what has expired
//   reclaim_due.cpp what nobody can read any more, and whether it pays to leave it out
//   scrub.cpp       reading settled files again from the device
//   lookaside.cpp   making remembered searches exact
//   unmentioned.cpp ending concepts that nothing mentions any more
//   merge.cpp       merging segments, leaving that out
//   backup.cpp      copies of the palace
//   commit_history.cpp  who changed what, and when
//
// Readers use `view_` and `visible_` only. Everything else belongs to whoever holds a mutex:
// write_mutex_ (apply, log, view changes) or upkeep_mutex_ (one checkpoint at a time; taken first).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "engine/apply.hpp"
#include "engine/catalog.hpp"
#include "engine/changes.hpp"
#include "engine/control.hpp"
#include "engine/copies.hpp"
#include "engine/counters.hpp"
#include "engine/engine_state.hpp"
#include "engine/lookaside/lookaside.hpp"
#include "engine/palace.hpp"
#include "engine/prepare.hpp"
#include "engine/resolve.hpp"
#include "engine/upkeep.hpp"
#include "engine/view.hpp"
#include "storage/epoch.hpp"
#include "storage/held_pointer.hpp"
#include "storage/manifest.hpp"
#include "storage/mutex.hpp"
#include "storage/scrubber.hpp"
#include "wal/commit_queue.hpp"
#include "wal/log_reader.hpp"
#include "wal/log_writer.hpp"

namespace aeon::engine {

using HeldView = storage::HeldPointer<View>;

class CopyTarget;

class Store {
 public:
  [[nodiscard]] static Status create(const std::string& directory, storage::Os& os);
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(const std::string& directory,
                                                           const OpenOptions& options);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  [[nodiscard]] Result<Ack> commit(Batch batch, Durability level);
  [[nodiscard]] Result<StoredPayload> store_payload(ContentType type, std::uint64_t bytes,
                                                    const Palace::PayloadSource& source);
  [[nodiscard]] Status checkpoint(bool merge_all);
  [[nodiscard]] Result<bool> maintain(std::chrono::nanoseconds budget);
  [[nodiscard]] Status purge();
  [[nodiscard]] Result<bool> scrub(std::chrono::nanoseconds budget);
  [[nodiscard]] Result<BackupReport> backup(const std::string& target);
  [[nodiscard]] Result<std::vector<CommitInfo>> commits(CommitNumber after, std::size_t limit);
  [[nodiscard]] Result<std::vector<VersionInfo>> versions(MemoryId id);
  [[nodiscard]] Result<std::unique_ptr<wal::LogReader>> read_log_from_settled();
  [[nodiscard]] Status catch_up();  // to what other processes have written by now
  [[nodiscard]] Status close();
  [[nodiscard]] Result<Stats> stats();
  [[nodiscard]] Result<VerifyReport> verify();

  // Readers, wait-free. The view is alive inside `guard`, or as long as it is held.
  [[nodiscard]] storage::EpochDomain::Guard enter() const { return epochs_.enter(); }
  // The commit number is read first: every view published after it holds that commit, so any view
  // loaded later does. (3), (4) in publish().
  [[nodiscard]] CommitNumber visible() const noexcept {
    return visible_.load(std::memory_order_acquire);  // (4)
  }
  // What readers compare expiry times with; kBeginningOfTime when nothing can have expired, which
  // costs no look at the clock.
  [[nodiscard]] TimeNs expiry_now() const noexcept {
    // Relaxed: lowered before the commit that brought the expiry was published, (3).
    const TimeNs next = next_expiry_.load(std::memory_order_relaxed);
    if (next == kEndOfTime) return kBeginningOfTime;
    const TimeNs now = os_.wall_time_ns();
    return next <= now ? now : kBeginningOfTime;
  }
  [[nodiscard]] const View& view() const noexcept { return *view_.look(); }
  // The newest view, to be given to drop_view().
  [[nodiscard]] const View* hold_view() const noexcept { return view_.hold(epochs_); }
  void drop_view(const View* view) const noexcept { view_.drop(view); }
  [[nodiscard]] const Catalog& catalog() const noexcept { return catalog_; }
  // What readers remember for each other.
  [[nodiscard]] engine::Lookaside& lookaside() const noexcept { return lookaside_; }

  // Snapshots that are held, for stats.
  void note_hold(int change) const noexcept {
    holds_.fetch_add(static_cast<std::uint64_t>(std::int64_t{change}), std::memory_order_relaxed);
  }

 private:
  // Where a rotation goes: behind what is there, or into a new file that never held anything.
  enum class LogFile : std::uint8_t { same, fresh };
  // A commit on its way through the queue.
  struct Pending : wal::CommitQueue::Waiter {
    Pending(const PreparedBatch* batch, Durability wanted)
        : Waiter(batch == nullptr ? 0 : batch->payload_bytes), prepared(batch), level(wanted) {}
    const PreparedBatch* prepared;  // null: a rotation
    Durability level;
    LogFile log_file = LogFile::same;  // of a rotation
    Resolved resolved;
    wal::PreparedCommit frame;
    Ack ack;
    std::optional<Error> error;
  };
  Store(storage::Os& os, std::string directory, OpenOptions options, storage::Manifest manifest);

  // open.cpp
  Status load_manifest() AEON_REQUIRES(write_mutex_);
  Status load_spaces(const View& loaded, CommitNumber commit) AEON_REQUIRES(write_mutex_);
  [[nodiscard]] Error explained(Error error) const AEON_REQUIRES(write_mutex_);
  Status recover() AEON_REQUIRES(write_mutex_);
  Status recover_alone() AEON_REQUIRES(write_mutex_);
  Result<bool> enter_presence() AEON_REQUIRES(write_mutex_);
  Result<bool> lock_presence();
  Status settle_doubt() AEON_REQUIRES(write_mutex_);
  Status read_to_end() AEON_REQUIRES(write_mutex_);
  Status remove_orphans() AEON_REQUIRES(write_mutex_);
  Status append_closing_frame() AEON_REQUIRES(write_mutex_);

  // background.cpp
  Status start_background();
  void stop_background();
  void abandon_background();
  void wake_follower();
  void run_follower();
  void follow_or_wait() noexcept;
  [[nodiscard]] Upkeep::Again spare_slice();
  [[nodiscard]] Upkeep::Again settle_slice();
  [[nodiscard]] Upkeep::Again reclaim_slice();
  [[nodiscard]] Upkeep::Again age_slice();
  [[nodiscard]] bool tail_is_full();

  // turn.cpp
  class Wait;
  Status take_turn() AEON_REQUIRES(write_mutex_);
  [[nodiscard]] bool is_turn_wanted() const noexcept;
  Status prepare_turn(ControlBlock& control) AEON_REQUIRES(write_mutex_);
  void end_turn() AEON_REQUIRES(write_mutex_);
  void release_turn() AEON_REQUIRES(write_mutex_);
  [[nodiscard]] bool is_alone() const noexcept AEON_REQUIRES(write_mutex_);
  [[nodiscard]] bool find_alone(std::int64_t now) AEON_REQUIRES(write_mutex_);
  [[nodiscard]] bool look_after_turn();

  // commit.cpp
  void link(PreparedBatch& prepared);
  [[nodiscard]] Status submit(Pending& pending);
  void lead();
  Status lead_or_fail(std::span<wal::CommitQueue::Waiter* const> group) AEON_REQUIRES(write_mutex_);
  Status lead_group(std::span<wal::CommitQueue::Waiter* const> group) AEON_REQUIRES(write_mutex_);
  Status write_group(std::span<Pending* const> accepted) AEON_REQUIRES(write_mutex_);
  Status append_group(std::span<Pending* const> accepted) AEON_REQUIRES(write_mutex_);
  [[nodiscard]] std::vector<Pending*> resolve_group(std::span<Pending* const> group)
      AEON_REQUIRES(write_mutex_);
  Status sync_and_apply(std::span<Pending* const> accepted) AEON_REQUIRES(write_mutex_);
  Status apply_group(std::span<Pending* const> accepted) AEON_REQUIRES(write_mutex_);
  void publish_group(std::span<Pending* const> applied) AEON_REQUIRES(write_mutex_);
  void ask_for_upkeep() AEON_REQUIRES(write_mutex_);
  void poison(const Error& error) AEON_REQUIRES(write_mutex_);
  [[nodiscard]] Status refuse_after_fork() const;
  [[nodiscard]] Status refuse_if_read_only() const AEON_REQUIRES(write_mutex_);

  // follow.cpp
  Status follow_to(CommitNumber last) AEON_REQUIRES(write_mutex_);
  Status follow_log(CommitNumber last, bool& gone) AEON_REQUIRES(write_mutex_);
  Status follow_written() AEON_REQUIRES(write_mutex_);
  [[nodiscard]] Status check_closing(std::string_view payload) const AEON_REQUIRES(write_mutex_);
  // Publishes the commits up to this one; apply_frame() applied them.
  void publish(CommitNumber commit) AEON_REQUIRES(write_mutex_) {
    visible_.store(commit, std::memory_order_release);  // (3)
  }
  Status apply_frame(const wal::CommitHeader& header, std::string_view payload,
                     const wal::LogPosition& after) AEON_REQUIRES(write_mutex_);
  Status adopt_manifest() AEON_REQUIRES(write_mutex_);
  Status adopt_newest() AEON_REQUIRES(write_mutex_);
  Status adopt_state() AEON_REQUIRES(write_mutex_);
  Status adopt_blobs() AEON_REQUIRES(write_mutex_);
  Status find_blobs(const std::vector<std::uint64_t>& files) AEON_REQUIRES(write_mutex_);

  Status with_newest_manifest(Status (Store::*step)()) AEON_REQUIRES(write_mutex_);
  Status load_and_follow() AEON_REQUIRES(write_mutex_);
  Status load_newest() AEON_REQUIRES(write_mutex_);
  Status reload() AEON_REQUIRES(write_mutex_);
  void publish_view(std::unique_ptr<View> view) AEON_REQUIRES(write_mutex_);
  void free_views() noexcept;
  Status rotate_tails() AEON_REQUIRES(write_mutex_);
  void wake_followers() AEON_REQUIRES(write_mutex_);
  [[nodiscard]] bool is_behind() const noexcept;
  Result<std::map<std::uint64_t, std::shared_ptr<const BlobFile>>> open_blobs(const View* known)
      AEON_REQUIRES(write_mutex_);
  Result<std::vector<std::shared_ptr<const SegmentView>>> open_segments(const View* known)
      AEON_REQUIRES(write_mutex_);

  // verify.cpp
  Status verify_log(VerifyReport& report) AEON_REQUIRES(write_mutex_);
  Status read_log(VerifyReport& report) AEON_REQUIRES(write_mutex_);

  // payload.cpp
  [[nodiscard]] Status check_payloads(const Batch& batch) const;
  [[nodiscard]] Result<std::uint64_t> reserve_file();
  Status publish_payload(const storage::SegmentInfo& file);
  Status remove_staged() AEON_REQUIRES(write_mutex_);
  Status remove_unnamed_payloads() AEON_REQUIRES(write_mutex_);
  [[nodiscard]] std::string staging() const { return directory_ + "/staging"; }

  // The upkeep lock, in this process and among processes, for as long as it lives; other processes
  // are waited for as long as `patience_ns`. status(): busy when one of them has it, read_only.
  class AEON_SCOPED_CAPABILITY UpkeepLock {
   public:
    UpkeepLock(Store& store, std::int64_t patience_ns) AEON_ACQUIRE(store.upkeep_mutex_);
    ~UpkeepLock() AEON_RELEASE();
    UpkeepLock(const UpkeepLock&) = delete;
    UpkeepLock& operator=(const UpkeepLock&) = delete;
    [[nodiscard]] const Status& status() const noexcept { return status_; }

   private:
    Store& store_;
    Status status_;
  };

  // checkpoint.cpp
  [[nodiscard]] Status take_upkeep(std::int64_t patience_ns);
  Status begin_upkeep();
  Status prepare_spare(std::uint64_t bytes);
  Status settle(LogFile log_file);
  Result<bool> settle_or_merge();
  [[nodiscard]] bool shows(const storage::SegmentInfo& info) const;  // as part of the view
  Status publish_manifest(storage::ManifestState state);
  Status retire_logs(std::uint64_t first_kept, bool recyclable);

  // expiry.cpp
  Status load_expiry() AEON_REQUIRES(write_mutex_);
  [[nodiscard]] Upkeep::Again expiry_slice();
  Result<TimeNs> expire_due();

  // scrub.cpp
  [[nodiscard]] Upkeep::Again scrub_slice();
  [[nodiscard]] std::vector<storage::Scrubber::Item> scrub_items() const;
  Result<bool> take_scrub_lock() AEON_REQUIRES(scrub_mutex_);
  Result<bool> scrub_step(std::uint64_t bytes) AEON_REQUIRES(scrub_mutex_);
  [[nodiscard]] ScrubStats scrub_stats() const;

  // unmentioned.cpp
  Status end_unmentioned();

  // lookaside.cpp
  [[nodiscard]] Upkeep::Again lookaside_slice();
  Result<bool> make_one_exact();
  Result<bool> make_exact(std::int64_t until_ns);

  // merge.cpp
  // What is readable, and what could be given up.
  struct HistoryNeeds {
    TimeNs keep = kDefaultHistory;
    CommitNumber horizon = 0;         // that the next merge may apply
    std::uint64_t ended_by_then = 0;  // versions
    std::uint64_t droppable = 0;      // versions that a whole merge would drop, after a checkpoint
    std::uint64_t stored = 0;         // versions that files or tails hold
    std::uint64_t erasures = 0;       // whose bytes may still be in a file
    std::uint64_t copied_bytes = 0;   // of files that a whole merge writes anew
    std::uint64_t payload_bytes = 0;  // of payloads in files of their own, which it does not
    bool wants_mark = false;          // versions ended a while ago, and no mark says so
  };
  Result<EngineState> engine_state() const AEON_REQUIRES(write_mutex_);
  Result<HistoryNeeds> history_needs() AEON_REQUIRES(write_mutex_);
  [[nodiscard]] bool wants_mark(TimeNs keep, const Counters& settled) AEON_REQUIRES(write_mutex_);
  [[nodiscard]] static bool may_reclaim(const HistoryNeeds& needs) noexcept;
  [[nodiscard]] static bool pays_in_versions(const HistoryNeeds& needs) noexcept;
  Result<bool> pays_to_reclaim(const HistoryNeeds& needs);
  Result<std::uint64_t> ended_payload_bytes(CommitNumber as_of);
  // Whether blob files that lost some of their records stay as they are (reclaim.hpp).
  enum class Holes : std::uint8_t { stay, close };
  Result<bool> merge_tiers();
  Status merge_whole(Holes holes = Holes::stay);
  Status merge(std::size_t count, Holes holes = Holes::stay);
  Result<bool> reclaim();
  Status purge_files();
  Result<bool> is_log_clean(std::uint64_t first_log) AEON_REQUIRES(write_mutex_);

  // commit_history.cpp
  Result<std::vector<wal::CommitHeader>> headers_after(CommitNumber after, std::size_t limit);

  // backup.cpp
  Status copy_to(CopyTarget& copy);
  Result<CommitNumber> last_to_copy();
  Result<storage::ManifestState> state_to_copy();
  [[nodiscard]] Result<storage::Hash128> settled_chain_at(CommitNumber commit) const;

  storage::Os& os_;
  const std::string directory_;
  const OpenOptions options_;
  const storage::PalaceUuid palace_;
  const std::uint32_t process_;  // that opened it
  const std::uint64_t author_;   // names this opening in commit headers
  const wal::LogPlace log_place_;
  std::unique_ptr<Control> control_;  // null when read-only
  mutable engine::Lookaside lookaside_;

  Catalog catalog_;  // written under write_mutex_
  mutable storage::EpochDomain epochs_;
  // (3) stores synchronize-with (4): everything of the commit was applied before.
  std::atomic<CommitNumber> visible_{0};
  HeldView view_;
  // No memory that is visible expires before it. Written under write_mutex_.
  std::atomic<TimeNs> next_expiry_{kEndOfTime};
  mutable std::atomic<std::uint64_t> holds_{0};

  wal::CommitQueue queue_;

  storage::Mutex upkeep_mutex_;
  storage::Mutex write_mutex_;
  storage::Manifest manifest_ AEON_GUARDED_BY(write_mutex_);
  Counters counters_ AEON_GUARDED_BY(write_mutex_);
  NameNumbers name_numbers_ AEON_GUARDED_BY(write_mutex_);
  wal::LogPosition position_ AEON_GUARDED_BY(write_mutex_);  // behind the last applied frame
  // By the last commit of each frozen tail: where the log goes on after it.
  std::map<CommitNumber, wal::LogPosition> rotations_ AEON_GUARDED_BY(write_mutex_);
  std::unique_ptr<wal::LogReader> reader_ AEON_GUARDED_BY(write_mutex_);
  std::unique_ptr<wal::LogWriter> writer_ AEON_GUARDED_BY(write_mutex_);
  std::string read_only_reason_ AEON_GUARDED_BY(write_mutex_);
  bool damaged_log_ AEON_GUARDED_BY(write_mutex_) = false;
  bool cleanly_closed_ AEON_GUARDED_BY(write_mutex_) = false;  // no frame since the closing frame
  bool opened_clean_ AEON_GUARDED_BY(write_mutex_) = false;
  std::uint64_t bytes_cut_ AEON_GUARDED_BY(write_mutex_) = 0;
  bool recovered_ AEON_GUARDED_BY(write_mutex_) = false;
  bool closed_ AEON_GUARDED_BY(write_mutex_) = false;
  // The manifest record that the view shows; stored under write_mutex_.
  std::atomic<std::uint64_t> adopted_{0};
  CommitNumber durable_ AEON_GUARDED_BY(write_mutex_) = 0;
  // Segments that open_segments() need not open; while a checkpoint publishes them.
  std::vector<std::shared_ptr<const SegmentView>> opened_ahead_ AEON_GUARDED_BY(write_mutex_);

  // turn.cpp
  bool has_turn_ AEON_GUARDED_BY(write_mutex_) = false;    // holds the append lock
  bool keeps_turn_ AEON_GUARDED_BY(write_mutex_) = false;  // and does so between groups
  // `turn` as it was when this opening gave its turn to somebody who waited.
  std::optional<std::uint32_t> turn_given_ AEON_GUARDED_BY(write_mutex_);
  bool turn_was_long_ AEON_GUARDED_BY(write_mutex_) = false;  // the last one had a sync
  std::uint64_t turns_ AEON_GUARDED_BY(write_mutex_) = 0;     // taken so far
  std::uint64_t turns_looked_at_ AEON_GUARDED_BY(write_mutex_) = 0;
  std::int64_t last_turn_ns_ AEON_GUARDED_BY(write_mutex_) = 0;
  std::uint32_t streak_ AEON_GUARDED_BY(write_mutex_) = 0;
  bool alone_ AEON_GUARDED_BY(write_mutex_) = false;  // as of looked_ns_ and arrivals_seen_
  std::int64_t looked_ns_ AEON_GUARDED_BY(write_mutex_) = 0;
  std::uint64_t arrivals_seen_ AEON_GUARDED_BY(write_mutex_) = 0;

  storage::Mutex scrub_mutex_;  // taken alone
  storage::Scrubber scrubber_{os_};
  storage::Scrubber::Place scrub_place_ AEON_GUARDED_BY(scrub_mutex_);
  bool scrubs_ AEON_GUARDED_BY(scrub_mutex_) = false;  // holds the lock

  bool has_threads_ = false;  // fixed once open() returns
  // The threads' own: (25) stops them, (29) asks; each store synchronizes-with the load that has
  // the next number.
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> spare_bytes_{0};  // of a log file to be made ahead; 0: none
  std::uint64_t spare_asked_for_ AEON_GUARDED_BY(write_mutex_) = 0;  // the log number then
  std::uint64_t ended_asked_ AEON_GUARDED_BY(write_mutex_) = 0;      // versions ended by then
  bool merges_on_ = false;                    // this and the following: on the pool's thread only
  int settle_failures_ = 0;                   // in a row
  bool scrub_rested_ = false;                 // since it was opened
  bool reclaim_rested_ = false;               // since it was found to be due
  std::chrono::nanoseconds reclaim_rest_{0};  // before the next
  std::thread follower_;
  // The tasks of upkeep_, by their numbers.
  enum UpkeepTask : std::size_t {
    kSpareTask,
    kSettleTask,
    kReclaimTask,
    kExpiryTask,
    kAgeTask,
    kLookasideTask,
    kScrubTask
  };
  std::unique_ptr<Upkeep> upkeep_;  // null without background threads
};

}  // namespace aeon::engine
