#include "tests/support/parking.hpp"

#include <cerrno>

#include <csignal>

namespace aeon::test {

namespace {

std::atomic<ParkingPlace*> signalled{nullptr};

// Waits for a semaphore through whatever interrupts.
void wait(sem_t& semaphore) noexcept {
  while (sem_wait(&semaphore) != 0 && errno == EINTR) {
  }
}

void on_signal(int /*signal*/) {
  const int error = errno;
  signalled.load()->park();
  errno = error;
}

}  // namespace

ParkingPlace::ParkingPlace() {
  sem_init(&parked_, 0, 0);
  sem_init(&released_, 0, 0);
}
ParkingPlace::~ParkingPlace() {
  sem_destroy(&parked_);
  sem_destroy(&released_);
}

void ParkingPlace::park() noexcept {
  sem_post(&parked_);
  wait(released_);
}
void ParkingPlace::await() noexcept { wait(parked_); }
void ParkingPlace::release() noexcept { sem_post(&released_); }

void park_by_signal(pthread_t thread, ParkingPlace& place) {
  signalled.store(&place);
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
  pthread_kill(thread, SIGUSR1);
}

ParkingOs::ParkingOs(ParkingPlace& place) : place_(place) {}
ParkingOs::~ParkingOs() = default;

void ParkingOs::watch(std::uint64_t park_at) noexcept {
  watched_.store(pthread_self());
  calls_.store(0);
  parked_.store(false);
  park_at_.store(park_at);
}

void ParkingOs::step(const char* name) noexcept {
  if (pthread_equal(watched_.load(), pthread_self()) == 0) return;
  if (!parked_.load()) where_.store(name);
  if (calls_.fetch_add(1) + 1 != park_at_.load()) return;
  parked_.store(true);
  place_.park();
}

class ParkingOs::ParkingFile : public storage::File {
 public:
  ParkingFile(ParkingOs& os, std::unique_ptr<storage::File> file)
      : os_(os), file_(std::move(file)) {}
  Result<std::size_t> read_at(std::span<std::byte> buffer, std::uint64_t offset) const override {
    os_.step("read");
    return file_->read_at(buffer, offset);
  }
  Status write_at(std::span<const std::byte> bytes, std::uint64_t offset) override {
    os_.step("write");
    return file_->write_at(bytes, offset);
  }
  void begin_sync(std::uint64_t offset, std::uint64_t bytes) noexcept override {
    file_->begin_sync(offset, bytes);
  }
  Status sync() override {
    os_.step("sync");
    return file_->sync();
  }
  Result<std::uint64_t> size() const override {
    os_.step("size");
    return file_->size();
  }
  void drop_cache() override { file_->drop_cache(); }
  Result<bool> try_lock(std::uint64_t offset, storage::LockMode mode) override {
    os_.step("try_lock");
    return file_->try_lock(offset, mode);
  }
  Status lock(std::uint64_t offset, storage::LockMode mode) override {
    os_.step("lock");
    return file_->lock(offset, mode);
  }
  void unlock(std::uint64_t offset) override {
    os_.step("unlock");
    file_->unlock(offset);
  }

 private:
  ParkingOs& os_;
  std::unique_ptr<storage::File> file_;
};

Result<std::unique_ptr<storage::File>> ParkingOs::open_file(const std::string& path,
                                                            storage::OpenMode mode) {
  step("open");
  auto file = storage::real_os().open_file(path, mode);
  if (!file) return file;
  return std::make_unique<ParkingFile>(*this, std::move(*file));
}
Result<std::unique_ptr<storage::Mapping>> ParkingOs::map_read(const std::string& path) {
  step("map");
  return storage::real_os().map_read(path);
}
Result<std::unique_ptr<storage::Mapping>> ParkingOs::map_shared(const std::string& path,
                                                                std::size_t size) {
  step("map");
  return storage::real_os().map_shared(path, size);
}
Status ParkingOs::make_directory(const std::string& path) {
  step("make directory");
  return storage::real_os().make_directory(path);
}
Result<std::vector<std::string>> ParkingOs::list_directory(const std::string& path) {
  step("list");
  return storage::real_os().list_directory(path);
}
bool ParkingOs::exists(const std::string& path) { return storage::real_os().exists(path); }
Status ParkingOs::rename(const std::string& from, const std::string& to) {
  step("rename");
  return storage::real_os().rename(from, to);
}
Status ParkingOs::link(const std::string& from, const std::string& to) {
  step("link");
  return storage::real_os().link(from, to);
}
Status ParkingOs::unlink(const std::string& path) {
  step("unlink");
  return storage::real_os().unlink(path);
}
Status ParkingOs::sync_directory(const std::string& path) {
  step("sync directory");
  return storage::real_os().sync_directory(path);
}
std::int64_t ParkingOs::wall_time_ns() { return storage::real_os().wall_time_ns(); }
std::int64_t ParkingOs::monotonic_ns() { return storage::real_os().monotonic_ns(); }
std::uint64_t ParkingOs::random_u64() { return storage::real_os().random_u64(); }
std::uint64_t ParkingOs::boot_id() { return storage::real_os().boot_id(); }
std::uint32_t ParkingOs::process_id() { return storage::real_os().process_id(); }
void ParkingOs::wait_on(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                        std::int64_t timeout_ns) {
  step("wait");
  storage::real_os().wait_on(word, expected, timeout_ns);
}
void ParkingOs::wake_all(std::atomic<std::uint32_t>& word) {
  step("wake");
  storage::real_os().wake_all(word);
}

}  // namespace aeon::test
