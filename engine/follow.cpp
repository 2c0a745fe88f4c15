// Taking over what other processes did: their commits from the log, their checkpoints from the
// manifest. Recovery is the same path, from the manifest's position to the end of the log.
#include <fmt/format.h>

#include "engine/store.hpp"

namespace aeon::engine {

Status Store::apply_frame(const wal::CommitHeader& header, std::string_view payload,
                          const wal::LogPosition& after) {
  const auto applied = apply({view(), catalog_, counters_}, header, payload);
  if (!applied) {
    // Half a record may be in the tail, where nobody sees it; nothing can follow it.
    if (read_only_reason_.empty()) read_only_reason_ = applied.error().message;
    return std::unexpected(applied.error());
  }
  position_ = after;
  if (applied->earliest_expiry < next_expiry_.load(std::memory_order_relaxed)) {
    next_expiry_.store(applied->earliest_expiry, std::memory_order_relaxed);
    if (has_threads_) upkeep_->ask(kExpiryTask);
  }
  if (!applied->missing.empty()) AEON_TRY(find_blobs(applied->missing));
  return applied->rotate ? rotate_tails() : Status{};
}

// The record of the manifest that names a file is older than the commit that does, but this process
// may not have looked since. One that is not there any more was given up by a merge that left out
// its version, so a newer state is settled, in which nobody asks for it. What lies before is no
// state to show to anybody, though the log still tells of it.
Status Store::find_blobs(const std::vector<std::uint64_t>& files) {
  AEON_TRY(with_newest_manifest(&Store::adopt_blobs));
  for (const std::uint64_t file : files) {
    if (view().blobs().contains(file)) continue;
    return fail(Errc::too_old, fmt::format("{}/{}: given up since; start from the newest manifest",
                                           directory_, storage::file_name("blob", file)));
  }
  return {};
}

// Freezes the active tail: what it holds is settled as one. The new tail is in the view before any
// commit goes to it.
Status Store::rotate_tails() {
  const View& old = view();
  old.active().freeze(counters_);
  rotations_[position_.next_commit - 1] = position_;
  std::vector<std::shared_ptr<Tail>> tails(old.tails().begin(), old.tails().end());
  tails.push_back(std::make_shared<Tail>(position_.next_commit));
  publish_view(std::make_unique<View>(std::vector(old.segments().begin(), old.segments().end()),
                                      old.blobs(), std::move(tails), old.settled()));
  return {};
}

void Store::publish_view(std::unique_ptr<View> view) {
  view_.publish(std::move(view), epochs_);
  free_views();
}

// Frees the views that nobody looks at any more, those that readers left included.
void Store::free_views() noexcept {
  epochs_.try_reclaim();
  view_.sweep();
}

Status Store::follow_to(CommitNumber last) {
  bool gone = false;
  Status followed = follow_log(last, gone);
  return gone ? reload() : followed;
}

// Sets `gone` beside the error when the log no longer holds what comes next.
Status Store::follow_log(CommitNumber last, bool& gone) {
  if (visible() >= last) return {};
  if (reader_ == nullptr || reader_->position() != position_) {
    auto reader = wal::LogReader::open(os_, log_place_, position_);
    if (!reader) {
      const Errc code = reader.error().code;
      gone = code == Errc::too_old || code == Errc::missing_file;
      return std::unexpected(std::move(reader).error());
    }
    reader_ = std::move(*reader);
  }
  while (visible() < last) {
    AEON_ASSIGN(const auto frame, reader_->next(last));
    if (!frame) {
      if (!reader_->recycled()) break;
      gone = true;
      return fail(Errc::too_old, fmt::format("{}: recycled since; start from the newest manifest",
                                             wal::log_path(directory_, position_.log)));
    }
    cleanly_closed_ = frame->kind == wal::FrameKind::close;
    if (cleanly_closed_) {
      position_ = reader_->position();
      AEON_TRY(check_closing(storage::as_view(frame->payload)));
      continue;
    }
    const Status applied =
        apply_frame(frame->header, storage::as_view(frame->payload), reader_->position());
    gone = !applied && applied.error().code == Errc::too_old;
    AEON_TRY(applied);
    publish(frame->header.commit);
  }
  if (control_ != nullptr) {
    durable_ = std::max(durable_, control_->block().durable.load(std::memory_order_relaxed));
  }
  return {};
}

// A closing frame names the manifest's last record. A manifest that ends before it lost records
// that no torn append explains.
Status Store::check_closing(std::string_view payload) const {
  storage::Decoder decoder(payload);
  storage::ManifestPosition closing;
  closing.file_number = decoder.fixed<std::uint64_t>();
  closing.records = decoder.fixed<std::uint64_t>();
  closing.chain = decoder.fixed<storage::Hash128>();
  const storage::ManifestPosition& is = manifest_.position();
  const bool later = is.file_number > closing.file_number ||
                     (is.file_number == closing.file_number && is.records >= closing.records);
  if (decoder.ok() && decoder.at_end() && later) return {};
  return fail(Errc::damaged,
              fmt::format("{}/{}: the manifest ends at record {} of file {}, but the palace was "
                          "closed at record {} of file {}; restore the file from a copy",
                          directory_, storage::file_name("manifest", closing.file_number),
                          is.records, is.file_number, closing.records, closing.file_number));
}

// The log no longer holds what comes next: everything is taken from the newest manifest, as at
// open. Views that snapshots hold stay as they are.
Status Store::reload() {
  reader_.reset();
  return load_newest();
}

Status Store::load_newest() { return with_newest_manifest(&Store::load_and_follow); }

Status Store::load_and_follow() {
  AEON_TRY(load_manifest());
  return follow_written();
}

// What a manifest record names may be gone as soon as another process has published the next one.
// Only a file that the newest record names is really missing.
Status Store::with_newest_manifest(Status (Store::*step)()) {
  for (;;) {
    AEON_TRY(manifest_.refresh());
    const std::uint64_t sequence = manifest_.state().sequence;
    Status done = (this->*step)();
    if (done || (done.error().code != Errc::missing_file && done.error().code != Errc::too_old)) {
      return done;
    }
    AEON_TRY(manifest_.refresh());
    if (manifest_.state().sequence == sequence) return done;
  }
}

// For an opening that found others there: to the last commit that is written, and past a closing
// frame behind it. Everyone must agree where the next frame goes. A closing frame is written only
// while nobody else has the palace open, so one that is there was there before, and none can come
// as long as this opening lasts: there is no need to look for one again.
Status Store::follow_written() {
  // A log that is gone is for the caller to judge, who has just read the manifest.
  bool gone = false;
  if (control_ == nullptr) return follow_log(UINT64_MAX, gone);
  const CommitNumber written = control_->block().written.load(std::memory_order_acquire);  // (2)
  AEON_TRY(follow_log(written, gone));
  if (reader_ == nullptr || reader_->position() != position_) {
    AEON_ASSIGN(reader_, wal::LogReader::open(os_, log_place_, position_));
  }
  AEON_ASSIGN(const auto frame, reader_->next(UINT64_MAX));
  if (frame && frame->kind == wal::FrameKind::close) {
    AEON_TRY(check_closing(storage::as_view(frame->payload)));
    position_ = reader_->position();
    cleanly_closed_ = true;
  } else if (frame) {
    reader_.reset();  // a group on its way; it is read again once it counts as written
  }
  return {};
}

Result<std::vector<std::shared_ptr<const SegmentView>>> Store::open_segments(const View* known) {
  std::vector<std::shared_ptr<const SegmentView>> segments;
  for (const storage::SegmentInfo& info : manifest_.state().segments) {
    std::shared_ptr<const SegmentView> segment;
    if (known != nullptr) {
      for (const auto& open : known->segments()) {
        if (open->segment().info() == info) segment = open;
      }
    }
    for (const auto& open : opened_ahead_) {
      if (open->segment().info() == info) segment = open;
    }
    if (segment == nullptr) {
      AEON_ASSIGN(segment, SegmentView::open(os_, directory_, palace_, info));
      if (known != nullptr) segment->segment().populate();
    }
    segments.push_back(std::move(segment));
  }
  return segments;
}

Result<std::map<std::uint64_t, std::shared_ptr<const BlobFile>>> Store::open_blobs(
    const View* known) {
  std::map<std::uint64_t, std::shared_ptr<const BlobFile>> blobs;
  for (const storage::BlobFileInfo& info : manifest_.state().blobs) {
    if (known != nullptr) {
      if (const auto at = known->blobs().find(info.file.number); at != known->blobs().end()) {
        blobs.insert(*at);
        continue;
      }
    }
    auto file = std::make_shared<BlobFile>();
    file->info = info;
    AEON_ASSIGN(auto segment, storage::Segment::open(os_, directory_, palace_,
                                                     storage::FileKind::blob, info.file));
    AEON_ASSIGN(file->reader, storage::BlobReader::open(std::move(segment)));
    blobs.emplace(info.file.number, std::move(file));
  }
  return blobs;
}

// Swaps to the newest segment set. Tails up to its commit say the same as the segments do and are
// dropped; they end exactly there, because a settled commit is always a rotation.
Status Store::adopt_manifest() { return with_newest_manifest(&Store::adopt_newest); }

Status Store::adopt_newest() {
  const bool adopted = manifest_.state().sequence == adopted_.load(std::memory_order_relaxed);
  return adopted ? Status{} : adopt_state();
}

// Shows the newest blob files beside the ones it has. Segments stay: what replaces them may lie
// ahead of the commit that is being followed.
Status Store::adopt_blobs() {
  const View& old = view();
  AEON_ASSIGN(auto blobs, open_blobs(&old));
  blobs.insert(old.blobs().begin(), old.blobs().end());
  publish_view(std::make_unique<View>(
      std::vector(old.segments().begin(), old.segments().end()), std::move(blobs),
      std::vector(old.tails().begin(), old.tails().end()), old.settled()));
  return {};
}

Status Store::adopt_state() {
  const CommitNumber settled = manifest_.state().settled_commit;
  AEON_TRY(follow_to(settled));
  if (visible() < settled) return reload();
  const View& old = view();
  AEON_ASSIGN(auto segments, open_segments(&old));
  AEON_ASSIGN(auto blobs, open_blobs(&old));
  std::vector<std::shared_ptr<Tail>> tails;
  for (const auto& tail : old.tails()) {
    if (tail->first_commit() > settled) tails.push_back(tail);
  }
  if (tails.empty()) return reload();
  publish_view(
      std::make_unique<View>(std::move(segments), std::move(blobs), std::move(tails), settled));
  adopted_.store(manifest_.state().sequence, std::memory_order_relaxed);
  rotations_.erase(rotations_.begin(), rotations_.upper_bound(settled));
  return {};
}

Status Store::catch_up() {
  AEON_TRY(refuse_after_fork());
  const storage::MutexLock lock(write_mutex_);
  if (closed_) return fail(Errc::closed, "the palace was closed; open it again");
  if (control_ == nullptr) {
    AEON_TRY(adopt_manifest());
    return follow_to(UINT64_MAX);
  }
  ControlBlock& control = control_->block();
  AEON_TRY(follow_to(control.written.load(std::memory_order_acquire)));  // (2)
  return is_behind() ? adopt_manifest() : Status{};
}

// Whether others have committed or settled something that this process does not show yet.
bool Store::is_behind() const noexcept {
  const ControlBlock& control = control_->block();
  return control.written.load(std::memory_order_acquire) > visible() ||  // (2)
         control.manifest_sequence.load(std::memory_order_acquire) !=    // (14)
             adopted_.load(std::memory_order_relaxed);  // a hint; catch_up() looks again
}

// Tells other processes' followers of what was just stored in the control block. (12) orders that
// store before the load of `arrivals` in is_alone(), as (10) orders a newcomer's count before its
// first look at the control block: one of the two sees the other. `wake` changes before `sleepers`
// is read and a follower counts itself before it compares `wake`: it does not sleep through this.
void Store::wake_followers() {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // (12)
  if (is_alone()) return;
  ControlBlock& control = control_->block();
  control.wake.fetch_add(1, std::memory_order_seq_cst);                                   // (15)
  if (control.sleepers.load(std::memory_order_seq_cst) != 0) os_.wake_all(control.wake);  // (34)
}

}  // namespace aeon::engine
