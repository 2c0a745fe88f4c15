// The control block: one page that all processes of a palace map and write. It says how far the
// log is written and durable, who waits, and whether something went wrong. It is a hint,
// zero-filled and recomputable: whoever opens a palace alone rebuilds it from the log, so nothing
// in it is trusted across the life of the processes that wrote it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "storage/file_identity.hpp"
#include "storage/os.hpp"

namespace aeon::engine {

// Shared between processes: lock-free atomics only, no pointers. Edges are numbered throughout the
// engine, a store (odd or first) with the loads that synchronize with it; what has no number is
// relaxed: a figure, a hint, or stored and loaded under one of the locks below.
struct ControlBlock {
  std::uint64_t magic;
  std::uint32_t version;
  std::atomic<std::uint32_t> recovering;  // 1 from the start of a recovery to its end
  std::uint64_t boot;                     // of the machine that the rest is about
  std::uint64_t palace;                   // low half of the palace's uuid
  // Commits up to this one are whole in the log (page cache) and may be followed.
  // (1) stores synchronize-with (2) loads: the log holds the commits before the number says so.
  std::atomic<std::uint64_t> written;
  std::atomic<std::uint64_t> durable;  // and these survive power loss
  // The log file that is written to. A writer that died in a rotation leaves one without a frame,
  // which no commit leads to. Stored before `written`, under the append lock.
  std::atomic<std::uint64_t> log;
  // Of the newest manifest record. (13) stores synchronize-with (14): the record is in its file.
  std::atomic<std::uint64_t> manifest_sequence;
  // futex: changes when written or the manifest do. (15) synchronizes-with (16): who sees it
  // changed sees what it was changed for.
  std::atomic<std::uint32_t> wake;
  std::atomic<std::uint32_t> sleepers;  // threads that wait for `wake`, roughly
  // futex: changes when a wanted append lock is given up. (17) synchronizes-with (18): who sees it
  // changed finds the lock given up.
  std::atomic<std::uint32_t> turn;
  // 1 while a group is on its way into the log. (19) stores synchronize-with (20): who sees 0 again
  // sees `written` as the group left it.
  std::atomic<std::uint32_t> writing;
  std::atomic<std::uint32_t> writer_process;  // holds or last held the append lock, or recovers
  // errno + 1 of a failed write or sync, else 0. (21) synchronizes-with (22): the log is as the
  // failure left it.
  std::atomic<std::uint32_t> poisoned;
  // 1 once the last user has written the closing frame. (23) synchronizes-with (24).
  std::atomic<std::uint32_t> closed;
  std::atomic<std::uint32_t> kept;            // 1 while the append lock is kept between groups
  std::atomic<std::uint64_t> arrivals;        // processes that have taken the presence lock, ever
  std::atomic<std::uint32_t> upkeep_process;  // holds or last held the upkeep lock
  // Of those who wait for the append lock, see turn.cpp. A wish is the monotonic time at which its
  // maker last found the lock taken, with a ticket in the low bits. It fades by itself, so that a
  // waiter that dies leaves nothing behind. 0: a free place.
  std::atomic<std::int64_t> wishes[16];
  std::atomic<std::uint32_t> tickets;       // drawn so far
  std::atomic<std::uint32_t> turns_passed;  // since the one that has waited longest was first
  // Where the scrubber (scrubber.hpp) is, and when it last came to the end; under its lock. They
  // outlive the processes that wrote them: at worst some pages are read early or late.
  std::atomic<std::uint64_t> scrub_file;
  std::atomic<std::uint64_t> scrub_page;
  std::atomic<std::int64_t> scrubbed_at;
};
static_assert(sizeof(ControlBlock) <= storage::kPageBytes);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

// Bytes of the control file on which processes lock; beyond its end, so that no data is meant.
enum class LockByte : std::uint64_t {
  append = std::uint64_t{1} << 40,  // held for a group or a streak of them
  upkeep,                           // held for a checkpoint or compaction
  presence,                         // shared by everyone who has the palace open
  scrub,                            // held by the opening that scrubs
};

class Control {
 public:
  // Creates the file, zero-filled, if it is not there.
  [[nodiscard]] static Result<std::unique_ptr<Control>> open(storage::Os& os,
                                                             const std::string& directory);
  // Unlinks what openings that died left behind. The caller is alone with the palace; one that
  // is about to find out that it is not may lose what it just made, and does without.
  [[nodiscard]] static Status remove_unfinished(storage::Os& os, const std::string& directory);
  [[nodiscard]] ControlBlock& block() noexcept { return *block_; }
  [[nodiscard]] storage::File& file() noexcept { return *file_; }
  [[nodiscard]] Result<bool> try_lock(LockByte byte, storage::LockMode mode) {
    return file_->try_lock(static_cast<std::uint64_t>(byte), mode);
  }
  [[nodiscard]] Status lock(LockByte byte, storage::LockMode mode) {
    return file_->lock(static_cast<std::uint64_t>(byte), mode);
  }
  void unlock(LockByte byte) { file_->unlock(static_cast<std::uint64_t>(byte)); }
  // Starts over; the caller is alone with the palace.
  void reset(storage::Os& os, storage::PalaceUuid palace, std::uint64_t written,
             std::uint64_t durable, std::uint64_t manifest_sequence);
  // Whether the block was set up on this boot for this palace.
  [[nodiscard]] bool valid(storage::Os& os, storage::PalaceUuid palace) const;

 private:
  Control() = default;
  std::unique_ptr<storage::File> file_;
  std::unique_ptr<storage::Mapping> mapping_;
  ControlBlock* block_ = nullptr;
};

}  // namespace aeon::engine
