// The leader of a group: takes the append lock, catches up, resolves what depends on order, appends
// with one write, syncs if anyone asked, applies, publishes.
#include <algorithm>

#include <fmt/format.h>

#include "engine/linking.hpp"
#include "engine/no_memory.hpp"
#include "engine/store.hpp"

namespace aeon::engine {

namespace {

// From this size on a group is applied while the device writes it. To ask for that costs about as
// much as applying this many bytes.
constexpr std::size_t kOverlapBytes = std::size_t{8} << 10;

// Whoever leads must come to its end: without memory for the sentence the error is another.
Error copy_of(const Error& error) noexcept {
  try {
    return error;
  } catch (const std::bad_alloc&) {
    return no_memory().error();
  }
}

}  // namespace

Result<Ack> Store::commit(Batch batch, Durability level) {
  AEON_TRY(refuse_after_fork());
  AEON_TRY(check_payloads(batch));
  AEON_ASSIGN(PreparedBatch prepared, prepare(std::move(batch), catalog_, visible()));
  link(prepared);
  Pending pending(&prepared, level);
  AEON_TRY(submit(pending));
  return std::move(pending.ack);
}

// Searching takes longer than a guard should last, so the view is held.
void Store::link(PreparedBatch& prepared) {
  const CommitNumber commit = visible();
  const auto drop = [this](const View* view) { drop_view(view); };
  const std::unique_ptr<const View, decltype(drop)> held(hold_view(), drop);
  link_rows({*held, catalog_, commit}, prepared);
}

Status Store::submit(Pending& pending) {
  if (queue_.enter(pending) == wal::CommitQueue::Role::leader) lead();
  if (pending.error) return std::unexpected(std::move(*pending.error));
  return {};
}

void Store::lead() {
  const auto group = queue_.take({});
  {
    const storage::MutexLock lock(write_mutex_);
    if (const Status status = lead_or_fail(group); !status) {
      for (wal::CommitQueue::Waiter* waiter : group) {
        auto& pending = static_cast<Pending&>(*waiter);
        if (!pending.error && pending.ack.commit == 0) pending.error = copy_of(status.error());
      }
    }
  }
  queue_.finish();
}

// Whatever happens, the group gets an answer, the lead goes on and the turn ends: a thread that
// left by an exception would block every later commit.
Status Store::lead_or_fail(std::span<wal::CommitQueue::Waiter* const> group) {
  Status status;
  try {
    status = lead_group(group);
  } catch (const std::exception&) {
    // Short enough for no allocation.
    status = std::unexpected(Error{Errc::no_memory, 0, "out of memory"});
    // Whether the group is in the log can't be told any more.
    if (control_->block().writing.load(std::memory_order_relaxed) != 0) poison(status.error());
  }
  if (has_turn_ && !keeps_turn_) release_turn();
  return status;
}

Status Store::lead_group(std::span<wal::CommitQueue::Waiter* const> group) {
  AEON_TRY(refuse_if_read_only());
  AEON_TRY(take_turn());
  std::vector<Pending*> part;
  Status status;
  for (wal::CommitQueue::Waiter* waiter : group) {
    auto* pending = static_cast<Pending*>(waiter);
    // What comes before a rotation into a fresh file stays out of it: it is settled with what is in
    // the files before, and these go.
    if (pending->log_file == LogFile::fresh && !part.empty()) {
      status = write_group(part);
      part.clear();
      if (!status) break;
    }
    part.push_back(pending);
    // A rotation closes its group, so that the log position behind it is known.
    if (pending->prepared != nullptr && waiter != group.back()) continue;
    status = write_group(part);
    part.clear();
    if (!status) break;
  }
  end_turn();
  return status;
}

// The append lock belongs to an open file, which a child shares with its parent: both would hold
// it.
Status Store::refuse_after_fork() const {
  if (os_.process_id() == process_) return {};
  return fail(Errc::closed, fmt::format("{} was opened before this process was forked; open it "
                                        "again here",
                                        directory_));
}

Status Store::refuse_if_read_only() const {
  if (closed_) return fail(Errc::closed, "the palace was closed; open it again");
  if (read_only_reason_.empty()) return {};
  return fail(Errc::read_only,
              fmt::format("{} takes no writes: {}", directory_, read_only_reason_));
}

// Resolves each commit against what the ones before it decided. Those refused get their error and
// are left out; the rest get their frames.
std::vector<Store::Pending*> Store::resolve_group(std::span<Pending* const> group) {
  const Reading reading{view(), catalog_, visible()};
  Draft draft(reading, counters_, name_numbers_);
  std::vector<Pending*> accepted;
  CommitNumber commit = position_.next_commit;
  for (Pending* pending : group) {
    const TimeNs time = os_.wall_time_ns();
    pending->resolved = {};
    Status status;
    if (pending->prepared == nullptr) {
      RecordWriter writer(pending->resolved.payload);
      if (commit == kFirstCommit) writer.found_palace();
      writer.rotate();
      pending->resolved.kinds = writer.kinds();
      pending->resolved.operations = writer.operations();
    } else {
      status = resolve(*pending->prepared, commit, time, draft, pending->resolved);
    }
    if (!status) {
      draft.reject();
      pending->error = status.error();
      continue;
    }
    draft.accept();
    ++commit;
    pending->frame = wal::PreparedCommit::prepare(
        storage::as_bytes(pending->resolved.payload), os_.random_u64(), time, author_,
        pending->resolved.kinds, pending->resolved.operations);
    accepted.push_back(pending);
  }
  return accepted;
}

Status Store::write_group(std::span<Pending* const> group) {
  std::vector<Pending*> accepted = resolve_group(group);
  if (accepted.empty()) return {};
  Status done = append_group(accepted);
  if (!done && done.error().code == Errc::disk_full && read_only_reason_.empty()) {
    // Nothing was written. Whoever frees space may use what is kept back; the others are refused.
    std::vector<Pending*> reclaiming;
    for (Pending* pending : accepted) {
      if (pending->prepared != nullptr && pending->prepared->reclaiming) {
        reclaiming.push_back(pending);
      } else {
        pending->error = done.error();
      }
    }
    accepted = resolve_group(reclaiming);
    if (accepted.empty()) return {};
    done = append_group(accepted);
  }
  if (done) done = sync_and_apply(accepted);
  if (!done) {
    for (Pending* pending : accepted) {
      if (!pending->error) pending->error = done.error();
    }
    return read_only_reason_.empty() ? Status{} : done;
  }
  publish_group(accepted);
  return {};
}

void Store::publish_group(std::span<Pending* const> applied) {
  publish(applied.back()->frame.header.commit);
  durable_ = std::max(durable_, writer_->durable_commit());
  cleanly_closed_ = false;
  ControlBlock& control = control_->block();
  control.log.store(position_.log, std::memory_order_relaxed);
  control.written.store(visible(), std::memory_order_release);  // (1)
  control.durable.store(durable_, std::memory_order_relaxed);
  control.writing.store(0, std::memory_order_release);  // (19)
  for (Pending* pending : applied) {
    pending->ack.commit = pending->frame.header.commit;
    pending->ack.level = pending->level;
    pending->ack.time = pending->frame.header.time_ns;
    pending->ack.ids = std::move(pending->resolved.ids);
  }
  wake_followers();
  ask_for_upkeep();
  if (!has_threads_) free_views();
}

// Upkeep, where there is any, settles a tail that has grown past its budget and fills the file that
// the log will go on in, so that no commit has to wait for that.
void Store::ask_for_upkeep() {
  if (!has_threads_) return;
  if (writer_->past_half() && position_.log != spare_asked_for_) {
    spare_asked_for_ = position_.log;
    spare_bytes_.store(writer_->next_file_bytes(), std::memory_order_release);  // (29)
    upkeep_->ask(kSpareTask);
  }
  if (view().active().bytes() >= options_.checkpoint_bytes) upkeep_->ask(kSettleTask);
  const std::uint64_t ended = counters_.versions - counters_.memories + counters_.erasures;
  if (ended != ended_asked_) upkeep_->ask(kReclaimTask);
  ended_asked_ = ended;
}

// One write for the whole group. On a refusal nothing happened; on any other error the palace is
// read-only from here on.
Status Store::append_group(std::span<Pending* const> accepted) {
  std::vector<wal::PreparedCommit*> frames;
  bool reclaiming = true;
  for (Pending* pending : accepted) {
    frames.push_back(&pending->frame);
    reclaiming = reclaiming && pending->prepared != nullptr && pending->prepared->reclaiming;
  }
  const wal::Urgency urgency = reclaiming ? wal::Urgency::reclaiming : wal::Urgency::ordinary;
  std::atomic<std::uint32_t>& writing = control_->block().writing;
  writing.store(1, std::memory_order_release);  // (19)
  Status status;
  // Such a rotation is a group of its own, see lead_group().
  if (accepted.back()->log_file == LogFile::fresh) {
    status = writer_->rotate(urgency, wal::FileSource::fresh);
  }
  if (status) status = writer_->append(frames, urgency);
  if (!status && !writer_->poison()) {
    writing.store(0, std::memory_order_release);  // (19)
  } else if (!status) {
    poison(*writer_->poison());
  }
  return status;
}

// One sync if any commit of the group asks for it. Nobody sees what is applied before it is
// published, so a large group is applied while the device writes. When the sync fails after that
// the tail holds commits that stay invisible for good: nothing is committed or settled in this
// opening any more.
Status Store::sync_and_apply(std::span<Pending* const> accepted) {
  bool sync = false;
  bool overlap = true;
  std::size_t bytes = 0;
  for (const Pending* pending : accepted) {
    sync = sync || pending->level == Durability::sync;
    overlap = overlap && pending->prepared != nullptr;  // a rotation is for what is durable
    bytes += pending->resolved.payload.size();
  }
  if (!sync) return apply_group(accepted);
  turn_was_long_ = true;
  if (!overlap || bytes < kOverlapBytes) {
    const Status synced = writer_->sync();
    if (synced) return apply_group(accepted);
    poison(synced.error());
    return synced;
  }
  const Counters counters = counters_;
  const wal::LogPosition position = position_;
  writer_->begin_sync();
  const Status applied = apply_group(accepted);
  const Status synced = writer_->sync();
  if (synced) return applied;
  counters_ = counters;
  position_ = position;
  poison(synced.error());
  return synced;
}

Status Store::apply_group(std::span<Pending* const> accepted) {
  wal::LogPosition after = writer_->position();
  for (Pending* pending : accepted) {
    const wal::PreparedCommit& frame = pending->frame;
    after.log = frame.log;
    after.offset = frame.offset + wal::frame_bytes(pending->resolved.payload.size());
    after.next_commit = frame.header.commit + 1;
    after.chain = frame.header.chain;
    const Status applied = apply_frame(frame.header, pending->resolved.payload, after);
    if (!applied) {
      // The commit is in the log and a reopen will show it; this opening can't go on.
      poison(applied.error());
      return applied;
    }
  }
  return {};
}

void Store::poison(const Error& error) {
  if (read_only_reason_.empty()) read_only_reason_ = error.message;
  control_->block().poisoned.store(static_cast<std::uint32_t>(error.os_errno) + 1,
                                   std::memory_order_release);  // (21)
}

}  // namespace aeon::engine
