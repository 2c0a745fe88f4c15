// A palace: one directory that keeps what an agent saw, said and concluded.
//
// Any number of threads may use one Palace, and any number of processes one directory, at the same
// time; the same directory may be opened twice in one process. Writers queue behind each other;
// readers wait for nobody. After fork() the child may read what it had, and must open the palace
// again for everything else; what is left of the old one refuses to write, and closes without a
// trace.
//
// No call throws. Any that returns a Status or a Result may fail with no_memory, also where its
// errors do not name it: what it was to fill may hold anything then, and nothing has changed.
// Where a commit was so far under way that this can't be told, the palace is read-only from then on
// (Stats::read_only_reason), and the next opening shows whether it took effect.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/changes.hpp"
#include "engine/copies.hpp"
#include "engine/model.hpp"
#include "engine/walks.hpp"
#include "storage/result.hpp"

namespace aeon {

namespace storage {
class Os;
}
namespace engine {
class Store;
class View;
struct Reading;
}  // namespace engine

struct OpenOptions {
  bool read_only = false;  // never write a byte, not even to recover
  bool background = true;  // follow other processes and checkpoint from a thread of its own
  std::uint64_t checkpoint_bytes = 64ULL << 20;  // RAM tail size that starts a checkpoint
  // The most that the lookaside buffer may use (docs/lookaside.md); below 1.5 MiB it is off.
  std::uint64_t lookaside_bytes = 32ULL << 20;
  // How much of the settled files is read again from the device in a second, in the background, to
  // find what rots unread (Palace::scrub()). One opening of a palace does it; once a day. 0: never.
  std::uint64_t scrub_bytes_per_second = 4ULL << 20;
  storage::Os* os = nullptr;  // null: the real machine
};

// One instant of a palace. Everything read through it belongs to one commit, and stays so whatever
// is written, checkpointed or compacted meanwhile. Reads are wait-free and thread-safe. A snapshot
// holds segments and tails alive: release it (destroy it) when done; what only it held is given
// back by the palace's threads, or by the next commit where there are none. It must not outlive its
// Palace.
class Snapshot {
 public:
  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();

  [[nodiscard]] CommitNumber commit() const noexcept;

  // The k nearest visible memories, best first. Takes no lock, makes no system call, and allocates
  // nothing once `answer` and the calling thread are warm, but for parsing a filter. Errors:
  // unknown_space, unknown_tenant, wrong_dimension, not_finite, zero_vector, model_mismatch,
  // invalid_argument, invalid_utf8, invalid_json. On error `answer` is unchanged.
  [[nodiscard]] Status recall(const Query& query, Answer& answer) const;

  // recall() for each query; answers[i] is that of queries[i]. What one of them brings from memory
  // serves the others, so many queries by vector alone take less time than one by one; those with
  // a filter or a text gain nothing. The same guarantees; `answers` and the thread are warm once
  // they have seen as many queries. Errors: those of recall(), with the query's place, and
  // invalid_argument when there are not as many answers as queries. On error, answers of other
  // queries may have been filled.
  [[nodiscard]] Status recall_batch(std::span<const Query> queries,
                                    std::span<Answer> answers) const;

  // The version of memory `id` that is visible at this instant. Errors: unknown_id, damaged.
  [[nodiscard]] Status get(MemoryId id, Memory& memory, bool with_vectors = false) const;
  // The content in place, without a copy: valid as long as this snapshot. Nothing when it is
  // compressed (get() reads it then). Pages are checked as they are first read, a stored payload's
  // own hash is not; get() and verify() do that. Errors: unknown_id, damaged.
  [[nodiscard]] Result<std::optional<std::string_view>> view_content(MemoryId id) const;
  // The id of the visible memory with that key. Errors: unknown_id, unknown_tenant.
  [[nodiscard]] Result<MemoryId> find_key(std::string_view tenant, std::string_view key) const;
  // Ids of the visible memories from `after` (exclusive) on, ascending, at most `limit`.
  [[nodiscard]] Status list(MemoryId after, std::size_t limit, std::vector<MemoryId>& ids) const;

  // Up to `count` events of the memory's session that precede it (nearest first), along `next`
  // edges. Forgotten events are skipped, not counted.
  [[nodiscard]] Status backtrack(MemoryId id, std::size_t count, std::vector<Event>& events) const;
  // The same towards later events.
  [[nodiscard]] Status follow(MemoryId id, std::size_t count, std::vector<Event>& events) const;
  // Events of a session in [since, until), by event time then id, at most `limit`. An `until` of
  // kEndOfTime leaves none out.
  [[nodiscard]] Status timeline(std::string_view tenant, std::string_view session, TimeNs since,
                                TimeNs until, std::size_t limit, std::vector<Event>& events) const;
  // Edges at a memory, by type (empty: all), at most `limit`. Edges whose other end is forgotten
  // are left out.
  [[nodiscard]] Status neighbours(MemoryId id, Direction direction, std::string_view type,
                                  std::size_t limit, std::vector<Edge>& edges) const;

  // Walks from `query.from` along edges, at this instant; see WalkQuery for what is walked. Each
  // looks at no more than max_edges edges, whatever the size of the graph, and takes memory for
  // what it meets. Nothing is answered of a memory that is not visible. Errors of all four:
  // unknown_id (a start, or `to`), invalid_argument, invalid_json (the filter), damaged; on error
  // `answer` is unchanged.
  //
  // What is reached within `hops` edges, nearest first, the starts left out.
  [[nodiscard]] Status reach(const WalkQuery& query, WalkAnswer& answer) const;
  // A shortest path from one of the starts to `to`, both ends included; nothing when `hops` edges
  // do not lead there.
  [[nodiscard]] Status path(MemoryId to, const WalkQuery& query, WalkAnswer& answer) const;
  // Spreading activation normalised by degree over `hops` rounds, best first, the starts included
  // (graph/activation.hpp).
  [[nodiscard]] Status activate(const WalkQuery& query, WalkAnswer& answer) const;
  // Personalised PageRank by local push, best first, the starts included (graph/page_rank.hpp).
  [[nodiscard]] Status rank(const WalkQuery& query, WalkAnswer& answer) const;

  // Spaces in the order they were made.
  [[nodiscard]] Result<std::vector<SpaceSpec>> spaces() const;
  [[nodiscard]] Result<std::vector<std::string>> tenants() const;
  // A hash over everything visible (memories, versions, vectors, edges), the same in every process
  // and after every checkpoint, compaction or reopen. Reads the whole palace.
  [[nodiscard]] Result<std::uint64_t> state_hash() const;

 private:
  friend class Palace;
  Snapshot(const engine::Store& store, CommitNumber commit, TimeNs now);
  [[nodiscard]] engine::Reading reading() const noexcept;
  void release() noexcept;
  const engine::Store* store_ = nullptr;
  const engine::View* view_ = nullptr;  // held
  CommitNumber commit_ = 0;
  TimeNs now_ = kBeginningOfTime;  // what has expired by then is not visible
};

class Palace {
 public:
  // Creates the directory (its parent must exist) and an empty palace in it, durably. An empty
  // directory is taken as it is. Errors: already_exists, no_permission, disk_full, and those of
  // creating `spaces`.
  [[nodiscard]] static Result<Palace> create(const std::string& directory,
                                             const std::vector<SpaceSpec>& spaces,
                                             OpenOptions options = {});
  // Opens and recovers. The cost follows the length of the log's tail, not the size of the palace.
  // Errors: not_a_palace, newer_format, damaged, missing_file, foreign_file, no_permission,
  // writer_stopped (a process is stopped while it recovers or closes; reading only is possible).
  [[nodiscard]] static Result<Palace> open(const std::string& directory, OpenOptions options = {});

  // Saves what is readable of the palace in `directory`, whatever is damaged or missing there, into
  // a new palace in `target` (new or empty), and reports each loss. Nothing is changed in
  // `directory`. Memories keep their ids, keys, content, metadata, times and vectors at their
  // stored precision, edges their weight and validity; history before is not kept, ids that were
  // ever used are not given again. A version is saved whole or named as lost or partly lost; where
  // the place that may have held newer versions is damaged, older ones are saved and the range of
  // ids is reported. The target gets its name when it is complete; a call that is cut off leaves
  // `target`.repairing. Takes memory for the names, the ids, and the commits of the log. Errors:
  // not_a_palace (nothing readable is left), newer_format, busy (it is open in a process),
  // already_exists, invalid_argument (target inside a palace), those of creating and filling the
  // target.
  [[nodiscard]] static Result<RepairReport> repair(const std::string& directory,
                                                   const std::string& target,
                                                   OpenOptions options = {});

  Palace(Palace&&) noexcept;
  Palace& operator=(Palace&&) noexcept;
  // Closes: what was acknowledged stays, the log gets its synced closing frame.
  ~Palace();
  // As the destructor, with the error that closing met.
  [[nodiscard]] Status close();

  // Makes the batch one commit. Blocks until it is acknowledged at `level`. All operations take
  // effect or none does; an error leaves everything as it was. Visible to every later snapshot of
  // this Palace, and to other processes within 10 ms. Ids that the batch created are in
  // Ack::ids. Errors: those of the operations, read_only, disk_full, writer_stopped.
  [[nodiscard]] Result<Ack> commit(Batch batch, Durability level = Durability::sync);

  // Fills the buffer from a payload's next bytes and returns how many came; 0 ends it.
  using PayloadSource = std::function<Result<std::size_t>(std::span<std::byte>)>;
  // Puts a payload of `bytes` bytes (up to kMaxPayloadBytes; above kMaxInlineBytes there is no
  // other way) on the device, with the memory of one piece, for NewMemory::payload of a later
  // commit. It is durable on return, and nobody's until a commit names it; its space is taken until
  // then too. Stored raw, so that Snapshot::view_content() reads it in place. Runs beside readers
  // and writers, waits for a checkpoint that is under way. Errors: too_large, invalid_utf8 (for
  // text), invalid_argument (the source ended early), those of the source, busy, read_only,
  // disk_full; nothing is left behind.
  [[nodiscard]] Result<StoredPayload> store_payload(ContentType type, std::uint64_t bytes,
                                                    const PayloadSource& source);
  [[nodiscard]] Result<StoredPayload> store_payload(ContentType type, std::string_view content);

  // The newest instant this Palace has seen, own commits included. Wait-free, allocates nothing.
  [[nodiscard]] Snapshot snapshot() const;
  // Recall at that instant, see Snapshot::recall.
  [[nodiscard]] Status recall(const Query& query, Answer& answer) const;
  [[nodiscard]] Status recall_batch(std::span<const Query> queries,
                                    std::span<Answer> answers) const;
  // First takes over what other processes committed. May wait for the disk.
  [[nodiscard]] Result<Snapshot> fresh_snapshot();
  // An earlier instant, as it was then: what has expired since is shown. Errors: invalid_argument
  // (in the future), too_old (see Batch::set_history).
  [[nodiscard]] Result<Snapshot> snapshot_at(CommitNumber commit) const;

  // Settles everything committed so far into segments and retires the log before it. Runs beside
  // readers and writers. Errors: busy (another process does it now), read_only, disk_full.
  [[nodiscard]] Status checkpoint();
  // As checkpoint(), then merges all segments into one and drops from it what the history policy
  // lets go.
  [[nodiscard]] Status compact();

  // Does upkeep that is due (checkpoints, merges, giving up what ended), for hosts that open a
  // palace without background work, in steps until `budget` is used up; a step that was begun is
  // finished. True while more is due. Errors: busy (another process does it), read_only, disk_full,
  // damaged.
  [[nodiscard]] Result<bool> maintain(std::chrono::nanoseconds budget);
  // Returns once no file of the directory holds a byte of what was erased before the call, so that
  // it is gone for good; it needs no call, since the palace's threads do the same in the background
  // (Stats::erasures_pending). Contents that merges left out before, of memories that were
  // superseded or forgotten and never erased, go from the blob files as well; the threads leave
  // those until it pays to write the files anew. Checkpoints, merges all segments and replaces the
  // log's files, beside readers and writers; what an open snapshot still reads has no name any
  // more. Errors: busy (another process does upkeep for more than a minute), read_only, disk_full,
  // damaged (what can't be read can't be rewritten: see verify()).
  [[nodiscard]] Status purge();

  // Makes `directory` a copy of this palace, or brings a copy of it up to date: a palace of its own
  // that holds a beginning of this one's history, with every commit that was durable when the call
  // began. To restore, open it or copy it back. Runs beside readers and writers of any process;
  // checkpoints wait while the newest part is taken over. `directory` is new (its parent must
  // exist), empty, or a copy that took no commit of its own. Settled files are hard links where the
  // file system can, else copies, and only those that are new are brought; log, manifest and
  // control file are the copy's own, so that writing to one palace never changes the other. A call
  // that is cut off leaves a new copy unfinished (no palace; the next call completes it) and an
  // existing one as it was, or further on in the same history. Durable on return. What is erased
  // here later stays in copies made before. Opened read-only, the palace may be copied up to
  // commits that a power loss takes from the original. Errors: invalid_argument (the palace itself,
  // or a place inside of one), already_exists (something else is there), foreign_file (another
  // palace), version_conflict (it has commits of its own, or was compacted), busy (it is open, or
  // checkpoints do not end), damaged, not_found, no_permission, disk_full, io_error.
  [[nodiscard]] Result<BackupReport> backup(const std::string& directory);

  // Headers of the commits after `after`, ascending, at most `limit`, those of other processes
  // included: who committed, when, how much. Those that the history policy lets go are left out.
  // Errors: damaged, those of reading.
  [[nodiscard]] Result<std::vector<CommitInfo>> commits(CommitNumber after, std::size_t limit);
  // The versions of a memory that are kept, newest first, its ends included. Errors: unknown_id
  // (there never was one, or nothing of it is kept), damaged, those of reading.
  [[nodiscard]] Result<std::vector<VersionInfo>> versions(MemoryId id);
  // What every commit after `after` changed, as a feed that may be asked again and again. Errors:
  // invalid_argument (in the future), too_old.
  [[nodiscard]] Result<ChangeFeed> changes_after(CommitNumber after);

  // Goes on with a pass over the settled files at full speed until `budget` is used up; true when
  // the pass came to its end, false when more is left. Every page is read from the device (where
  // the file system can do that), whatever memory holds of it, and compared with its sum. What does
  // not match is in Stats::scrub and stays there until the file is read again or replaced. Reads go
  // on as they did: what they hold in memory was checked when it was brought there. Runs beside
  // readers and writers. Errors: busy (another opening scrubs), those of reading.
  [[nodiscard]] Result<bool> scrub(std::chrono::nanoseconds budget);

  [[nodiscard]] Result<Stats> stats() const;
  // Reads every byte, checks every sum and invariant.
  [[nodiscard]] Result<VerifyReport> verify() const;

 private:
  explicit Palace(std::unique_ptr<engine::Store> store);
  std::unique_ptr<engine::Store> store_;
};

}  // namespace aeon
