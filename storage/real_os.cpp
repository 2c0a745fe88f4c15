// Os on Linux. Mappings go through Boost.Interprocess; everything else is a plain system call whose
// failure becomes an Error that names the call and the path.
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <dirent.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <ctime>

#include <fmt/format.h>
#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>

#include "storage/checksum.hpp"
#include "storage/codec.hpp"
#include "storage/os.hpp"

namespace aeon::storage {
namespace {

namespace ipc = boost::interprocess;

std::unexpected<Error> failed(std::string_view call, const std::string& path) {
  const int code = errno;
  return std::unexpected(os_error(code, fmt::format("{} {}", call, path)));
}

// Repeats a call that a signal interrupted.
template <typename Call>
auto uninterrupted(Call&& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);  // never repeated: Linux frees the number even on EINTR
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> open_descriptor(const std::string& path, int flags) {
  const int fd = uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); });
  if (fd < 0) return failed("open", path);
  return Descriptor(fd);
}

Result<std::uint64_t> size_of(int fd, const std::string& path) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return failed("fstat", path);
  return static_cast<std::uint64_t>(status.st_size);
}

class RealFile final : public File {
 public:
  RealFile(std::string path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::uint64_t offset) const override {
    std::size_t done = 0;
    while (done < buffer.size()) {
      const ssize_t count = uninterrupted([&] {
        return ::pread(fd_.get(), buffer.data() + done, buffer.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (count < 0 && errno == EINVAL && stop_direct()) continue;
      if (count < 0) return failed("pread", path_);
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  Status write_at(std::span<const std::byte> bytes, std::uint64_t offset) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t count = uninterrupted([&] {
        return ::pwrite(fd_.get(), bytes.data() + done, bytes.size() - done,
                        static_cast<off_t>(offset + done));
      });
      if (count < 0) return failed("pwrite", path_);
      if (count == 0) return fail(Errc::io_error, fmt::format("pwrite {}: no progress", path_));
      done += static_cast<std::size_t>(count);
    }
    return {};
  }

  // File systems cache what one write brought in pieces as large as the write, and walk through a
  // whole piece for every later write into it.
  Status write_zeros(std::uint64_t bytes, std::uint64_t offset) override {
    static constexpr std::array<std::byte, std::size_t{16} << 10> kZeros{};
    for (std::uint64_t done = 0; done < bytes; done += kZeros.size()) {
      const std::uint64_t count = std::min<std::uint64_t>(kZeros.size(), bytes - done);
      AEON_TRY(write_at(std::span(kZeros).first(count), offset + done));
    }
    return {};
  }

  // What fails on the way to the device is kept with the file until a sync of it reports it.
  void begin_sync(std::uint64_t offset, std::uint64_t bytes) noexcept override {
    ::sync_file_range(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                      SYNC_FILE_RANGE_WRITE);
  }

  // Interrupted is repeated; any other failure is final (the kernel may have marked the pages
  // clean, so that a second call would lie).
  Status sync() override {
    if (uninterrupted([&] { return ::fdatasync(fd_.get()); }) != 0) {
      return failed("fdatasync", path_);
    }
    return {};
  }

  Result<std::uint64_t> size() const override { return size_of(fd_.get(), path_); }

  void drop_cache() override { ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED); }

  Result<bool> try_lock(std::uint64_t offset, LockMode mode) override {
    if (set_lock(F_OFD_SETLK, offset, type_of(mode)) == 0) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    return failed("fcntl(F_OFD_SETLK)", path_);
  }

  Status lock(std::uint64_t offset, LockMode mode) override {
    if (set_lock(F_OFD_SETLKW, offset, type_of(mode)) == 0) return {};
    return failed("fcntl(F_OFD_SETLKW)", path_);
  }

  void unlock(std::uint64_t offset) override {
    [[maybe_unused]] const int code = set_lock(F_OFD_SETLK, offset, F_UNLCK);
    assert(code == 0);
  }

 private:
  static short type_of(LockMode mode) { return mode == LockMode::shared ? F_RDLCK : F_WRLCK; }

  // Some file systems take a file as O_DIRECT and refuse to read it so.
  [[nodiscard]] bool stop_direct() const {
    const int flags = ::fcntl(fd_.get(), F_GETFL);
    return flags >= 0 && (flags & O_DIRECT) != 0 &&
           ::fcntl(fd_.get(), F_SETFL, flags & ~O_DIRECT) == 0;
  }

  int set_lock(int command, std::uint64_t offset, short type) {
    struct flock range{};  // l_pid must be 0 for open-file-description locks
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(offset);
    range.l_len = 1;
    return uninterrupted([&] { return ::fcntl(fd_.get(), command, &range); });
  }

  std::string path_;
  Descriptor fd_;
};

// Boost's own file_mapping opens without O_CLOEXEC, so that a fork beside us would inherit the
// descriptor; this is the same concept over a descriptor of ours.
class MappableDescriptor {
 public:
  explicit MappableDescriptor(int fd) noexcept : fd_(fd) {}
  [[nodiscard]] ipc::mapping_handle_t get_mapping_handle() const noexcept {
    return ipc::ipcdetail::mapping_handle_from_file_handle(fd_);
  }

 private:
  int fd_;
};

class RealMapping final : public Mapping {
 public:
  RealMapping(ipc::mapped_region region, bool writable)
      : region_(std::move(region)), writable_(writable) {}

  std::span<const std::byte> bytes() const noexcept override { return whole(); }
  std::span<std::byte> writable() noexcept override {
    return writable_ ? whole() : std::span<std::byte>{};
  }
  // A page that the device cannot deliver makes this call fail, where touching it would be a
  // SIGBUS. The value is kernel ABI (Linux 5.14); older headers lack the name.
  void populate() noexcept override {
    constexpr int kPopulateRead = 22;
    if (::madvise(region_.get_address(), region_.get_size(), kPopulateRead) != 0) {
      ::madvise(region_.get_address(), region_.get_size(), MADV_WILLNEED);
    }
  }

 private:
  [[nodiscard]] std::span<std::byte> whole() const noexcept {
    return {static_cast<std::byte*>(region_.get_address()), region_.get_size()};
  }
  ipc::mapped_region region_;
  bool writable_;
};

Result<std::unique_ptr<Mapping>> map_descriptor(int fd, const std::string& path, std::size_t size,
                                                ipc::mode_t mode) {
  try {
    ipc::mapped_region region(MappableDescriptor(fd), mode, 0, size);
    return std::make_unique<RealMapping>(std::move(region), mode == ipc::read_write);
  } catch (const ipc::interprocess_exception& e) {
    return std::unexpected(os_error(e.get_native_error(), fmt::format("mmap {}", path)));
  }
}

std::uint64_t last_resort_random() {
  static std::atomic<std::uint64_t> counter{0};
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  // Relaxed: only distinct values matter, no other memory depends on the counter.
  const std::array<std::uint64_t, 4> parts = {
      static_cast<std::uint64_t>(now.tv_sec), static_cast<std::uint64_t>(now.tv_nsec),
      static_cast<std::uint64_t>(::getpid()), counter.fetch_add(1, std::memory_order_relaxed)};
  return hash64(std::as_bytes(std::span(parts)), 0);
}

// A child of fork() must not repeat its parent's numbers: the handler makes every buffer stale.
std::atomic<std::uint64_t> fork_generation{1};

class RandomBuffer {
 public:
  std::uint64_t next() {
    static const int registered = ::pthread_atfork(nullptr, nullptr, [] {
      // Relaxed: the child has one thread, and it is this one.
      fork_generation.fetch_add(1, std::memory_order_relaxed);
    });
    const std::uint64_t generation = fork_generation.load(std::memory_order_relaxed);
    if (next_ == words_.size() || generation != generation_ || registered != 0) {
      if (!refill()) return last_resort_random();
      generation_ = generation;
    }
    return std::exchange(words_[next_++], 0);
  }

 private:
  // Requests up to 256 bytes are never cut short. Where a sandbox refuses the call, the caller
  // gets numbers that differ but could be guessed.
  bool refill() {
    const ssize_t got = uninterrupted([&] { return ::getrandom(words_.data(), sizeof words_, 0); });
    next_ = got == static_cast<ssize_t>(sizeof words_) ? 0 : words_.size();
    return next_ == 0;
  }
  std::array<std::uint64_t, 32> words_{};
  std::size_t next_ = words_.size();
  std::uint64_t generation_ = 0;
};

// Without /proc processes cannot agree on the boot; a number of our own then makes this process
// distrust what others left in the control block, which is the safe side.
std::uint64_t read_boot_id() {
  std::array<char, 64> text{};
  std::size_t length = 0;
  if (const auto fd = open_descriptor("/proc/sys/kernel/random/boot_id", O_RDONLY)) {
    const ssize_t got = uninterrupted([&] { return ::read(fd->get(), text.data(), text.size()); });
    if (got > 0) length = static_cast<std::size_t>(got);
  }
  const std::uint64_t id =
      length >= 36 ? hash64(as_bytes({text.data(), 36}), 0) : real_os().random_u64();
  return id == 0 ? 1 : id;
}

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

static_assert(sizeof(std::atomic<std::uint32_t>) == 4);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

// Not FUTEX_PRIVATE: sleepers and wakers may be different processes.
long futex(const std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* timeout) {
  return ::syscall(SYS_futex, &word, operation, value, timeout, nullptr, 0);
}

// A file system without direct reads refuses the flag.
Result<std::unique_ptr<File>> open_device(const std::string& path) {
  if (auto fd = open_descriptor(path, O_RDONLY | O_DIRECT)) {
    return std::make_unique<RealFile>(path, std::move(*fd));
  } else if (fd.error().os_errno != EINVAL) {
    return std::unexpected(std::move(fd).error());
  }
  AEON_ASSIGN(auto fd, open_descriptor(path, O_RDONLY));
  return std::make_unique<RealFile>(path, std::move(fd));
}

class RealOs final : public Os {
 public:
  Result<std::unique_ptr<File>> open_file(const std::string& path, OpenMode mode) override {
    int flags = O_RDWR;
    switch (mode) {
      case OpenMode::read: flags = O_RDONLY; break;
      case OpenMode::read_write: break;
      case OpenMode::create: flags |= O_CREAT | O_EXCL; break;
      case OpenMode::open_or_create: flags |= O_CREAT; break;
      case OpenMode::read_device: return open_device(path);
    }
    AEON_ASSIGN(auto fd, open_descriptor(path, flags));
    return std::make_unique<RealFile>(path, std::move(fd));
  }

  Result<std::unique_ptr<Mapping>> map_read(const std::string& path) override {
    AEON_ASSIGN(const auto fd, open_descriptor(path, O_RDONLY));
    AEON_ASSIGN(const auto size, size_of(fd.get(), path));
    if (size == 0) return fail(Errc::damaged, fmt::format("mmap {}: the file is empty", path));
    return map_descriptor(fd.get(), path, size, ipc::read_only);
  }

  Result<std::unique_ptr<Mapping>> map_shared(const std::string& path, std::size_t size) override {
    AEON_ASSIGN(const auto fd, open_descriptor(path, O_RDWR));
    AEON_ASSIGN(const auto have, size_of(fd.get(), path));
    if (size == 0 || have < size) {
      return fail(Errc::damaged, fmt::format("mmap {}: the file holds {} bytes where {} are needed",
                                             path, have, size));
    }
    return map_descriptor(fd.get(), path, size, ipc::read_write);
  }

  Status make_directory(const std::string& path) override {
    return path_call("mkdir", path, ::mkdir(path.c_str(), 0777));
  }

  Result<std::vector<std::string>> list_directory(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    if (!directory) return failed("opendir", path);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    if (errno != 0) return failed("readdir", path);
    std::ranges::sort(names);
    return names;
  }

  bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

  Status rename(const std::string& from, const std::string& to) override {
    return path_call("rename", from + " to " + to, ::rename(from.c_str(), to.c_str()));
  }
  Status link(const std::string& from, const std::string& to) override {
    return path_call("link", from + " to " + to, ::link(from.c_str(), to.c_str()));
  }
  Status unlink(const std::string& path) override {
    return path_call("unlink", path, ::unlink(path.c_str()));
  }

  Status sync_directory(const std::string& path) override {
    AEON_ASSIGN(const auto fd, open_descriptor(path, O_RDONLY | O_DIRECTORY));
    if (uninterrupted([&] { return ::fsync(fd.get()); }) != 0) return failed("fsync", path);
    return {};
  }

  std::int64_t wall_time_ns() override { return clock_ns(CLOCK_REALTIME); }
  std::int64_t monotonic_ns() override { return clock_ns(CLOCK_MONOTONIC); }

  std::uint64_t random_u64() override {
    thread_local RandomBuffer buffer;
    return buffer.next();
  }

  std::uint64_t boot_id() override {
    static const std::uint64_t id = read_boot_id();
    return id;
  }

  std::uint32_t process_id() override { return static_cast<std::uint32_t>(::getpid()); }

  void wait_on(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
               std::int64_t timeout_ns) override {
    const std::int64_t bounded = std::max<std::int64_t>(timeout_ns, 0);
    const timespec timeout{.tv_sec = bounded / 1'000'000'000, .tv_nsec = bounded % 1'000'000'000};
    futex(word, FUTEX_WAIT, expected, &timeout);  // any outcome may count as an early wake-up
  }

  void wake_all(std::atomic<std::uint32_t>& word) override {
    futex(word, FUTEX_WAKE, INT_MAX, nullptr);
  }

 private:
  static Status path_call(std::string_view call, const std::string& path, int code) {
    if (code != 0) return failed(call, path);
    return {};
  }
};

}  // namespace

Os& real_os() {
  static RealOs* os = new RealOs;  // never destroyed: threads may outlive main's statics
  return *os;
}

}  // namespace aeon::storage
