// Settled postings: the value of a `terms` key, which holds up to kListPostings postings of one
// term in the order of their documents. Layout: format.md.
//
// Few postings stand one behind the other as varints. More lie in blocks of kBlockPostings, packed
// to one width a block, with what bounds a block's scores in front, so that a search can pass by a
// block that can't matter without touching it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/words/document.hpp"

namespace aeon::engine {

inline constexpr std::uint32_t kBlockPostings = 128;
inline constexpr std::uint32_t kListPostings = 256 * kBlockPostings;

// Persisted: the head of a block.
struct PostingBlockHead {
  std::uint32_t first = 0;      // document
  std::uint32_t last = 0;       // document
  std::uint32_t offset = 0;     // of its packed numbers, from the start of the value
  std::uint8_t most = 0;        // the largest count
  std::uint8_t shortest = 0;    // the smallest length code
  std::uint8_t gap_bits = 0;    // width of a gap between documents, less one
  std::uint8_t count_bits = 0;  // width of a count, less one; 0: all are 1
};
static_assert(sizeof(PostingBlockHead) == 16 &&
              std::has_unique_object_representations_v<PostingBlockHead>);

// Appends the value for 1 to kListPostings postings, sorted by document.
void encode_postings(std::string& out, std::span<const Posting> postings);

// One block, unpacked. Lengths are not in it: they stand by document (word_segment.hpp).
struct UnpackedBlock {
  std::array<std::uint32_t, kBlockPostings> documents;
  std::array<std::uint8_t, kBlockPostings> counts;
  std::uint32_t size = 0;
};

// Reads a value from untrusted bytes, which must stay.
class PostingList {
 public:
  // Nothing when the bytes can't be a list.
  [[nodiscard]] static std::optional<PostingList> open(std::string_view value) noexcept;

  [[nodiscard]] std::uint32_t postings() const noexcept { return postings_; }
  [[nodiscard]] std::uint32_t blocks() const noexcept { return blocks_; }
  // A list without blocks has one whose `most` and `shortest` bound anything and whose documents
  // are not told.
  [[nodiscard]] bool has_heads() const noexcept { return heads_; }
  // Only with heads.
  [[nodiscard]] PostingBlockHead head(std::uint32_t block) const noexcept;
  // False when the bytes are no such block.
  [[nodiscard]] bool unpack(std::uint32_t block, UnpackedBlock& out) const noexcept;

 private:
  [[nodiscard]] bool unpack_few(UnpackedBlock& out) const noexcept;

  std::string_view value_;
  std::uint32_t postings_ = 0;
  std::uint32_t blocks_ = 0;
  bool heads_ = false;
};

}  // namespace aeon::engine
