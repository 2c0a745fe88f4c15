// The newest of a row of objects, each of which readers may keep for as long as they like while
// writers put another in its place.
//
// The problem. A reader loads the pointer, is put to sleep, and counts itself in later: by then the
// object may be gone. Our way: the count is raised inside an epoch guard, and the hold that being
// the newest means is dropped only after a grace period, when no reader can be between its load and
// its count. So a count never comes back from 0.
//
// Deleting may be costly (unmapping files, freeing tails) and is no reader's work: a reader that
// gives the last hold back leaves the object to the next writer that sweeps. Wait-free but for the
// push of what is left, which only other readers at the same point can make try again.
#pragma once

#include <cstdint>
#include <memory>

#include "storage/epoch.hpp"

namespace aeon::storage {

// How many hold an object. Born with one, for being published.
template <typename Atomics>
class BasicHoldCount {
 public:
  // The caller is inside a guard it entered before it found the object, or has a hold. Relaxed:
  // the object can't go away meanwhile, and nothing is learnt from the count.
  void hold() const noexcept { holds_.fetch_add(1, std::memory_order_relaxed); }
  // True when that was the last hold and the object is the caller's to delete.
  [[nodiscard]] bool release() const noexcept {
    // (3) synchronizes-with itself: release, what this holder read happens before the deletion;
    // acquire, by the one who finds the last hold.
    return holds_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

 private:
  template <typename, typename>
  friend class BasicHeldPointer;
  mutable typename Atomics::template Atomic<std::uint64_t> holds_{1};
  mutable const void* left_before_ = nullptr;  // the object left before this one
};

// `Object` has holds(), a BasicHoldCount.
template <typename Object, typename Atomics>
class BasicHeldPointer {
 public:
  using Domain = BasicEpochDomain<Atomics>;

  // The newest object, null before the first; alive inside a guard or while it is held or newest.
  [[nodiscard]] const Object* look() const noexcept {
    return newest_.load(std::memory_order_acquire);  // (2)
  }
  // The newest object with a hold on it, to be given to drop(). Wait-free.
  [[nodiscard]] const Object* hold(Domain& domain) const noexcept {
    const auto guard = domain.enter();
    const Object* const object = look();
    object->holds().hold();
    return object;
  }
  // Gives a hold back. No system call, no allocation; what nobody holds any more waits for sweep().
  void drop(const Object* object) const noexcept {
    if (!object->holds().release()) return;
    const Object* before = left_.load(std::memory_order_relaxed);  // the exchange decides
    do {
      object->holds().left_before_ = before;
      // (4) synchronizes-with (5): the sweeper sees the link, and all holders' reads as done.
    } while (!left_.compare_exchange_weak(before, object, std::memory_order_release,
                                          std::memory_order_relaxed));
  }
  // Deletes what readers have left. Any writer thread.
  void sweep() const noexcept {
    // Relaxed: a look; what is left right now waits for the next call.
    if (left_.load(std::memory_order_relaxed) == nullptr) return;
    const Object* object = left_.exchange(nullptr, std::memory_order_acquire);  // (5)
    while (object != nullptr) {
      const auto* const before = static_cast<const Object*>(object->holds().left_before_);
      delete object;
      object = before;
    }
  }
  // Puts `object` in place of the newest one. One writer at a time.
  void publish(std::unique_ptr<const Object> object, Domain& domain) noexcept {
    // (1) synchronizes-with (2): the object is complete before it is found.
    const Object* const old = newest_.exchange(object.release(), std::memory_order_acq_rel);
    if (old == nullptr) return;
    const auto drop_published = [](void* replaced) noexcept {
      const auto* const published = static_cast<const Object*>(replaced);
      if (published->holds().release()) delete published;
    };
    domain.retire(const_cast<Object*>(old), drop_published, sizeof(Object));
  }
  // Once no reader is left: gives the newest object's published hold back and sweeps.
  void clear() noexcept {
    // Relaxed: the caller vouches that it is alone.
    if (const Object* const last = newest_.exchange(nullptr, std::memory_order_relaxed)) drop(last);
    sweep();
  }

 private:
  typename Atomics::template Atomic<const Object*> newest_{nullptr};
  mutable typename Atomics::template Atomic<const Object*> left_{nullptr};
};

using HoldCount = BasicHoldCount<StdAtomics>;
template <typename Object>
using HeldPointer = BasicHeldPointer<Object, StdAtomics>;

}  // namespace aeon::storage
