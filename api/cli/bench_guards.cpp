#include "api/cli/bench_guards.hpp"

#include <array>
#include <mutex>
#include <shared_mutex>

#include "api/cli/bench_guard_loop.hpp"
#include "storage/epoch.hpp"

namespace aeon::cli {
namespace {

struct NoGuard {
  struct Thread {
    explicit Thread(NoGuard& /*way*/) {}
    std::size_t next = 0;
  };
  std::array<GuardedObject, 2> objects;
  std::atomic<GuardedObject*> pointer{objects.data()};
  Peak retired_peak;

  std::uint64_t read(Thread& /*thread*/) noexcept {
    // Synchronizes with the store below: the object is complete.
    return pointer.load(std::memory_order_acquire)->read();
  }
  void write(Thread& thread) noexcept {
    pointer.store(&objects[thread.next ^= 1], std::memory_order_release);
  }
};

struct EpochGuard {
  struct Thread {
    explicit Thread(EpochGuard& /*way*/) {}
    std::uint64_t writes = 0;
  };
  storage::EpochDomain domain;
  std::atomic<GuardedObject*> pointer{new GuardedObject};
  Peak retired_peak;

  EpochGuard() = default;
  EpochGuard(const EpochGuard&) = delete;
  EpochGuard& operator=(const EpochGuard&) = delete;
  ~EpochGuard() { free_object(pointer.load(std::memory_order_acquire)); }

  std::uint64_t read(Thread& /*thread*/) noexcept {
    const auto guard = domain.enter();
    // Synchronizes with the exchange below: the object is complete.
    return pointer.load(std::memory_order_acquire)->read();
  }
  void write(Thread& thread) {
    GuardedObject* old = pointer.exchange(new GuardedObject, std::memory_order_acq_rel);
    domain.retire(
        old, [](void* object) noexcept { free_object(static_cast<GuardedObject*>(object)); },
        sizeof(GuardedObject));
    if (++thread.writes % kFreeBatch != 0) return;
    retired_peak.see(domain.stats().retired_bytes);
    domain.try_reclaim();
  }
};

struct SharedMutex {
  struct Thread {
    explicit Thread(SharedMutex& /*way*/) {}
  };
  std::shared_mutex mutex;
  std::unique_ptr<GuardedObject> object = std::make_unique<GuardedObject>();  // guarded by mutex
  Peak retired_peak;

  std::uint64_t read(Thread& /*thread*/) {
    const std::shared_lock lock(mutex);
    return object->read();
  }
  void write(Thread& /*thread*/) {
    auto fresh = std::make_unique<GuardedObject>();
    {
      const std::unique_lock lock(mutex);
      object.swap(fresh);
    }
    free_object(fresh.release());
  }
};

}  // namespace

const std::string_view kMutexGuard = "shared_mutex";

std::vector<std::unique_ptr<GuardBench>> guard_benches() {
  std::vector<std::unique_ptr<GuardBench>> benches;
  benches.push_back(std::make_unique<GuardBenchOf<NoGuard>>(kNoGuard));
  benches.push_back(std::make_unique<GuardBenchOf<EpochGuard>>(kEpochGuard));
  benches.push_back(std::make_unique<GuardBenchOf<SharedMutex>>(kMutexGuard));
  if (auto urcu = urcu_guard_bench()) benches.push_back(std::move(urcu));
  return benches;
}

}  // namespace aeon::cli
