// The one door to the operating system. Everything Aeon asks of the kernel on behalf of a palace
// (files, locks, clock, randomness, waiting) goes through Os, so that tests can put a simulated
// machine behind it that tears writes, loses what was not synced and fails any call.
//
// All calls are thread-safe unless said otherwise. Interrupted calls are retried inside; short
// reads and writes are completed inside. Paths are relative to nothing: callers pass whole paths.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/result.hpp"

namespace aeon::storage {

// How open_file treats presence and access.
enum class OpenMode : std::uint8_t {
  read,        // must exist; opened read-only
  read_write,  // must exist
  create,      // must not exist; created read-write, mode 0666 less umask
  open_or_create,
  // Must exist; opened read-only. Reads are answered by the device, whatever memory holds of the
  // file, where the file system can do that. Offset, length and address of each are multiples of
  // kDeviceReadBytes.
  read_device,
};

inline constexpr std::size_t kDeviceReadBytes = 4096;

enum class LockMode : std::uint8_t { shared, exclusive };

// An open file. Closing happens in the destructor; a close error after a successful sync cannot
// lose data and is ignored.
class File {
 public:
  virtual ~File() = default;
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Reads up to buffer.size() bytes at `offset`; fewer only at the end of the file.
  [[nodiscard]] virtual Result<std::size_t> read_at(std::span<std::byte> buffer,
                                                    std::uint64_t offset) const = 0;
  // Writes all bytes at `offset`, extending the file where needed. After an error any part of the
  // range may have been written.
  [[nodiscard]] virtual Status write_at(std::span<const std::byte> bytes, std::uint64_t offset) = 0;
  // The same with so many zeros, for what is filled ahead of small writes.
  [[nodiscard]] virtual Status write_zeros(std::uint64_t bytes, std::uint64_t offset) {
    const std::vector<std::byte> zeros(bytes);
    return write_at(zeros, offset);
  }
  // Asks the device to begin with what was written to the range. A hint: it does not wait, promises
  // nothing, and leaves every error to sync().
  virtual void begin_sync(std::uint64_t offset, std::uint64_t bytes) noexcept = 0;
  // fdatasync: on success everything written so far, and the file's size, survives power loss.
  // After a failure the caller must treat the file's unsynced contents as lost and not retry.
  [[nodiscard]] virtual Status sync() = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() const = 0;
  // Asks the kernel to forget cached pages, so that the next read comes from the device.
  virtual void drop_cache() = 0;

  // Open-file-description locks on the single byte `offset`: owned by this File, not by the
  // thread or process, released by the destructor and by the death of the process.
  // try_lock answers false when another holder conflicts.
  [[nodiscard]] virtual Result<bool> try_lock(std::uint64_t offset, LockMode mode) = 0;
  // Waits for the lock. Blocks in the kernel; never times out.
  [[nodiscard]] virtual Status lock(std::uint64_t offset, LockMode mode) = 0;
  virtual void unlock(std::uint64_t offset) = 0;
};

// A mapped range of a file; unmapped by the destructor. The address never changes.
class Mapping {
 public:
  virtual ~Mapping() = default;
  Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  [[nodiscard]] virtual std::span<const std::byte> bytes() const noexcept = 0;
  // Empty for a read-only mapping.
  [[nodiscard]] virtual std::span<std::byte> writable() noexcept = 0;
  // Brings the range into memory ahead of use (best effort).
  virtual void populate() noexcept = 0;
};

class Os {
 public:
  virtual ~Os() = default;

  [[nodiscard]] virtual Result<std::unique_ptr<File>> open_file(const std::string& path,
                                                                OpenMode mode) = 0;
  // Maps the whole file read-only, shared. The file must not be empty and must never shrink.
  [[nodiscard]] virtual Result<std::unique_ptr<Mapping>> map_read(const std::string& path) = 0;
  // Maps the first `size` bytes read-write and shared between processes (the control block only).
  [[nodiscard]] virtual Result<std::unique_ptr<Mapping>> map_shared(const std::string& path,
                                                                    std::size_t size) = 0;

  [[nodiscard]] virtual Status make_directory(const std::string& path) = 0;
  // Names of the entries, without "." and "..", sorted.
  [[nodiscard]] virtual Result<std::vector<std::string>> list_directory(
      const std::string& path) = 0;
  [[nodiscard]] virtual bool exists(const std::string& path) = 0;
  // Atomic replace. Durable only after sync_directory.
  [[nodiscard]] virtual Status rename(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual Status link(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual Status unlink(const std::string& path) = 0;
  [[nodiscard]] virtual Status sync_directory(const std::string& path) = 0;

  // Nanoseconds since 1970, UTC. May jump.
  [[nodiscard]] virtual std::int64_t wall_time_ns() = 0;
  // Nanoseconds since an arbitrary start; never goes back.
  [[nodiscard]] virtual std::int64_t monotonic_ns() = 0;
  // Bytes nobody can guess.
  [[nodiscard]] virtual std::uint64_t random_u64() = 0;
  // Differs after every boot of the machine; never 0.
  [[nodiscard]] virtual std::uint64_t boot_id() = 0;
  [[nodiscard]] virtual std::uint32_t process_id() = 0;

  // Sleeps while `word` (in a shared mapping) holds `expected`, at most `timeout_ns`; may wake
  // early. wake_all wakes the sleepers of every process.
  virtual void wait_on(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                       std::int64_t timeout_ns) = 0;
  virtual void wake_all(std::atomic<std::uint32_t>& word) = 0;
};

// The machine this process runs on. Lives for ever.
[[nodiscard]] Os& real_os();

}  // namespace aeon::storage
