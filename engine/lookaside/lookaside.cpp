#include "engine/lookaside/lookaside.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

using storage::Sequence;

// The query as the sweep wants it; large, so not on stacks.
QuerySketch& sketch_scratch() {
  thread_local QuerySketch instance;
  return instance;
}
std::vector<float>& values_scratch() {
  thread_local std::vector<float> instance(kMaxDimension);
  return instance;
}

float cosine_of(std::span<const float> a, std::span<const float> b) {
  return simd::kernels().cosine_f32(a.data(), b.data(), a.size());
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

bool alike(const SearchName& a, const SearchName& b) {
  return a.tenant == b.tenant && a.space == b.space && a.session == b.session && a.kind == b.kind;
}

}  // namespace

Lookaside::Lookaside(std::size_t bytes) {
  const std::size_t sets = std::min<std::size_t>(bytes / (kWays * kRingBytes), 1U << 20);
  if (sets == 0) return;
  const std::size_t wanted = sets * kWays * kRingBytes;
  auto memory = storage::OsMemory::reserve(wanted, wanted);
  if (!memory || !memory->commit(0, wanted)) return;
  memory_ = std::move(*memory);
  rings_ = reinterpret_cast<Ring*>(memory_.data());  // zero bytes are empty rings
  state_ = std::make_unique<Set[]>(sets);
  sets_ = sets;
}

std::optional<std::uint32_t> Lookaside::ring_of(std::uint64_t owner) const noexcept {
  const std::size_t set = set_of(owner);
  for (std::size_t way = 0; way < kWays; ++way) {
    if (state_[set].owners[way].load(std::memory_order_relaxed) == owner) {
      return static_cast<std::uint32_t>(set * kWays + way);
    }
  }
  return std::nullopt;
}

void Lookaside::note_use(std::uint32_t ring) noexcept {
  std::atomic<std::uint32_t>& used = state_[ring / kWays].used;
  const std::uint32_t bit = 1U << (ring % kWays);
  if ((used.load(std::memory_order_relaxed) & bit) == 0) {
    used.fetch_or(bit, std::memory_order_relaxed);
  }
}

// The next ring of the set that was not used since the hand came by; each that was is passed once.
std::uint32_t Lookaside::ring_to_take(std::uint64_t owner) noexcept {
  const std::size_t set = set_of(owner);
  Set& state = state_[set];
  std::uint32_t way = 0;
  for (std::size_t step = 0; step <= kWays; ++step) {
    way = state.hand.fetch_add(1, std::memory_order_relaxed) % kWays;
    const std::uint32_t bit = 1U << way;
    if ((state.used.fetch_and(~bit, std::memory_order_relaxed) & bit) == 0) break;
  }
  return static_cast<std::uint32_t>(set * kWays + way);
}

void Lookaside::get_ready() {
  (void)sketch_scratch();
  (void)values_scratch();
}

std::optional<Lookaside::Near> Lookaside::find(const SearchName& name,
                                               std::span<const float> values, Remembered& found) {
  QuerySketch& sketch = sketch_scratch();
  sketch.draw(name, values);
  const auto index = ring_of(sketch.owner);
  if (!index) return std::nullopt;
  const Ring& ring = rings_[*index];
  const auto before = ring.head.sequence.begin_read();
  const auto dimension = static_cast<std::uint32_t>(values.size());
  if (!before || Sequence::read(ring.head.dimension) != dimension) return std::nullopt;
  const RingShape shape(dimension);
  const RingLooks looks = look_through(ring, shape, dimension, sketch);
  const std::span<float> seen = std::span(values_scratch()).first(dimension);
  std::optional<Near> nearest;
  found.values.resize(dimension);
  for (std::uint32_t i = 0; i < looks.count; ++i) {
    const std::uint32_t slot = looks.slots[i];
    if (!alike(read_name(ring, shape, slot), name)) continue;
    read_values(ring, shape, slot, seen);
    const bool same = same_bits(seen, values);
    const float cosine = same ? 1 : cosine_of(seen, values);
    if (nearest && !same && !(cosine > nearest->cosine)) continue;
    nearest = {same, cosine};
    found.place = {*index, slot};
    std::memcpy(found.values.data(), seen.data(), seen.size_bytes());
    if (same) break;
  }
  if (!nearest) return std::nullopt;
  read_findings(ring, shape, found.place.slot, found.findings);
  if (!ring.head.sequence.valid(*before)) return std::nullopt;
  found.name = name;
  note_use(*index);
  return nearest;
}

void Lookaside::remember(const SearchName& name, std::span<const float> values,
                         const Findings& findings, const RememberedPlace* instead) {
  QuerySketch& sketch = sketch_scratch();
  sketch.draw(name, values);
  auto index = ring_of(sketch.owner);
  if (!index) index = ring_to_take(sketch.owner);
  (void)write(*index, sketch, name, values, findings, instead, Where::anywhere);
}

void Lookaside::replace(const Remembered& remembered, const Findings& findings) {
  QuerySketch& sketch = sketch_scratch();
  sketch.draw(remembered.name, remembered.values);
  const std::uint32_t index = remembered.place.ring;
  Set& set = state_[index / kWays];
  if (write(index, sketch, remembered.name, remembered.values, findings, &remembered.place,
            Where::there)) {
    set.figures.made_exact.fetch_add(1, std::memory_order_relaxed);
  }
}

bool Lookaside::write(std::uint32_t index, const QuerySketch& sketch, const SearchName& name,
                      std::span<const float> values, const Findings& findings,
                      const RememberedPlace* instead, Where where) noexcept {
  Ring& ring = rings_[index];
  if (!ring.head.sequence.try_begin_write()) return false;
  Set& set = state_[index / kWays];
  std::atomic<std::uint64_t>& owner = set.owners[index % kWays];
  const auto dimension = static_cast<std::uint32_t>(values.size());
  const RingShape shape(dimension);
  std::uint64_t counts = Sequence::read(ring.head.counts);
  // Slots do not keep the conversation; who replaces one takes the ring for its owner's.
  const bool mine = where == Where::there || owner.load(std::memory_order_relaxed) == sketch.owner;
  if (!mine || Sequence::read(ring.head.dimension) != dimension) {
    if (where == Where::there) {
      ring.head.sequence.end_write();
      return false;
    }
    owner.store(sketch.owner, std::memory_order_relaxed);
    Sequence::write(ring.head.dimension, dimension);
    ring.head.demands.store(0, std::memory_order_relaxed);
    counts = 0;
  }
  auto filled = static_cast<std::uint32_t>(counts >> 32);
  auto next = static_cast<std::uint32_t>(counts);
  const bool again = instead != nullptr && instead->ring == index && instead->slot < filled &&
                     Sequence::read(ring.words[shape.tag(instead->slot)]) == sketch.tag;
  if (!again && where == Where::there) {
    ring.head.sequence.end_write();
    return false;
  }
  const std::uint32_t slot = again ? instead->slot : next;
  if (!again) {
    filled = std::max(filled, next + 1);
    next = (next + 1) % shape.slots;
  }
  write_slot(ring, shape, slot, sketch, name, values, findings);
  Sequence::write(ring.head.counts, std::uint64_t{filled} << 32 | next);
  ring.head.demands.fetch_and(~(std::uint64_t{1} << slot), std::memory_order_relaxed);
  ring.head.sequence.end_write();
  note_use(index);
  set.figures.remembered.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void Lookaside::want(const RememberedPlace& place) noexcept {
  std::atomic<std::uint64_t>& demands = rings_[place.ring].head.demands;
  const std::uint64_t bit = std::uint64_t{1} << place.slot;
  if ((demands.load(std::memory_order_relaxed) & bit) == 0) {
    demands.fetch_or(bit, std::memory_order_relaxed);
  }
  if (!is_wanted()) wanted_.store(true, std::memory_order_relaxed);
}

// A ring's wishes are looked for where an owner is known: no other ring is touched.
bool Lookaside::next_wanted(Remembered& found) {
  if (!wanted_.exchange(false, std::memory_order_relaxed)) return false;
  const auto count = static_cast<std::uint32_t>(sets_ * kWays);
  for (std::uint32_t step = 0; step < count; ++step) {
    const std::uint32_t index = next_ring_;
    const auto& owner = state_[index / kWays].owners[index % kWays];
    if (owner.load(std::memory_order_relaxed) != 0) {
      Ring& ring = rings_[index];
      std::uint64_t demands = ring.head.demands.load(std::memory_order_relaxed);
      while (demands != 0) {
        const auto slot = static_cast<std::uint32_t>(std::countr_zero(demands));
        const std::uint64_t bit = std::uint64_t{1} << slot;
        ring.head.demands.fetch_and(~bit, std::memory_order_relaxed);
        demands &= ~bit;
        if (!read(ring, slot, found)) continue;
        found.place = {index, slot};
        wanted_.store(true, std::memory_order_relaxed);  // there may be more
        return true;
      }
    }
    next_ring_ = (next_ring_ + 1) % count;
  }
  return false;
}

bool Lookaside::read(const Ring& ring, std::uint32_t slot, Remembered& found) const {
  const auto before = ring.head.sequence.begin_read();
  if (!before) return false;
  const std::uint64_t dimension = Sequence::read(ring.head.dimension);
  if (dimension == 0 || dimension > kMaxDimension) return false;
  const RingShape shape(static_cast<std::uint32_t>(dimension));
  if (slot >= std::min<std::uint64_t>(Sequence::read(ring.head.counts) >> 32, shape.slots)) {
    return false;
  }
  found.values.resize(dimension);
  found.name = read_name(ring, shape, slot);
  read_values(ring, shape, slot, found.values);
  read_findings(ring, shape, slot, found.findings);
  return ring.head.sequence.valid(*before);
}

void Lookaside::count(const SearchName& name, LookasideHelp help, std::uint64_t saved) noexcept {
  // Any set will do; that of the name keeps threads with different names apart.
  const std::size_t set = (std::size_t{name.tenant} * 31 + name.session * 7 + name.space +
                           static_cast<std::size_t>(name.conversation)) %
                          sets_;
  Figures& figures = state_[set].figures;
  figures.helped[static_cast<std::size_t>(help)].fetch_add(1, std::memory_order_relaxed);
  if (saved != 0) figures.saved.fetch_add(saved, std::memory_order_relaxed);
}

LookasideStats Lookaside::stats() const {
  LookasideStats stats;
  stats.bytes = sets_ * kWays * kRingBytes;
  for (std::size_t i = 0; i < sets_; ++i) {
    const Set& set = state_[i];
    const auto of = [&set](LookasideHelp help) {
      return set.figures.helped[static_cast<std::size_t>(help)].load(std::memory_order_relaxed);
    };
    for (const auto& owner : set.owners) {
      stats.bytes_used += owner.load(std::memory_order_relaxed) != 0 ? kRingBytes : 0;
    }
    stats.missed += of(LookasideHelp::missed);
    stats.seeded += of(LookasideHelp::seeded);
    stats.certified += of(LookasideHelp::certified);
    stats.rows_saved += set.figures.saved.load(std::memory_order_relaxed);
    stats.remembered += set.figures.remembered.load(std::memory_order_relaxed);
    stats.made_exact += set.figures.made_exact.load(std::memory_order_relaxed);
  }
  return stats;
}

}  // namespace aeon::engine
