#include "engine/words/term_table.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "engine/words/field_terms.hpp"
#include "storage/checksum.hpp"
#include "storage/codec.hpp"

namespace aeon::engine {

namespace {

constexpr std::size_t kTenantBytes = 4;
constexpr std::size_t kGroupedBytes = 3;

std::uint64_t hash_of(std::string_view key) noexcept {
  return storage::hash64(storage::as_bytes(key), 0);
}

}  // namespace

std::string_view group_of(std::string_view key) noexcept {
  if (key.size() <= kTenantBytes) return key;
  const std::size_t field = field_group_bytes(key.substr(kTenantBytes));
  return key.substr(0, kTenantBytes + (field != 0 ? field : kGroupedBytes));
}

// Edges: slots (1) -> (2), a term in a slot (3) -> (4), a term in its group (5) -> (6). Each store
// follows what it publishes, and each load comes before what is read through it.
const TermTable::Term* TermTable::find(std::string_view key) const noexcept {
  const std::uint64_t hash = hash_of(key);
  Slots* const slots = parts_[hash >> 56].slots.load(std::memory_order_acquire);  // (2)
  if (slots == nullptr) return nullptr;
  for (std::uint64_t i = hash;; ++i) {
    const Slot& slot = slots->at(i);
    const Term* const term = slot.term.load(std::memory_order_acquire);  // (4)
    if (term == nullptr) return nullptr;  // there is always an empty slot
    if (slot.hash == hash && term->key() == key) return term;
  }
}

void TermTable::put(Slots& slots, Term* term) noexcept {
  std::uint64_t i = term->hash;
  // Relaxed: only the writer stores.
  while (slots.at(i).term.load(std::memory_order_relaxed) != nullptr) ++i;
  slots.at(i).hash = term->hash;
  slots.at(i).term.store(term, std::memory_order_release);  // (3)
}

// Two thirds full at most.
bool TermTable::make_room(storage::Arena& arena, Part& part) noexcept {
  Slots* const old = part.slots.load(std::memory_order_relaxed);  // only the writer stores
  const std::uint64_t before = old == nullptr ? 0 : old->mask + 1;
  if (3 * (std::uint64_t{part.count} + 1) <= 2 * before) return true;
  const std::uint64_t count = std::max(kFirstSlots, 2 * before);
  std::byte* const memory = arena.allocate(sizeof(Slots) + count * sizeof(Slot), alignof(Slot));
  if (memory == nullptr) return false;
  auto* const grown = new (memory) Slots{count - 1};
  for (std::uint64_t i = 0; i < count; ++i) new (&grown->at(i)) Slot;
  for (std::uint64_t i = 0; i < before; ++i) {
    Term* const term = old->at(i).term.load(std::memory_order_relaxed);
    if (term != nullptr) put(*grown, term);
  }
  part.slots.store(grown, std::memory_order_release);  // (1)
  return true;
}

bool TermTable::add(storage::Arena& arena, std::string_view key, const Posting& posting) {
  const std::uint64_t hash = hash_of(key);
  Part& part = part_of(hash);
  Group* const group = find_or_add_group(arena, group_of(key));
  if (group == nullptr || !make_room(arena, part)) return false;
  std::byte* const memory = arena.allocate(sizeof(Term) + key.size(), alignof(Term));
  if (memory == nullptr) return false;
  auto* const term = new (memory) Term;
  if (!term->postings.append(arena, posting)) return false;
  term->hash = hash;
  term->key_bytes = static_cast<std::uint32_t>(key.size());
  std::memcpy(memory + sizeof(Term), key.data(), key.size());
  term->next = group->newest.load(std::memory_order_relaxed);  // only the writer stores
  group->newest.store(term, std::memory_order_release);        // (5)
  put(*part.slots.load(std::memory_order_relaxed), term);
  ++part.count;
  return true;
}

TermTable::Group* TermTable::find_or_add_group(storage::Arena& arena, std::string_view key) {
  if (const auto at = own_groups_.find(key); at != own_groups_.end()) return at->second;
  std::byte* const memory = arena.allocate(sizeof(Group) + key.size(), alignof(Group));
  if (memory == nullptr) return nullptr;
  Group* const group = new (memory) Group;
  std::memcpy(memory + sizeof(Group), key.data(), key.size());
  const std::string_view own(reinterpret_cast<const char*>(group + 1), key.size());
  if (!groups_.insert(own, {reinterpret_cast<const char*>(&group), sizeof group})) return nullptr;
  own_groups_.emplace(own, group);
  return group;
}

void TermTable::Cursor::seek_first() {
  groups_.seek_first();
  take_group({});
}

void TermTable::Cursor::seek(std::string_view key) {
  groups_.seek(group_of(key));
  take_group(key);
}

void TermTable::Cursor::next() {
  if (++at_ < terms_.size()) return;
  groups_.next();
  take_group({});
}

// Sorts the terms of the group, from the key on; goes on to the next group while there are none.
void TermTable::Cursor::take_group(std::string_view from) {
  at_ = 0;
  terms_.clear();
  for (; groups_.valid(); groups_.next()) {
    const auto* group = storage::load<const Group*>(groups_.value().data());
    const Term* term = group->newest.load(std::memory_order_acquire);  // (6)
    for (; term != nullptr; term = term->next) {
      if (term->key() >= from) terms_.push_back(term);
    }
    if (!terms_.empty()) break;
  }
  std::ranges::sort(terms_, {}, &Term::key);
}

}  // namespace aeon::engine
