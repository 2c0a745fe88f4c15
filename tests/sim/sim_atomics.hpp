// The Atomics of storage/atomics.hpp on the machine of schedule.hpp. Outside a run they are plain
// memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "tests/sim/schedule.hpp"

namespace aeon::test {

template <typename T>
class SimAtomic {
  static_assert(sizeof(T) <= 8 && (std::is_integral_v<T> || std::is_pointer_v<T>));

 public:
  constexpr SimAtomic() noexcept = default;
  constexpr SimAtomic(T value) noexcept {  // NOLINT: converts as std::atomic does
    if constexpr (std::is_pointer_v<T>) {
      if (value != nullptr) cell_.bits = bits_of(value);
    } else {
      cell_.bits = static_cast<std::uint64_t>(value);
    }
  }
  SimAtomic(const SimAtomic&) = delete;
  SimAtomic& operator=(const SimAtomic&) = delete;

  T load(std::memory_order order) const noexcept {
    Machine* const machine = Machine::current();
    return value_of(machine == nullptr ? cell_.bits : machine->load(cell_, acquires(order)));
  }
  void store(T value, std::memory_order order) noexcept {
    const std::uint64_t bits = bits_of(value);
    if (Machine* const machine = Machine::current()) {
      machine->store(cell_, bits, releases(order), order == std::memory_order_seq_cst);
    } else {
      cell_.bits = bits;
    }
  }
  T exchange(T value, std::memory_order order) noexcept {
    return modify(order, [value](T) { return value; });
  }
  T fetch_add(T value, std::memory_order order) noexcept {
    return modify(order, [value](T before) { return static_cast<T>(before + value); });
  }
  T fetch_sub(T value, std::memory_order order) noexcept {
    return modify(order, [value](T before) { return static_cast<T>(before - value); });
  }
  bool compare_exchange_strong(T& expected, T value, std::memory_order order,
                               std::memory_order failed = std::memory_order_relaxed) noexcept {
    const std::uint64_t wanted = bits_of(expected);
    bool done = false;
    const auto next = [&](std::uint64_t before, std::uint64_t& after) {
      done = before == wanted;
      if (done) after = bits_of(value);
      return done;
    };
    Machine* const machine = Machine::current();
    const bool acquire = acquires(order) || acquires(failed);
    std::uint64_t before = cell_.bits;
    if (machine != nullptr) {
      before = machine->modify(cell_, acquire, releases(order), next);
    } else {
      (void)next(before, cell_.bits);
    }
    expected = value_of(before);
    return done;
  }
  bool compare_exchange_weak(T& expected, T value, std::memory_order order,
                             std::memory_order failed = std::memory_order_relaxed) noexcept {
    return compare_exchange_strong(expected, value, order, failed);
  }

 private:
  static bool acquires(std::memory_order order) noexcept {
    return order == std::memory_order_acquire || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
  }
  static bool releases(std::memory_order order) noexcept {
    return order == std::memory_order_release || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
  }
  static std::uint64_t bits_of(T value) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<std::uintptr_t>(value);
    } else {
      return static_cast<std::uint64_t>(value);
    }
  }
  static T value_of(std::uint64_t bits) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<T>(static_cast<std::uintptr_t>(bits));
    } else {
      return static_cast<T>(bits);
    }
  }
  template <typename Next>
  T modify(std::memory_order order, Next next) noexcept {
    const auto step = [&](std::uint64_t before, std::uint64_t& after) {
      after = bits_of(next(value_of(before)));
      return true;
    };
    if (Machine* const machine = Machine::current()) {
      return value_of(machine->modify(cell_, acquires(order), releases(order), step));
    }
    const std::uint64_t before = cell_.bits;
    (void)step(before, cell_.bits);
    return value_of(before);
  }

  mutable Cell cell_;
};

// kProcessFence: the kernel raises a fence in all threads, and the frequent side runs none.
template <bool kProcessFence>
struct SimAtomics {
  template <typename T>
  using Atomic = SimAtomic<T>;

  template <typename T>
  static T& local() {
    static const char type = 0;
    std::shared_ptr<void>& object = Machine::current()->local(&type);
    if (object == nullptr) object = std::make_shared<T>();
    return *static_cast<T*>(object.get());
  }
  static bool has_process_fence() noexcept { return kProcessFence; }
  static void light_fence(bool asymmetric) {
    if (!asymmetric) Machine::current()->fence();
  }
  static void heavy_fence(bool asymmetric) {
    if (Machine::current() == nullptr) return;
    Machine::current()->fence();
    if (asymmetric) Machine::current()->fence_process();
  }
};

}  // namespace aeon::test
