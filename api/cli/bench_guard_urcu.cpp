// liburcu-memb, the closest relative of our epochs: its readers too rely on membarrier.
#include "api/cli/bench_guards.hpp"

#ifdef AEON_HAS_URCU

#define _LGPL_SOURCE  // its readers are inlined, as those of the others are
#include <urcu/urcu-memb.h>

#include <vector>

#include "api/cli/bench_guard_loop.hpp"

namespace aeon::cli {
namespace {

struct UrcuGuard {
  struct Thread {
    explicit Thread(UrcuGuard& /*way*/) { urcu_memb_register_thread(); }
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;
    ~Thread() {
      free_retired();
      urcu_memb_unregister_thread();
    }
    void free_retired() {
      if (retired.empty()) return;
      urcu_memb_synchronize_rcu();
      for (GuardedObject* object : retired) free_object(object);
      retired.clear();
    }
    std::vector<GuardedObject*> retired;
  };
  std::atomic<GuardedObject*> pointer{new GuardedObject};
  Peak retired_peak;

  UrcuGuard() = default;
  UrcuGuard(const UrcuGuard&) = delete;
  UrcuGuard& operator=(const UrcuGuard&) = delete;
  ~UrcuGuard() { free_object(pointer.load(std::memory_order_acquire)); }

  std::uint64_t read(Thread& /*thread*/) noexcept {
    urcu_memb_read_lock();
    // Synchronizes with the exchange below: the object is complete.
    const std::uint64_t check = pointer.load(std::memory_order_acquire)->read();
    urcu_memb_read_unlock();
    return check;
  }
  void write(Thread& thread) {
    thread.retired.push_back(pointer.exchange(new GuardedObject, std::memory_order_acq_rel));
    if (thread.retired.size() < kFreeBatch) return;
    retired_peak.see(thread.retired.size() * sizeof(GuardedObject));
    thread.free_retired();
  }
};

}  // namespace

std::unique_ptr<GuardBench> urcu_guard_bench() {
  return std::make_unique<GuardBenchOf<UrcuGuard>>(kUrcuGuard);
}

}  // namespace aeon::cli

#else

namespace aeon::cli {

std::unique_ptr<GuardBench> urcu_guard_bench() { return nullptr; }

}  // namespace aeon::cli

#endif
