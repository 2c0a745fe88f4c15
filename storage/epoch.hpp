// Epochs: when may a writer free what readers may still be looking at?
//
// The problem. A writer unlinks an object (swaps the pointer that led to it) and wants its memory
// back. Readers take no lock, so some may have loaded the old pointer and be in the middle of it.
//
// The naive ways. A reference count costs every reader two contended atomic operations. An epoch
// announced with a plain store is not enough: the processor may let the reader's later loads pass
// that store, the writer scans, sees nobody, frees. A full fence in the reader repairs it at 6 to
// 30 ns per call.
//
// Our way. The reader announces itself with a plain store and a *compiler* barrier, about 1 ns;
// the writer, who frees rarely, has the kernel raise a full barrier on all threads at once
// (process_fence.hpp). Where the kernel can't, the reader's barrier becomes a real fence.
//
//     reader                                   writer
//     (1) e = epoch.load(acquire)              unlink object
//     (3) slot.epoch.store(e, release)         (7) pending.push(object)
//         light fence                          ---- try_reclaim ----
//         load pointers, read objects          (8) batch = pending.take()
//     (5) slot.epoch.store(0, release)         (2) stamp = epoch.fetch_add(1)
//                                              (4) heavy fence
//                                              (6) oldest = min over slots of slot.epoch
//                                                  free what is stamped below `oldest`
//
// Why it is correct. Take an object stamped s, a reader, and the barrier P that (4) raises in the
// reader's thread. If (3) comes after P, then so do the reader's loads, and they see the unlink,
// which came before (4): it can't find the object. If (3) comes before P, then (6), now or in any
// later call, sees it or something newer. Seen as e <= s, it holds the object back. Seen as e > s,
// the reader's (1) read what (2) or a later bump wrote, so by (2)->(1) it sees the unlink. Seen as
// 0 or as a later announcement of the same thread, the section is over, and by (5)->(6) or
// (3)->(6) all its reads happened before the free. A reader that sleeps between (1) and (3)
// announces an epoch that is too old, which only holds more back. So one fence settles a batch for
// ever: calls without new garbage only scan.
//
// Who has a slot. One per thread and domain, in a process-wide list that only grows; a thread that
// ends hands its slots to the next one. Ids of domains are never reused, so a thread's memory of a
// destroyed domain can't match a new one. Garbage belongs to the domain, not to the thread that
// retired it, so threads that end leave nothing to adopt. Where no slot can be had (no memory, or
// a guard taken while the thread's own storage is torn down) the reader is counted in the domain
// instead; while that count is not 0 nothing is freed.
//
// Limits. A reader that sleeps inside a guard holds back everything retired since, for as long as
// it sleeps; memory grows and stats() shows it; nothing is ever freed early. A guard belongs to
// the thread that took it and should last for one call; a snapshot is a counted hold instead.
//
// What is not needed on the reader's way is in epoch_domain.hpp, which epoch.cpp instantiates.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "storage/atomics.hpp"

namespace aeon::storage {

template <typename Atomics>
struct alignas(64) EpochSlot {
  template <typename T>
  using Atomic = typename Atomics::template Atomic<T>;

  Atomic<std::uint64_t> epoch{0};       // 0: its thread is not reading
  Atomic<std::uint64_t> domain{0};      // 0: free; 1: its domain is gone; else the domain's id
  std::uint32_t depth = 0;              // owner only: guards that are open now
  EpochSlot* next = nullptr;            // all slots; fixed once the slot is in the list
  EpochSlot* next_of_thread = nullptr;  // owner only: slots of this thread
};

// What a thread remembers. Trivial, so that reading it needs no initialisation check.
template <typename Atomics>
struct EpochThread {
  std::uint64_t domain = 0;             // the domain used last
  EpochSlot<Atomics>* slot = nullptr;   // and this thread's slot in it
  EpochSlot<Atomics>* slots = nullptr;  // all slots of this thread
  bool ended = false;                   // its slots were handed back
};

struct EpochStats {
  std::uint64_t epoch = 0;                // the current one; advances with each batch of garbage
  std::uint64_t oldest_guard_epochs = 0;  // how far the oldest open guard lies behind; 0: none
  std::uint64_t open_guards = 0;          // threads inside a guard, nested ones counted once
  std::uint64_t retired_objects = 0;      // waiting to be freed
  std::uint64_t retired_bytes = 0;
  std::uint64_t freed_objects = 0;  // since the domain began
  std::uint64_t kept_objects = 0;   // never freed: no memory to remember them
  std::uint64_t slots = 0;          // of all domains of the process; most threads at once
};

template <typename Atomics>
class BasicEpochDomain {
  template <typename T>
  using Atomic = typename Atomics::template Atomic<T>;
  using Slot = EpochSlot<Atomics>;

 public:
  // Runs when no reader can reach `object` any more. May retire further objects.
  using Deleter = void (*)(void* object) noexcept;

  BasicEpochDomain() noexcept;
  // Frees everything retired. No guard may be open and no other thread inside a call.
  ~BasicEpochDomain();
  BasicEpochDomain(const BasicEpochDomain&) = delete;
  BasicEpochDomain& operator=(const BasicEpochDomain&) = delete;

  class Guard {
   public:
    ~Guard() { domain_.leave(slot_); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    friend class BasicEpochDomain;
    explicit Guard(BasicEpochDomain& domain) noexcept : domain_(domain), slot_(domain.begin()) {}
    BasicEpochDomain& domain_;
    Slot* slot_;
  };

  // Until the guard dies, nothing that was reachable when it began is freed. Guards nest; a guard
  // dies on the thread that took it. Wait-free, no system call; allocates one slot when a thread
  // comes to this domain for the first time.
  [[nodiscard]] Guard enter() noexcept { return Guard(*this); }

  // Hands over an object that no new reader can reach any more; `deleter` frees it later. Any
  // writer thread, lock-free. `bytes` is for stats only.
  void retire(void* object, Deleter deleter, std::size_t bytes) noexcept;
  // As above, for an object made with new.
  template <typename T>
  void retire(const T* object, std::size_t bytes = sizeof(T)) noexcept {
    retire(const_cast<T*>(object), [](void* p) noexcept { delete static_cast<T*>(p); }, bytes);
  }

  // Frees what no reader can reach any more and returns how many objects that were. Any writer
  // thread; never waits for readers, and returns 0 at once while another thread reclaims. With
  // new garbage it costs one heavy fence, otherwise one walk over the slots.
  std::size_t try_reclaim() noexcept;

  // Any thread; figures are from slightly different moments.
  [[nodiscard]] EpochStats stats() const noexcept;

 private:
  struct Retired;

  Slot* begin() noexcept;
  void leave(Slot* slot) noexcept;
  void announce(Slot& slot) noexcept;
  Slot* find_slot() noexcept;
  Slot* begin_counted() noexcept;
  void stamp_pending() noexcept;
  std::size_t free_below(std::uint64_t oldest) noexcept;
  [[nodiscard]] std::uint64_t oldest_announced() const noexcept;

  // Read by every reader, written once per batch.
  alignas(64) Atomic<std::uint64_t> epoch_{1};
  const std::uint64_t id_;
  const bool asymmetric_;
  // Readers without a slot.
  alignas(64) Atomic<std::uint64_t> counted_{0};
  // Writers' side.
  alignas(64) Atomic<Retired*> pending_{nullptr};
  Atomic<bool> reclaiming_{false};
  Retired* limbo_first_ = nullptr;  // under reclaiming_: stamped, oldest first
  Retired* limbo_last_ = nullptr;
  Atomic<std::uint64_t> retired_objects_{0};  // the four: relaxed, figures for people
  Atomic<std::uint64_t> retired_bytes_{0};
  Atomic<std::uint64_t> freed_objects_{0};
  Atomic<std::uint64_t> kept_objects_{0};
};

template <typename Atomics>
inline void BasicEpochDomain<Atomics>::announce(Slot& slot) noexcept {
  // (1) synchronizes-with (2): whoever reads an epoch sees all unlinks of the batches before it.
  const std::uint64_t now = epoch_.load(std::memory_order_acquire);
  // (3) synchronizes-with (6): release, because the writer may see this announcement in place of
  // the (5) before it and must still see that section's reads as done.
  slot.epoch.store(now, std::memory_order_release);
  Atomics::light_fence(asymmetric_);  // pairs with (4)
}

template <typename Atomics>
inline auto BasicEpochDomain<Atomics>::begin() noexcept -> Slot* {
  EpochThread<Atomics>& self = Atomics::template local<EpochThread<Atomics>>();
  Slot* slot = self.domain == id_ ? self.slot : find_slot();
  if (slot == nullptr) return begin_counted();
  if (slot->depth++ == 0) announce(*slot);
  return slot;
}

template <typename Atomics>
inline void BasicEpochDomain<Atomics>::leave(Slot* slot) noexcept {
  if (slot == nullptr) {
    // (9) synchronizes-with (10): the section's reads are done before the count is seen lower.
    counted_.fetch_sub(1, std::memory_order_release);
    return;
  }
  if (--slot->depth != 0) return;
  // (5) synchronizes-with (6): the section's reads are done before the slot is seen empty.
  slot->epoch.store(0, std::memory_order_release);
}

using EpochDomain = BasicEpochDomain<StdAtomics>;
extern template class BasicEpochDomain<StdAtomics>;

}  // namespace aeon::storage
