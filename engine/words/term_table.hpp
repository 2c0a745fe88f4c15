// The terms of a RAM tail. One writer adds; any thread finds them meanwhile, wait-free, and nothing
// moves once it is there. Two ways lead to a term, because a new one is what indexing a text costs
// most, and a sorted list of all would make it a search through cold memory:
//
//   by bytes  open addressing in kParts tables, each of which grows alone, so that no commit pays
//             for more than one of them. A grown table replaces the one before it; a reader that
//             still looks at that one misses only terms that were added after it began.
//   in order  terms that begin alike (group_of()) are chained; the groups are sorted, the terms of
//             one are sorted by whoever walks them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/words/posting_chain.hpp"
#include "storage/arena.hpp"
#include "storage/run_tail.hpp"

namespace aeon::engine {

class TermTable {
 public:
  // Lives in the arena, its key behind it.
  struct Term {
    PostingChain postings;
    std::uint64_t hash = 0;
    const Term* next = nullptr;  // of its group; set before it is published
    std::uint32_t key_bytes = 0;
    // [tenant, big-endian u32][term]
    [[nodiscard]] std::string_view key() const noexcept {
      return {reinterpret_cast<const char*>(this + 1), key_bytes};
    }
  };

  TermTable() = default;
  TermTable(const TermTable&) = delete;
  TermTable& operator=(const TermTable&) = delete;

  // Any thread: null when it is not there.
  [[nodiscard]] const Term* find(std::string_view key) const noexcept;
  // Writer.
  [[nodiscard]] Term* find_own(std::string_view key) noexcept {
    return const_cast<Term*>(find(key));
  }
  // Writer. Adds a term that is not there, with a first posting; false when memory is out.
  [[nodiscard]] bool add(storage::Arena& arena, std::string_view key, const Posting& posting);

  // What the table holds beside the arena.
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return groups_.memory_bytes(); }

  // Walks terms by their keys. Any thread; one thread a cursor. Reuse it to reuse its memory.
  class Cursor {
   public:
    Cursor() = default;
    explicit Cursor(const TermTable& table) noexcept : groups_(table.groups_) {}
    void reset(const TermTable& table) noexcept {
      groups_ = storage::RunTail::Cursor(table.groups_);
    }
    void seek_first();
    // To the first term whose key is not less.
    void seek(std::string_view key);
    void next();
    [[nodiscard]] bool valid() const noexcept { return at_ < terms_.size(); }
    [[nodiscard]] const Term& operator*() const noexcept { return *terms_[at_]; }

   private:
    void take_group(std::string_view from);
    storage::RunTail::Cursor groups_;  // at the group that terms_ holds
    std::vector<const Term*> terms_;   // sorted
    std::size_t at_ = 0;
  };

 private:
  struct Slot {
    std::atomic<Term*> term{nullptr};
    std::uint64_t hash = 0;  // written before the term
  };
  // Slots follow it.
  struct Slots {
    std::uint64_t mask = 0;
    [[nodiscard]] Slot& at(std::uint64_t i) noexcept {
      return reinterpret_cast<Slot*>(this + 1)[i & mask];
    }
  };
  struct Part {
    std::atomic<Slots*> slots{nullptr};
    std::uint32_t count = 0;  // writer only
  };
  // Lives in the arena, its key behind it.
  struct Group {
    std::atomic<const Term*> newest{nullptr};
  };

  static constexpr std::size_t kParts = 256;
  static constexpr std::uint64_t kFirstSlots = 16;
  static constexpr std::size_t kReserveBytes = std::size_t{4} << 30;

  [[nodiscard]] Part& part_of(std::uint64_t hash) noexcept { return parts_[hash >> 56]; }
  [[nodiscard]] bool make_room(storage::Arena& arena, Part& part) noexcept;
  static void put(Slots& slots, Term* term) noexcept;
  [[nodiscard]] Group* find_or_add_group(storage::Arena& arena, std::string_view key);

  std::array<Part, kParts> parts_;
  storage::RunTail groups_{kReserveBytes};  // group_of(key) -> Group*
  // The same for the writer, by keys in the arena.
  boost::unordered_flat_map<std::string_view, Group*> own_groups_;
};

// The beginning of a key by which terms are grouped. A term whose key is no longer than that is
// alone in its group, so groups and terms have the same order.
[[nodiscard]] std::string_view group_of(std::string_view key) noexcept;

}  // namespace aeon::engine
