// The leader of a group: takes the append lock, catches up, resolves what depends on order, appends
// with one write, syncs if anyone asked, applies, publishes.
#include <algorithm>

#include <fmt/format.h>

#include "engine/store.hpp"

namespace aeon::engine {

namespace {

// How long a leader waits for another process to give up the append lock before it says so.
constexpr std::int64_t kTurnTimeoutNs = 10'000'000'000;
// A waiter looks again after this long, in case the holder died without waking anyone.
constexpr std::int64_t kTurnPollNs = 1'000'000;
// A mark of another process that is older than this is no longer a wish.
constexpr std::int64_t kWishFadesNs = 5'000'000;
// What the last holder leaves to a process that wants the lock.
constexpr std::int64_t kCourtesyNs = 50'000;

}  // namespace

Result<Ack> Store::commit(Batch batch, Durability level) {
  AEON_ASSIGN(const PreparedBatch prepared, prepare(std::move(batch), catalog_, visible()));
  Pending pending(&prepared, level);
  AEON_TRY(submit(pending));
  return std::move(pending.ack);
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
    if (const Status status = lead_group(group); !status) {
      for (wal::CommitQueue::Waiter* waiter : group) {
        auto& pending = static_cast<Pending&>(*waiter);
        if (!pending.error && pending.ack.commit == 0) pending.error = status.error();
      }
    }
  }
  queue_.finish();
}

Status Store::lead_group(std::span<wal::CommitQueue::Waiter* const> group) {
  AEON_TRY(refuse_if_read_only());
  AEON_TRY(take_turn());
  std::vector<Pending*> part;
  Status status;
  for (wal::CommitQueue::Waiter* waiter : group) {
    part.push_back(static_cast<Pending*>(waiter));
    // A rotation closes its group, so that the log position behind it is known.
    if (part.back()->prepared != nullptr && waiter != group.back()) continue;
    status = write_group(part);
    part.clear();
    if (!status) break;
  }
  end_turn();
  return status;
}

Status Store::refuse_if_read_only() const {
  if (closed_) return fail(Errc::closed, "the palace was closed; open it again");
  if (read_only_reason_.empty()) return {};
  return fail(Errc::read_only,
              fmt::format("{} takes no writes: {}", directory_, read_only_reason_));
}

Status Store::take_turn() {
  ControlBlock& control = control_->block();
  const std::int64_t start = os_.monotonic_ns();
  if (control.writer_process.load(std::memory_order_relaxed) == os_.process_id() &&
      start - control.turn_wanted_ns.load(std::memory_order_relaxed) < kWishFadesNs) {
    // Another process waits and this one had the last turn: let it go first.
    os_.wait_on(control.turn, control.turn.load(std::memory_order_acquire), kCourtesyNs);
  }
  for (;;) {
    const std::uint32_t turn = control.turn.load(std::memory_order_acquire);
    AEON_ASSIGN(const bool taken,
                control_->try_lock(LockByte::append, storage::LockMode::exclusive));
    if (taken) break;
    const std::int64_t now = os_.monotonic_ns();
    if (now - start > kTurnTimeoutNs) {
      return fail(Errc::writer_stopped,
                  fmt::format("process {} holds the append lock of {} and does not move; reads go "
                              "on, commits wait for it",
                              control.writer_process.load(std::memory_order_relaxed), directory_));
    }
    control.turn_wanted_ns.store(now, std::memory_order_relaxed);
    os_.wait_on(control.turn, turn, kTurnPollNs);
  }
  control.writer_process.store(os_.process_id(), std::memory_order_relaxed);
  const Status status = prepare_turn(control);
  if (!status) end_turn();
  return status;
}

// The holder of the append lock gets to the end of the log, whoever wrote it.
Status Store::prepare_turn(ControlBlock& control) {
  if (control.poisoned.load(std::memory_order_acquire) != 0) {
    read_only_reason_ =
        "a write or sync of the log failed in another process; close it everywhere and open it "
        "again";
    return refuse_if_read_only();
  }
  // A holder that died in the middle of a group leaves whole frames, a torn one, or nothing.
  if (control.writing.load(std::memory_order_acquire) != 0) {
    AEON_TRY(read_to_end());
    return refuse_if_read_only();
  }
  const CommitNumber written = control.written.load(std::memory_order_acquire);
  AEON_TRY(follow_to(written));
  if (visible() < written) {
    return fail(Errc::damaged,
                fmt::format("{}: commits {} to {} were written and can't be read back; close it "
                            "everywhere and run aeon verify",
                            directory_, visible() + 1, written));
  }
  // What another process synced while this one looked elsewhere.
  durable_ = std::max(durable_, control.durable.load(std::memory_order_relaxed));
  if (writer_ == nullptr) {
    wal::LogEnd end;
    end.position = position_;
    AEON_ASSIGN(writer_, wal::LogWriter::open(os_, log_place_, end));
  } else if (writer_->position() != position_) {
    AEON_TRY(writer_->skip_to(position_, control.durable.load(std::memory_order_relaxed)));
  }
  return {};
}

void Store::end_turn() {
  ControlBlock& control = control_->block();
  control_->unlock(LockByte::append);
  const std::int64_t wanted = control.turn_wanted_ns.load(std::memory_order_relaxed);
  if (os_.monotonic_ns() - wanted < kWishFadesNs) {
    control.turn.fetch_add(1, std::memory_order_release);
    os_.wake_all(control.turn);
  }
}

// Resolves each commit against what the ones before it decided. Those refused get their error and
// are left out; the rest get their frames.
std::vector<Store::Pending*> Store::resolve_group(std::span<Pending* const> group) {
  const Reading reading{view(), catalog_, visible()};
  Draft draft(reading, counters_);
  std::vector<Pending*> accepted;
  CommitNumber commit = position_.next_commit;
  for (Pending* pending : group) {
    const TimeNs time = os_.wall_time_ns();
    pending->resolved = {};
    Status status;
    if (pending->prepared == nullptr) {
      RecordWriter writer(pending->resolved.payload);
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
  Status appended = append_group(accepted);
  if (!appended && appended.error().code == Errc::disk_full && read_only_reason_.empty()) {
    // Nothing was written. Whoever frees space may use what is kept back; the others are refused.
    std::vector<Pending*> reclaiming;
    for (Pending* pending : accepted) {
      if (pending->prepared != nullptr && pending->prepared->reclaiming) {
        reclaiming.push_back(pending);
      } else {
        pending->error = appended.error();
      }
    }
    accepted = resolve_group(reclaiming);
    if (accepted.empty()) return {};
    appended = append_group(accepted);
  }
  if (!appended) {
    for (Pending* pending : accepted) pending->error = appended.error();
    return read_only_reason_.empty() ? Status{} : appended;
  }
  for (Pending* pending : accepted) finish_commit(*pending);
  ControlBlock& control = control_->block();
  control.written.store(visible(), std::memory_order_release);
  control.durable.store(durable_, std::memory_order_relaxed);
  control.writing.store(0, std::memory_order_release);
  wake_followers();
  ask_for_checkpoint();
  return {};
}

// A tail that has grown past its budget is settled by the background thread, where there is one.
void Store::ask_for_checkpoint() {
  if (!background_.joinable() || view().active().bytes() < options_.checkpoint_bytes) return;
  if (!wants_checkpoint_.exchange(true, std::memory_order_acq_rel)) {
    os_.wake_all(control_->block().wake);
  }
}

// One write, and one sync if any commit of the group asks for it. On a refusal nothing happened; on
// any other error the palace is read-only from here on.
Status Store::append_group(std::span<Pending* const> accepted) {
  std::vector<wal::PreparedCommit*> frames;
  bool sync = false;
  bool reclaiming = true;
  for (Pending* pending : accepted) {
    frames.push_back(&pending->frame);
    sync = sync || pending->level == Durability::sync;
    reclaiming = reclaiming && pending->prepared != nullptr && pending->prepared->reclaiming;
  }
  std::atomic<std::uint32_t>& writing = control_->block().writing;
  writing.store(1, std::memory_order_release);
  Status status =
      writer_->append(frames, reclaiming ? wal::Urgency::reclaiming : wal::Urgency::ordinary);
  if (status && sync) status = writer_->sync();
  if (status) {
    durable_ = std::max(durable_, writer_->durable_commit());
    cleanly_closed_ = false;
    return {};
  }
  if (writer_->poison()) {
    poison(*writer_->poison());
  } else {
    writing.store(0, std::memory_order_release);
  }
  return status;
}

void Store::finish_commit(Pending& pending) {
  wal::LogPosition after = writer_->position();
  after.log = pending.frame.log;
  after.offset = pending.frame.offset + wal::frame_bytes(pending.resolved.payload.size());
  after.next_commit = pending.frame.header.commit + 1;
  after.chain = pending.frame.header.chain;
  const Status applied = apply_frame(pending.frame.header, pending.resolved.payload, after);
  if (!applied) {
    // The commit is in the log and a reopen will show it; this opening can't go on.
    poison(applied.error());
    pending.error = applied.error();
    return;
  }
  pending.ack.commit = pending.frame.header.commit;
  pending.ack.level = pending.level;
  pending.ack.time = pending.frame.header.time_ns;
  pending.ack.ids = std::move(pending.resolved.ids);
}

void Store::poison(const Error& error) {
  if (read_only_reason_.empty()) read_only_reason_ = error.message;
  control_->block().poisoned.store(static_cast<std::uint32_t>(error.os_errno) + 1,
                                   std::memory_order_release);
}

}  // namespace aeon::engine
