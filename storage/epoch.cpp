#include "storage/epoch.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <new>

namespace aeon::storage {

constinit thread_local EpochThread epoch_thread;

namespace {

constexpr std::uint64_t kFree = 0;
constexpr std::uint64_t kOrphan = 1;  // its domain is gone, its thread may reuse it
constexpr std::uint64_t kFirstId = 2;
constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();

// Relaxed: only uniqueness matters.
constinit std::atomic<std::uint64_t> next_id{kFirstId};
// Slots are pushed and never removed, so a walk needs nothing but its start.
constinit std::atomic<EpochSlot*> all_slots{nullptr};

// Hands the thread's slots to later threads when the thread ends.
struct ThreadEnd {
  ~ThreadEnd() {
    EpochSlot* slot = epoch_thread.slots;
    epoch_thread = {.ended = true};
    while (slot != nullptr) {
      assert(slot->depth == 0 && "a thread ended inside an epoch guard");
      EpochSlot* const next = slot->next_of_thread;
      // (12) synchronizes-with (11): the next owner sees depth and list link as we leave them.
      slot->domain.store(kFree, std::memory_order_release);
      slot = next;
    }
  }
  void arm() const noexcept {}
};
thread_local ThreadEnd thread_end;

EpochSlot* claim_free_slot(std::uint64_t id) noexcept {
  // (14) synchronizes-with (13).
  for (EpochSlot* slot = all_slots.load(std::memory_order_acquire); slot; slot = slot->next) {
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

EpochSlot* make_slot(std::uint64_t id) noexcept {
  auto* const slot = new (std::nothrow) EpochSlot;
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

EpochSlot* slot_of_thread(std::uint64_t id) noexcept {
  // Relaxed: this thread wrote the field, or the domain's end wrote kOrphan, and nothing else of
  // the slot changed hands with it.
  for (EpochSlot* slot = epoch_thread.slots; slot; slot = slot->next_of_thread) {
    if (slot->domain.load(std::memory_order_relaxed) == id) return slot;
  }
  for (EpochSlot* slot = epoch_thread.slots; slot; slot = slot->next_of_thread) {
    if (slot->domain.load(std::memory_order_relaxed) != kOrphan) continue;
    // Release: passes on to (17) what (11) brought from the slot's former owner.
    slot->domain.store(id, std::memory_order_release);
    return slot;
  }
  return nullptr;
}

}  // namespace

struct EpochDomain::Retired {
  void* object;
  Deleter deleter;
  std::size_t bytes;
  std::uint64_t stamp;
  Retired* next;
};

EpochDomain::EpochDomain() noexcept
    : id_(next_id.fetch_add(1, std::memory_order_relaxed)), asymmetric_(has_process_fence()) {}

EpochDomain::~EpochDomain() {
  // A deleter may retire more, hence the loop. The caller vouches that nobody else is inside.
  while (pending_.load(std::memory_order_relaxed) != nullptr || limbo_first_ != nullptr) {
    stamp_pending();
    assert(oldest_announced() == kNobody && "an epoch domain died under an open guard");
    free_below(kNobody);
  }
  for (EpochSlot* slot = all_slots.load(std::memory_order_acquire); slot; slot = slot->next) {
    std::uint64_t expected = id_;
    // Relaxed: the owner learns nothing from it but that it may use the slot again.
    slot->domain.compare_exchange_strong(expected, kOrphan, std::memory_order_relaxed);
  }
}

EpochSlot* EpochDomain::find_slot() noexcept {
  EpochThread& self = epoch_thread;
  if (self.ended) return nullptr;
  EpochSlot* slot = slot_of_thread(id_);
  if (slot == nullptr) {
    slot = claim_free_slot(id_);
    if (slot == nullptr) slot = make_slot(id_);
    if (slot == nullptr) return nullptr;
    thread_end.arm();  // its first use makes the thread run its destructor
    slot->next_of_thread = self.slots;
    self.slots = slot;
  }
  self.domain = id_;
  self.slot = slot;
  return slot;
}

EpochSlot* EpochDomain::begin_counted() noexcept {
  // Relaxed: the fences order it against (4), as they order (3).
  counted_.fetch_add(1, std::memory_order_relaxed);
  light_fence(asymmetric_);
  return nullptr;
}

void EpochDomain::retire(void* object, Deleter deleter, std::size_t bytes) noexcept {
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
void EpochDomain::stamp_pending() noexcept {
  // (8) synchronizes-with (7).
  Retired* const batch = pending_.exchange(nullptr, std::memory_order_acquire);
  if (batch == nullptr) return;
  // (2) synchronizes-with (1).
  const std::uint64_t stamp = epoch_.fetch_add(1, std::memory_order_acq_rel);
  heavy_fence(asymmetric_);  // (4) pairs with the light fences
  Retired* last = batch;
  for (Retired* item = batch; item != nullptr; item = item->next) {
    item->stamp = stamp;
    last = item;
  }
  (limbo_last_ == nullptr ? limbo_first_ : limbo_last_->next) = batch;
  limbo_last_ = last;
}

std::uint64_t EpochDomain::oldest_announced() const noexcept {
  // (10) synchronizes-with (9).
  if (counted_.load(std::memory_order_acquire) != 0) return 0;
  std::uint64_t oldest = kNobody;
  for (EpochSlot* slot = all_slots.load(std::memory_order_acquire); slot; slot = slot->next) {
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

std::size_t EpochDomain::free_below(std::uint64_t oldest) noexcept {
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

std::size_t EpochDomain::try_reclaim() noexcept {
  // (15) synchronizes-with (16): limbo passes from one reclaiming thread to the next.
  if (reclaiming_.test_and_set(std::memory_order_acquire)) return 0;
  stamp_pending();
  const std::size_t freed = limbo_first_ == nullptr ? 0 : free_below(oldest_announced());
  reclaiming_.clear(std::memory_order_release);  // (16)
  return freed;
}

EpochStats EpochDomain::stats() const noexcept {
  EpochStats stats;
  // Relaxed throughout: figures for people, nothing is read through them.
  stats.epoch = epoch_.load(std::memory_order_relaxed);
  stats.open_guards = counted_.load(std::memory_order_relaxed);
  for (EpochSlot* slot = all_slots.load(std::memory_order_acquire); slot; slot = slot->next) {
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
