// The words of a segment: its documents by number, and the postings of its run. Immutable; const
// calls are thread-safe and wait-free.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/node_index.hpp"
#include "engine/words/document.hpp"
#include "storage/run.hpp"
#include "storage/segment.hpp"
#include "storage/versioned_key.hpp"

namespace aeon::engine {

// [terms][tenant][term]; the number of the first document of the postings and a commit follow.
void term_key(std::string& out, std::uint32_t tenant, std::string_view term);
inline constexpr std::size_t kTermKeyTail = 4 + storage::kCommitBytes;

// What a whole `terms` key says, from untrusted bytes.
struct TermKey {
  std::string_view list;  // the key of term_key()
  std::uint32_t tenant = 0;
  std::string_view term;  // as it stands in keys, where a zero byte is two; words have none
  std::uint32_t first = 0;
  [[nodiscard]] std::string text() const;  // the term itself
};
[[nodiscard]] std::optional<TermKey> split_term_key(std::string_view key) noexcept;
[[nodiscard]] bool is_term_key(std::string_view key) noexcept;

class WordSegment {
 public:
  WordSegment() = default;
  // Errors: damaged (a section is missing or has an impossible size). `segment` must outlive it.
  [[nodiscard]] static Result<WordSegment> open(const storage::Segment& segment);

  [[nodiscard]] bool empty() const noexcept { return index_.part().items == 0; }
  [[nodiscard]] std::uint64_t documents() const noexcept { return index_.part().items; }
  // Numbers of the first document and behind the last one.
  [[nodiscard]] std::uint32_t first() const noexcept { return index_.part().first_node; }
  [[nodiscard]] std::uint32_t end() const noexcept {
    return index_.part().first_node + index_.part().span;
  }
  // Null when the segment has no such document; `damaged` when a page that would tell is bad.
  [[nodiscard]] const Document* find(std::uint32_t number, bool& damaged) const noexcept;
  // Its length code; 0 as with find().
  [[nodiscard]] std::uint8_t length(std::uint32_t number, bool& damaged) const noexcept;
  // The rows that documents have in a space, by document, after checking their pages; `damaged`
  // when one of them does not hold. Empty too in segments of a format version before 4.
  [[nodiscard]] std::span<const DocumentRow> rows(std::uint32_t space,
                                                  bool& damaged) const noexcept;
  // Calls visit(space, const DocumentRow&) for all of them.
  template <typename Visit>
  void for_each_row(bool& damaged, Visit&& visit) const {
    for (const DocumentRowSpace& part : row_spaces_) {
      for (const DocumentRow& row : rows(part.space, damaged)) visit(part.space, row);
    }
  }
  // The number of the first document that was born after `commit`; end() if none was.
  [[nodiscard]] std::uint32_t documents_before(std::uint64_t commit, bool& damaged) const noexcept;
  // Calls visit(number, const Document&) by number.
  template <typename Visit>
  void for_each(bool& damaged, Visit&& visit) const {
    index_.for_each(damaged, [&](std::uint32_t number) {
      const Document* document = find(number, damaged);
      if (document != nullptr) visit(number, *document);
    });
  }

 private:
  [[nodiscard]] bool open_rows();

  const storage::Segment* segment_ = nullptr;
  NodeIndex index_;
  std::uint64_t documents_at_ = 0;
  std::uint64_t lengths_at_ = 0;
  std::uint64_t rows_at_ = 0;
  std::vector<DocumentRowSpace> row_spaces_;
};

}  // namespace aeon::engine
