// Stops a thread where it stands, while the others show that they can do without it: at a random
// instruction (a signal whose handler waits), or inside the n-th call to the system (an Os that
// waits there). Reading on beside a parked thread proves that nothing it held was needed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <pthread.h>
#include <semaphore.h>

#include "storage/os.hpp"

namespace aeon::test {

// Where a thread is parked and let go. One thread at a time.
class ParkingPlace {
 public:
  ParkingPlace();
  ~ParkingPlace();
  ParkingPlace(const ParkingPlace&) = delete;
  ParkingPlace& operator=(const ParkingPlace&) = delete;

  // The thread to be parked: says that it is here and waits for release().
  void park() noexcept;
  // The others: waits until a thread is parked; lets it go.
  void await() noexcept;
  void release() noexcept;

 private:
  sem_t parked_;
  sem_t released_;
};

// Parks the thread by a signal at whatever instruction it is, in a handler of this process.
// Await() the place afterwards. One place at a time.
void park_by_signal(pthread_t thread, ParkingPlace& place);

// The real machine, but for one call of one thread, in which that thread is parked.
class ParkingOs : public storage::Os {
 public:
  explicit ParkingOs(ParkingPlace& place);
  ~ParkingOs() override;

  // From here on calls of the calling thread are counted; the one with that number (from 1) parks
  // it before the call is made. 0: none.
  void watch(std::uint64_t park_at) noexcept;
  // Calls since watch(), and the name of the last that was counted, or of the one that parked.
  [[nodiscard]] std::uint64_t calls() const noexcept { return calls_.load(); }
  [[nodiscard]] std::string_view where() const noexcept { return where_.load(); }
  [[nodiscard]] bool parked() const noexcept { return parked_.load(); }

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
  void wait_on(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
               std::int64_t timeout_ns) override;
  void wake_all(std::atomic<std::uint32_t>& word) override;

 private:
  class ParkingFile;
  void step(const char* name) noexcept;

  ParkingPlace& place_;
  std::atomic<pthread_t> watched_{};
  std::atomic<std::uint64_t> park_at_{0};
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<bool> parked_{false};
  std::atomic<const char*> where_{""};
};

}  // namespace aeon::test
