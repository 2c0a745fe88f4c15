// The rows of one space that a query's filter, session, kind and times leave, by their nodes, told
// by the terms of documents (words/field_filter.hpp) before any row is looked at. What can be told
// only by a memory's metadata is asked of it when its row comes up.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/model.hpp"
#include "engine/view.hpp"
#include "engine/words/field_filter.hpp"

namespace aeon::engine {

struct RowRestriction {
  std::uint32_t space = 0;
  std::uint32_t tenant = 0;
  const Filter* filter = nullptr;  // over metadata; null: none
  // By name, and by the number that documents carry; empty and 0: any.
  std::string_view session;
  std::string_view kind;
  std::uint32_t session_number = 0;
  std::uint32_t kind_number = 0;
  TimeNs since = kBeginningOfTime;
  TimeNs until = kEndOfTime;
};

struct VectorSearch;

// Keeps its memory between uses: one object a thread.
class NodeFilter {
 public:
  // Whether terms know of every memory that such a restriction leaves: it names a session, or a
  // kind that is not the usual one, or its filter does not hold for a memory without metadata. Of
  // others there may be no document.
  [[nodiscard]] static bool can_tell(const RowRestriction& restriction);

  // Finds the rows. `reading` and what the restriction points to must stay as long as this is used.
  void find(const Reading& reading, const RowRestriction& restriction);

  // How many rows may match; more than are visible, where some have ended.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] bool may_match(std::uint32_t node) const noexcept { return test(may_, node); }
  // Of a row that may: whether it does. `id` is its memory. Errors: those of reading the record but
  // for damage, which is noted.
  [[nodiscard]] Result<bool> matches(std::uint32_t node, MemoryId id);
  // Calls visit(node), ascending.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (std::uint32_t word = 0; word < may_.size(); ++word) {
      for (std::uint64_t bits = may_[word]; bits != 0; bits &= bits - 1) {
        visit(word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits)));
      }
    }
  }
  // Some place that was needed does not hold; rows may be missing.
  [[nodiscard]] bool damaged() const noexcept { return damaged_; }

 private:
  void find_in(const WordSource& source);
  [[nodiscard]] bool fits(const Document& document) const noexcept;
  void add(std::uint32_t node, bool sure);
  [[nodiscard]] static bool test(const std::vector<std::uint64_t>& words,
                                 std::uint32_t node) noexcept {
    const std::uint32_t word = node / 64;
    return word < words.size() && (words[word] >> (node % 64) & 1) != 0;
  }

  const Reading* reading_ = nullptr;
  RowRestriction restriction_;
  FieldFilter fields_;
  std::vector<std::uint64_t> may_;   // by node
  std::vector<std::uint64_t> sure_;  // by node
  std::uint64_t count_ = 0;
  bool damaged_ = false;
  Reading::Version version_;
};

// What the filter, session, kind and times of a search leave, or null where terms can't tell. Valid
// until the next call of this thread.
[[nodiscard]] NodeFilter* find_nodes(const Reading& reading, const VectorSearch& search);

}  // namespace aeon::engine
