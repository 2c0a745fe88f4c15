// The rest of epoch.hpp: where slots come from and how garbage is freed. Included where the
// template is instantiated: epoch.cpp, and tests with Atomics of their own.
#pragma once

#include <algorithm>
#include <cassert>
#include <limits>
#include <new>

#include "storage/epoch.hpp"

namespace aeon::storage {

namespace epoch_domain {

inline constexpr std::uint64_t kFree = 0;
inline constexpr std::uint64_t kOrphan = 1;  // its domain is gone, its thread may reuse it
inline constexpr std::uint64_t kFirstId = 2;
inline constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();

// What all domains of the process share.
template <typename Atomics>
struct Shared {
  template <typename T>
  using Atomic = typename Atomics::template Atomic<T>;

  // Relaxed: only uniqueness matters.
  static constinit inline Atomic<std::uint64_t> next_id{kFirstId};
  // Slots are pushed and never removed, so a walk needs nothing but its start.
  static constinit inline Atomic<EpochSlot<Atomics>*> all_slots{nullptr};
};

// Hands the thread's slots to later threads when the thread ends.
template <typename Atomics>
struct ThreadEnd {
  constexpr ThreadEnd() = default;
  ~ThreadEnd() {
    auto& self = Atomics::template local<EpochThread<Atomics>>();
    EpochSlot<Atomics>* slot = self.slots;
    self = {};
    self.ended = true;
    while (slot != nullptr) {
      assert(slot->depth == 0 && "a thread ended inside an epoch guard");
      EpochSlot<Atomics>* const next = slot->next_of_thread;
      // (12) synchronizes-with (11): the next owner sees depth and list link as we leave them.
      slot->domain.store(kFree, std::memory_order_release);
      slot = next;
    }
  }
  ThreadEnd(const ThreadEnd&) = delete;
  ThreadEnd& operator=(const ThreadEnd&) = delete;
  void arm() const noexcept {}
};

template <typename Atomics>
EpochSlot<Atomics>* first_slot() noexcept {
  // (14) synchronizes-with (13).
  return Shared<Atomics>::all_slots.load(std::memory_order_acquire);
}

template <typename Atomics>
EpochSlot<Atomics>* claim_free_slot(std::uint64_t id) noexcept {
  for (EpochSlot<Atomics>* slot = first_slot<Atomics>(); slot; slot = slot->next) {
    std::uint64_t expected = kFree;
    // Relaxed look first: a stale answer only costs a miss or a failed exchange.
    if (slot->domain.load(std::memory_order_relaxed) != kFree) continue;
    // (11) synchronizes-with (12).
    if (slot->domain.compare_exchange_strong(expected, id, std::memory_order_acquire,
                                             std::memory_order_relaxed)) {
      return slot;
    }
  }
  return nullptr;
}

template <typename Atomics>
EpochSlot<Atomics>* make_slot(std::uint64_t id) noexcept {
  auto& all_slots = Shared<Atomics>::all_slots;
  auto* const slot = new (std::nothrow) EpochSlot<Atomics>;
  if (slot == nullptr) return nullptr;
  // Relaxed: nobody sees the slot before (13).
  slot->domain.store(id, std::memory_order_relaxed);
  slot->next = all_slots.load(std::memory_order_relaxed);
  // (13) synchronizes-with (14): a walk that finds the slot finds it initialised.
  while (!all_slots.compare_exchange_weak(slot->next, slot, std::memory_order_release,
                                          std::memory_order_relaxed)) {
  }
  return slot;
}

template <typename Atomics>
EpochSlot<Atomics>* slot_of_thread(std::uint64_t id) noexcept {
  EpochSlot<Atomics>* const slots = Atomics::template local<EpochThread<Atomics>>().slots;
  // Relaxed: this thread wrote the field, or the domain's end wrote kOrphan, and nothing else of
  // the slot changed hands with it.
  for (EpochSlot<Atomics>* slot = slots; slot; slot = slot->next_of_thread) {
    if (slot->domain.load(std::memory_order_relaxed) == id) return slot;
  }
  for (EpochSlot<Atomics>* slot = slots; slot; slot = slot->next_of_thread) {
    if (slot->domain.load(std::memory_order_relaxed) != kOrphan) continue;
    // Release: passes on to (17) what (11) brought from the slot's former owner.
    slot->domain.store(id, std::memory_order_release);
    return slot;
  }
  return nullptr;
}

}  // namespace epoch_domain

template <typename Atomics>
struct BasicEpochDomain<Atomics>::Retired {
  void* object;
  Deleter deleter;
  std::size_t bytes;
  std::uint64_t stamp;
  Retired* next;
};

template <typename Atomics>
BasicEpochDomain<Atomics>::BasicEpochDomain() noexcept
    : id_(epoch_domain::Shared<Atomics>::next_id.fetch_add(1, std::memory_order_relaxed)),
      asymmetric_(Atomics::has_process_fence()) {}

template <typename Atomics>
BasicEpochDomain<Atomics>::~BasicEpochDomain() {
  // A deleter may retire more, hence the loop. The caller vouches that nobody else is inside.
  while (pending_.load(std::memory_order_relaxed) != nullptr || limbo_first_ != nullptr) {
    stamp_pending();
    assert(oldest_announced() == epoch_domain::kNobody &&
           "an epoch domain died under an open guard");
    free_below(epoch_domain::kNobody);
  }
  for (Slot* slot = epoch_domain::first_slot<Atomics>(); slot; slot = slot->next) {
    std::uint64_t expected = id_;
    // Relaxed: the owner learns nothing from it but that it may use the slot again.
    slot->domain.compare_exchange_strong(expected, epoch_domain::kOrphan,
                                         std::memory_order_relaxed);
  }
}

template <typename Atomics>
auto BasicEpochDomain<Atomics>::find_slot() noexcept -> Slot* {
  EpochThread<Atomics>& self = Atomics::template local<EpochThread<Atomics>>();
  if (self.ended) return nullptr;
  Slot* slot = epoch_domain::slot_of_thread<Atomics>(id_);
  if (slot == nullptr) {
    slot = epoch_domain::claim_free_slot<Atomics>(id_);
    if (slot == nullptr) slot = epoch_domain::make_slot<Atomics>(id_);
    if (slot == nullptr) return nullptr;
    Atomics::template local<epoch_domain::ThreadEnd<Atomics>>()
        .arm();  // its first use makes the thread run its destructor
    slot->next_of_thread = self.slots;
    self.slots = slot;
  }
  self.domain = id_;
  self.slot = slot;
  return slot;
}

template <typename Atomics>
auto BasicEpochDomain<Atomics>::begin_counted() noexcept -> Slot* {
  // Relaxed: the fences order it against (4), as they order (3).
  counted_.fetch_add(1, std::memory_order_relaxed);
  Atomics::light_fence(asymmetric_);
  return nullptr;
}

template <typename Atomics>
void BasicEpochDomain<Atomics>::retire(void* object, Deleter deleter, std::size_t bytes) noexcept {
  assert(object != nullptr && deleter != nullptr);
  auto* const item = new (std::nothrow) Retired{object, deleter, bytes, 0, nullptr};
  if (item == nullptr) {
    kept_objects_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  retired_objects_.fetch_add(1, std::memory_order_relaxed);
  retired_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  item->next = pending_.load(std::memory_order_relaxed);
  // (7) synchronizes-with (8): whoever takes the item has the unlink behind it. Items are only
  // ever taken all at once, so the push can't be fooled by a reused address.
  while (!pending_.compare_exchange_weak(item->next, item, std::memory_order_release,
                                         std::memory_order_relaxed)) {
  }
}

// Moves the pending items to limbo under one stamp, with the fence that settles them.
template <typename Atomics>
void BasicEpochDomain<Atomics>::stamp_pending() noexcept {
  // (8) synchronizes-with (7).
  Retired* const batch = pending_.exchange(nullptr, std::memory_order_acquire);
  if (batch == nullptr) return;
  // (2) synchronizes-with (1).
  const std::uint64_t stamp = epoch_.fetch_add(1, std::memory_order_acq_rel);
  Atomics::heavy_fence(asymmetric_);  // (4) pairs with the light fences
  Retired* last = batch;
  for (Retired* item = batch; item != nullptr; item = item->next) {
    item->stamp = stamp;
    last = item;
  }
  (limbo_last_ == nullptr ? limbo_first_ : limbo_last_->next) = batch;
  limbo_last_ = last;
}

template <typename Atomics>
std::uint64_t BasicEpochDomain<Atomics>::oldest_announced() const noexcept {
  // (10) synchronizes-with (9).
  if (counted_.load(std::memory_order_acquire) != 0) return 0;
  std::uint64_t oldest = epoch_domain::kNobody;
  for (Slot* slot = epoch_domain::first_slot<Atomics>(); slot; slot = slot->next) {
    // A slot that was claimed before the fence shows our id here; one that shows another value
    // belongs to a reader of another domain, to one who came after the fence, or to a thread that
    // ended: acquire, (17) synchronizes-with (12), so that its sections are seen as done.
    if (slot->domain.load(std::memory_order_acquire) != id_) continue;
    // (6) synchronizes-with (3) and (5).
    const std::uint64_t announced = slot->epoch.load(std::memory_order_acquire);
    if (announced != 0) oldest = std::min(oldest, announced);
  }
  return oldest;
}

template <typename Atomics>
std::size_t BasicEpochDomain<Atomics>::free_below(std::uint64_t oldest) noexcept {
  std::size_t freed = 0;
  while (limbo_first_ != nullptr && limbo_first_->stamp < oldest) {
    Retired* const item = limbo_first_;
    limbo_first_ = item->next;
    if (limbo_first_ == nullptr) limbo_last_ = nullptr;
    retired_objects_.fetch_sub(1, std::memory_order_relaxed);
    retired_bytes_.fetch_sub(item->bytes, std::memory_order_relaxed);
    item->deleter(item->object);
    delete item;
    ++freed;
  }
  freed_objects_.fetch_add(freed, std::memory_order_relaxed);
  return freed;
}

template <typename Atomics>
std::size_t BasicEpochDomain<Atomics>::try_reclaim() noexcept {
  // (15) synchronizes-with (16): limbo passes from one reclaiming thread to the next.
  if (reclaiming_.exchange(true, std::memory_order_acquire)) return 0;
  stamp_pending();
  const std::size_t freed = limbo_first_ == nullptr ? 0 : free_below(oldest_announced());
  reclaiming_.store(false, std::memory_order_release);  // (16)
  return freed;
}

template <typename Atomics>
EpochStats BasicEpochDomain<Atomics>::stats() const noexcept {
  EpochStats stats;
  // Relaxed throughout: figures for people, nothing is read through them.
  stats.epoch = epoch_.load(std::memory_order_relaxed);
  stats.open_guards = counted_.load(std::memory_order_relaxed);
  for (Slot* slot = epoch_domain::first_slot<Atomics>(); slot; slot = slot->next) {
    ++stats.slots;
    if (slot->domain.load(std::memory_order_relaxed) != id_) continue;
    const std::uint64_t announced = slot->epoch.load(std::memory_order_relaxed);
    if (announced == 0) continue;
    ++stats.open_guards;
    const std::uint64_t age = stats.epoch > announced ? stats.epoch - announced : 0;
    stats.oldest_guard_epochs = std::max(stats.oldest_guard_epochs, age);
  }
  stats.retired_objects = retired_objects_.load(std::memory_order_relaxed);
  stats.retired_bytes = retired_bytes_.load(std::memory_order_relaxed);
  stats.freed_objects = freed_objects_.load(std::memory_order_relaxed);
  stats.kept_objects = kept_objects_.load(std::memory_order_relaxed);
  return stats;
}

}  // namespace aeon::storage
