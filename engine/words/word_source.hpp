// One stretch of documents as a search sees it: a settled segment or a RAM tail, cut off at the
// snapshot, and the postings of a term in it, block by block.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/view.hpp"
#include "engine/words/posting_list.hpp"

namespace aeon::engine {

struct WordSource {
  const SegmentView* segment = nullptr;  // one of the two
  const Tail* tail = nullptr;
  std::uint32_t first = 0;
  std::uint32_t limit = 0;  // documents from here on are not seen

  [[nodiscard]] const Document* find(std::uint32_t document, bool& damaged) const noexcept {
    return tail != nullptr ? tail->words().find(document)
                           : segment->words().find(document, damaged);
  }
};

// The documents that a reading of that commit sees; nothing where there are none.
[[nodiscard]] std::optional<WordSource> source_of(const SegmentView& segment, CommitNumber commit,
                                                  bool& damaged) noexcept;
[[nodiscard]] std::optional<WordSource> source_of(const Tail& tail, CommitNumber commit) noexcept;

// What bounds the scores of a block.
struct BlockBound {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  std::uint8_t most = 0;
  std::uint8_t shortest = 0;
};

// Walks the postings of one term in one source. Blocks are met in order; what they hold is unpacked
// on demand. Reuse it to reuse its memory.
class PostingCursor {
 public:
  // Room for a usual list, so that a warm thread seldom meets one that needs more.
  PostingCursor() {
    lists_.reserve(4);
    places_.reserve(64);
  }

  // To the first block; false when the source does not hold the term. `damaged` is set where a
  // place that would tell is bad.
  [[nodiscard]] bool open(const WordSource& source, std::uint32_t tenant, std::string_view term,
                          bool& damaged);

  // Those behind the limit included.
  [[nodiscard]] std::uint32_t blocks() const noexcept {
    return static_cast<std::uint32_t>(places_.size());
  }
  [[nodiscard]] const BlockBound& bound(std::uint32_t block) const noexcept {
    return places_[block].bound;
  }
  // How many postings a block has.
  [[nodiscard]] std::uint32_t size(std::uint32_t block) const noexcept {
    return places_[block].size;
  }

  [[nodiscard]] bool valid() const noexcept { return block_ < places_.size(); }
  [[nodiscard]] std::uint32_t block() const noexcept { return block_; }
  // Goes on to the first block whose last document is not before `document`.
  void skip_to(std::uint32_t document) noexcept;
  // The postings of a block, which becomes the current one; null where they can't be read.
  [[nodiscard]] const UnpackedBlock* unpack(std::uint32_t block, bool& damaged) noexcept;
  // Their length codes, where the source keeps them beside the postings: in RAM. Else null.
  [[nodiscard]] const std::uint8_t* lengths() const noexcept {
    return chain_ == nullptr ? nullptr : lengths_.data();
  }
  [[nodiscard]] std::uint64_t looked_at() const noexcept { return looked_at_; }

 private:
  struct Place {
    std::uint32_t list = 0;   // in lists_
    std::uint32_t block = 0;  // of that list
    std::uint32_t size = 0;   // postings
    const PostingChain::Chunk* chunk = nullptr;
    BlockBound bound;
  };
  bool open_chain(const WordTail& tail, std::uint32_t tenant, std::string_view term);
  bool open_lists(const SegmentView& segment, std::uint32_t tenant, std::string_view term,
                  bool& damaged);

  const PostingChain* chain_ = nullptr;
  std::vector<PostingList> lists_;
  std::vector<Place> places_;
  std::uint32_t block_ = 0;
  std::uint32_t unpacked_ = UINT32_MAX;  // the block that is
  std::uint64_t looked_at_ = 0;
  UnpackedBlock block_data_;
  std::array<std::uint8_t, kBlockPostings> lengths_;
};

}  // namespace aeon::engine
