#include "engine/tail.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

#include "storage/versioned_key.hpp"

namespace aeon::engine {

namespace {

std::array<char, 8> partition_key(std::uint32_t space, std::uint32_t tenant) {
  std::array<char, 8> key{};
  for (unsigned i = 0; i < 4; ++i) {
    key[i] = static_cast<char>(space >> (24 - 8 * i));
    key[4 + i] = static_cast<char>(tenant >> (24 - 8 * i));
  }
  return key;
}

}  // namespace

const RowTail* Tail::rows(std::uint32_t space, std::uint32_t tenant) const noexcept {
  const auto key = partition_key(space, tenant);
  const std::string_view wanted(key.data(), key.size());
  storage::RunTail::Cursor cursor(partitions_);
  cursor.seek(wanted);
  if (!cursor.valid() || cursor.key() != wanted) return nullptr;
  return storage::load<const RowTail*>(cursor.value().data());
}

bool Tail::put(std::string_view key, CommitNumber commit, std::string_view value) {
  key_.assign(key);
  storage::append_commit(key_, commit);
  return keyed_.insert(key_, value).has_value();
}

RowTail* Tail::find_or_add(const SpaceInfo& space, std::uint32_t tenant) {
  if (const RowTail* found = rows(space.number, tenant)) return const_cast<RowTail*>(found);
  row_tails_.push_back(std::make_unique<RowTail>(space.number, tenant, space.spec));
  RowTail* added = row_tails_.back().get();
  const auto key = partition_key(space.number, tenant);
  const Status inserted = partitions_.insert({key.data(), key.size()},
                                             {reinterpret_cast<const char*>(&added), sizeof added});
  return inserted ? added : nullptr;
}

SpaceTail& Tail::space_of_writer(std::uint32_t space) {
  assert(space <= kMaxSpaces);
  SpaceTail* tail = spaces_[space].load(std::memory_order_relaxed);  // only the writer stores
  if (tail == nullptr) {
    space_tails_.push_back(std::make_unique<SpaceTail>(space));
    tail = space_tails_.back().get();
    spaces_[space].store(tail, std::memory_order_release);  // (1) synchronizes-with (2)
  }
  return *tail;
}

bool Tail::add_row(const SpaceInfo& space, std::uint32_t tenant, const RowData& row,
                   const RowStamp& stamp) {
  RowTail* rows = find_or_add(space, tenant);
  return rows != nullptr && space_of_writer(space.number).add_row(arena_, *rows, row, stamp);
}

bool Tail::end_row(RowName name, CommitNumber commit) {
  return space_of_writer(name.space).end_row(arena_, name.node, commit);
}

bool Tail::add_landmark(RowName name) {
  const SpaceTail::Row row = space_of_writer(name.space).row(name.node);
  if (row.packed == nullptr) return true;
  // Made by find_or_add() of this writer.
  auto& rows = const_cast<RowTail&>(*row.tail);
  return rows.add_landmark(arena_, *row.chunk, rows.index_in(*row.chunk, row.packed));
}

LiveLinks* Tail::edit_links(RowName name, std::span<const std::uint32_t> before) {
  return space_of_writer(name.space).edit_links(arena_, name.node, before);
}

std::vector<const RowTail*> Tail::partitions() const {
  std::vector<const RowTail*> partitions;
  for (const auto& rows : row_tails_) partitions.push_back(rows.get());
  std::ranges::sort(partitions, {},
                    [](const RowTail* rows) { return std::tuple(rows->space(), rows->tenant()); });
  return partitions;
}

std::vector<const SpaceTail*> Tail::spaces() const {
  std::vector<const SpaceTail*> spaces;
  for (const auto& slot : spaces_) {
    const SpaceTail* tail = slot.load(std::memory_order_acquire);  // (2)
    if (tail != nullptr) spaces.push_back(tail);
  }
  return spaces;
}

std::vector<EndEntry> Tail::ends() const {
  std::vector<EndEntry> entries;
  for (const SpaceTail* space : spaces()) space->collect_ends(entries);
  return entries;
}

}  // namespace aeon::engine
