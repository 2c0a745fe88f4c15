// What lock-free code is made of: atomics, fences and what a thread keeps for itself. Such code
// takes it as a template parameter `Atomics`, so that a test can put a scheduler and a store buffer
// behind it (tests/sim/sim_atomics.hpp). In the library it is always StdAtomics and costs nothing.
#pragma once

#include <atomic>

#include "storage/process_fence.hpp"

namespace aeon::storage {

struct StdAtomics {
  template <typename T>
  using Atomic = std::atomic<T>;

  // The calling thread's one object of that type. A trivial type needs no initialisation check;
  // another one is destroyed when the thread ends, if the thread ever asked for it.
  template <typename T>
  [[nodiscard]] static T& local() noexcept {
    static constinit thread_local T instance;
    return instance;
  }

  // See process_fence.hpp.
  [[nodiscard]] static bool has_process_fence() noexcept { return storage::has_process_fence(); }
  static void light_fence(bool asymmetric) noexcept { storage::light_fence(asymmetric); }
  static void heavy_fence(bool asymmetric) noexcept { storage::heavy_fence(asymmetric); }
};

}  // namespace aeon::storage
