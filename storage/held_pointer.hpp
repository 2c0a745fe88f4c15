// The newest of a row of objects, each of which readers may keep for as long as they like while
// writers put another in its place.
//
// The problem. A reader loads the pointer, is put to sleep, and counts itself in later: by then the
// object may be gone. Our way: the count is raised inside an epoch guard, and the hold that being
// the newest means is dropped only after a grace period, when no reader can be between its load and
// its count. So a count never comes back from 0, and whoever takes it there deletes the object.
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
  // True when that was the last hold and the caller must delete the object.
  [[nodiscard]] bool release() const noexcept {
    // (3) synchronizes-with itself: release, what this holder read happens before the deletion;
    // acquire, by the one who finds the last hold.
    return holds_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

 private:
  mutable typename Atomics::template Atomic<std::uint64_t> holds_{1};
};

// `Object` has hold() and release() of a BasicHoldCount.
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
    object->hold();
    return object;
  }
  // Puts `object` in place of the newest one. One writer at a time.
  void publish(std::unique_ptr<const Object> object, Domain& domain) noexcept {
    // (1) synchronizes-with (2): the object is complete before it is found.
    const Object* const old = newest_.exchange(object.release(), std::memory_order_acq_rel);
    if (old == nullptr) return;
    const auto drop_published = [](void* replaced) noexcept {
      drop(static_cast<Object*>(replaced));
    };
    domain.retire(const_cast<Object*>(old), drop_published, sizeof(Object));
  }
  // Once no reader is left: gives the newest object's published hold back.
  void clear() noexcept {
    // Relaxed: the caller vouches that it is alone.
    if (const Object* const last = newest_.exchange(nullptr, std::memory_order_relaxed)) drop(last);
  }
  // Gives a hold back, and deletes the object with the last one.
  static void drop(const Object* object) noexcept {
    if (object->release()) delete object;
  }

 private:
  typename Atomics::template Atomic<const Object*> newest_{nullptr};
};

using HoldCount = BasicHoldCount<StdAtomics>;
template <typename Object>
using HeldPointer = BasicHeldPointer<Object, StdAtomics>;

}  // namespace aeon::storage
