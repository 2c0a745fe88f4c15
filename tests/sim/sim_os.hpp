// A simulated machine behind the Os door: a disk that keeps only what was synced, calls that fail
// on demand, a clock that tests set. Everything is decided by seeds, so a failure repeats.
//
// The model. A file has a durable image and a list of writes since its last sync; a directory has
// durable entries and a list of operations since its last sync. A power cut keeps the durable part
// and any of the pending rest: writes in any subset, each torn at 512-byte sectors, the file's
// length stale or not; directory operations as a prefix or, on demand, as a subset. Syncing a file
// does not make its name durable. A sync that fails forgets the pending writes: readers still see
// them, but no later sync brings them to disk. The death of all processes keeps everything that was
// written (the page cache) and drops the locks; a later power cut may still lose it.
//
// To enumerate crash states in one run: observe() calls back before every I/O, and the callback
// takes power_cut(seed) as often as it likes; each is a machine of its own, cheap because images
// are shared and copied on write. To see how code behaves while the machine goes down: crash_at(n).
//
// Thread-safe by one mutex per machine. A machine and those derived from it share memory without
// locks and belong to one thread at a time or to the same mutual exclusion.
#pragma once

#include <cerrno>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "storage/os.hpp"

namespace aeon::test {

enum class SimCall : std::uint8_t {
  open,    // without creation
  create,  // a file comes into being
  read,
  write,
  sync,
  map,
  rename,
  link,
  unlink,
  make_directory,
  sync_directory,
  list,
  lock,
};
inline constexpr std::size_t kSimCalls = 13;

// The calls of one kind fail after `skip` more have succeeded: once, or for ever. A write that
// fails may have written any part.
struct SimFault {
  SimCall call;
  std::uint64_t skip = 0;
  int os_errno = EIO;
  bool for_ever = false;
};

struct PowerCut {
  bool tear = true;                // writes break at sectors; else each is whole or lost
  bool reorder_directory = false;  // directory operations survive as any subset, not as a prefix
  // A torn write leaves garbage in the sector where it broke.
  bool shred = false;
};

class SimMachine;  // sim_machine.hpp

class SimOs final : public storage::Os {
 public:
  // A machine that holds the root directory and nothing else.
  explicit SimOs(std::uint64_t seed);
  ~SimOs() override;

  // Another process of the same machine.
  [[nodiscard]] std::unique_ptr<SimOs> another_process();

  // I/Os are the calls that change the disk: create, write, sync, rename, link, unlink,
  // make_directory, sync_directory. They are numbered from 0 in order of execution.
  [[nodiscard]] std::uint64_t io_count() const;
  [[nodiscard]] std::uint64_t calls(SimCall call) const;
  // Called before every I/O with its number, on the calling thread, without the machine's mutex.
  void observe(std::function<void(std::uint64_t)> observer);

  // I/O number n and all that follows fail with io_error "the machine is off"; that one write or
  // directory operation may survive as any pending one may.
  void crash_at(std::uint64_t n);
  [[nodiscard]] bool is_off() const;

  void inject(SimFault fault);
  void clear_faults();
  [[nodiscard]] std::uint64_t faults_fired() const;
  // Bytes of all files together; a write past it fails with ENOSPC after filling what was left.
  void set_capacity(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t used_bytes() const;

  void set_wall_time(std::int64_t ns);
  void advance(std::int64_t ns);

  // Writes and directory operations that a power cut may lose.
  [[nodiscard]] std::size_t pending_items() const;
  // The machine after power failed now and came back. Another boot id; locks gone; shared mappings
  // fall back to the file or keep some of their sectors.
  [[nodiscard]] std::unique_ptr<SimOs> power_cut(std::uint64_t seed, PowerCut policy = {}) const;
  // The same, keeping exactly the pending items whose bit in `mask` is set (items past 63 are lost)
  // whole: for enumeration when they are few.
  [[nodiscard]] std::unique_ptr<SimOs> power_cut_keeping(std::uint64_t mask) const;
  // The machine after all its processes were killed. A write that crash_at broke off is kept up to
  // a page boundary drawn from `seed`.
  [[nodiscard]] std::unique_ptr<SimOs> process_death(std::uint64_t seed = 0) const;

  // The whole file as a reader sees it; empty when there is none.
  [[nodiscard]] std::string contents(const std::string& path) const;
  // Bit rot: changes the file in cache and on disk.
  void corrupt(const std::string& path, std::uint64_t offset, std::byte mask);
  // The file ends, or goes on in zeros, as long as said; in cache and on disk.
  void resize(const std::string& path, std::uint64_t bytes);

  Result<std::unique_ptr<storage::File>> open_file(const std::string& path,
                                                   storage::OpenMode mode) override;
  Result<std::unique_ptr<storage::Mapping>> map_read(const std::string& path) override;
  Result<std::unique_ptr<storage::Mapping>> map_shared(const std::string& path,
                                                       std::size_t size) override;
  Status make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list_directory(const std::string& path) override;
  bool exists(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status link(const std::string& from, const std::string& to) override;
  Status unlink(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  std::int64_t wall_time_ns() override;
  std::int64_t monotonic_ns() override;
  std::uint64_t random_u64() override;
  std::uint64_t boot_id() override;
  std::uint32_t process_id() override;
  // Returns at once, with the clock advanced by the time-out when the word still holds `expected`.
  void wait_on(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
               std::int64_t timeout_ns) override;
  void wake_all(std::atomic<std::uint32_t>& word) override;

 private:
  SimOs(std::shared_ptr<SimMachine> machine, std::uint32_t process_id);
  std::shared_ptr<SimMachine> machine_;
  std::uint32_t process_id_;
};

}  // namespace aeon::test
