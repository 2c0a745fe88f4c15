#include "engine/words/posting_list.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

#include "storage/codec.hpp"

namespace aeon::engine {

namespace {

// The first varint of a value: the number of postings, doubled, plus one where blocks follow.
constexpr std::size_t kBlocksAt = 4;  // that varint is padded to so many bytes before blocks
// A packed stretch is followed by so many bytes, so that eight can be read at any of its numbers.
constexpr std::size_t kSlack = 8;

constexpr unsigned width_of(std::uint32_t largest) noexcept {
  return static_cast<unsigned>(std::bit_width(largest));
}

class Packer {
 public:
  explicit Packer(std::string& out) : out_(out) {}
  void add(std::uint32_t value, unsigned bits) {
    held_ |= std::uint64_t{value} << used_;
    used_ += bits;
    for (; used_ >= 8; used_ -= 8, held_ >>= 8) out_.push_back(static_cast<char>(held_));
  }
  void finish() {
    if (used_ > 0) out_.push_back(static_cast<char>(held_));
    held_ = 0;
    used_ = 0;
  }

 private:
  std::string& out_;
  std::uint64_t held_ = 0;
  unsigned used_ = 0;
};

constexpr std::size_t packed_bytes(std::uint32_t count, unsigned bits) noexcept {
  return (std::size_t{count} * bits + 7) / 8;
}

// Number i of those of `bits` bits at `from`; eight bytes from its first are readable.
std::uint32_t packed_at(const char* from, std::uint32_t i, unsigned bits) noexcept {
  const std::uint64_t bit = std::uint64_t{i} * bits;
  const std::uint64_t word = storage::load<std::uint64_t>(from + bit / 8) >> (bit % 8);
  return static_cast<std::uint32_t>(word & ((std::uint64_t{1} << bits) - 1));
}

void encode_few(std::string& out, std::span<const Posting> postings) {
  storage::Encoder encoder(out);
  encoder.varint(postings.size() * 2);
  std::uint32_t before = 0;
  for (const Posting& posting : postings) {
    const std::uint64_t gap = posting.document - before;
    before = posting.document;
    encoder.varint(gap * 2 + (posting.count == 1 ? 0 : 1));
    if (posting.count != 1) encoder.fixed(posting.count);
  }
}

PostingBlockHead pack_block(std::string& out, std::size_t start, std::span<const Posting> block) {
  PostingBlockHead head;
  head.first = block.front().document;
  head.last = block.back().document;
  head.offset = static_cast<std::uint32_t>(out.size() - start);
  head.shortest = 255;
  std::uint32_t widest_gap = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    head.most = std::max(head.most, block[i].count);
    head.shortest = std::min(head.shortest, block[i].length);
    if (i > 0) widest_gap = std::max(widest_gap, block[i].document - block[i - 1].document - 1);
  }
  head.gap_bits = static_cast<std::uint8_t>(width_of(widest_gap));
  head.count_bits = static_cast<std::uint8_t>(width_of(head.most - 1U));
  Packer packer(out);
  for (std::size_t i = 1; i < block.size(); ++i) {
    packer.add(block[i].document - block[i - 1].document - 1, head.gap_bits);
  }
  packer.finish();
  for (const Posting& posting : block) packer.add(posting.count - 1U, head.count_bits);
  packer.finish();
  return head;
}

}  // namespace

void encode_postings(std::string& out, std::span<const Posting> postings) {
  assert(!postings.empty() && postings.size() <= kListPostings);
  if (postings.size() < kBlockPostings) return encode_few(out, postings);
  const std::size_t start = out.size();
  const std::size_t blocks = (postings.size() + kBlockPostings - 1) / kBlockPostings;
  storage::Encoder encoder(out);
  encoder.fixed(static_cast<std::uint32_t>(postings.size() * 2 + 1));
  const std::size_t heads = out.size();
  out.resize(heads + blocks * sizeof(PostingBlockHead));
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::size_t first = i * kBlockPostings;
    const PostingBlockHead head = pack_block(
        out, start,
        postings.subspan(first, std::min<std::size_t>(kBlockPostings, postings.size() - first)));
    std::memcpy(out.data() + heads + i * sizeof head, &head, sizeof head);
  }
  out.append(kSlack, '\0');
}

std::optional<PostingList> PostingList::open(std::string_view value) noexcept {
  PostingList list;
  list.value_ = value;
  if (value.empty()) return std::nullopt;
  if ((value[0] & 1) == 0) {
    storage::Decoder decoder(value);
    const std::uint64_t count = decoder.varint() / 2;
    if (!decoder.ok() || count == 0 || count >= kBlockPostings) return std::nullopt;
    list.postings_ = static_cast<std::uint32_t>(count);
    list.blocks_ = 1;
    return list;
  }
  if (value.size() < kBlocksAt) return std::nullopt;
  const std::uint32_t count = storage::load<std::uint32_t>(value.data()) / 2;
  if (count < kBlockPostings || count > kListPostings) return std::nullopt;
  list.postings_ = count;
  list.blocks_ = (count + kBlockPostings - 1) / kBlockPostings;
  list.heads_ = true;
  if (value.size() < kBlocksAt + list.blocks_ * sizeof(PostingBlockHead)) return std::nullopt;
  return list;
}

PostingBlockHead PostingList::head(std::uint32_t block) const noexcept {
  return storage::load<PostingBlockHead>(value_.data() + kBlocksAt +
                                         block * sizeof(PostingBlockHead));
}

bool PostingList::unpack(std::uint32_t block, UnpackedBlock& out) const noexcept {
  if (!heads_) return unpack_few(out);
  const PostingBlockHead head = this->head(block);
  const std::uint32_t size = std::min(kBlockPostings, postings_ - block * kBlockPostings);
  if (head.gap_bits > 32 || head.count_bits > 8) return false;
  const std::size_t gaps = packed_bytes(size - 1, head.gap_bits);
  const std::size_t counts = packed_bytes(size, head.count_bits);
  if (head.offset > value_.size() || gaps + counts + kSlack > value_.size() - head.offset) {
    return false;
  }
  const char* at = value_.data() + head.offset;
  out.size = size;
  std::uint32_t document = head.first;
  out.documents[0] = document;
  for (std::uint32_t i = 1; i < size; ++i) {
    document += packed_at(at, i - 1, head.gap_bits) + 1;
    out.documents[i] = document;
  }
  if (document != head.last) return false;
  if (head.count_bits == 0) {
    std::memset(out.counts.data(), 1, size);
  } else {
    at += gaps;
    for (std::uint32_t i = 0; i < size; ++i) {
      out.counts[i] = static_cast<std::uint8_t>(packed_at(at, i, head.count_bits) + 1);
    }
  }
  return true;
}

bool PostingList::unpack_few(UnpackedBlock& out) const noexcept {
  storage::Decoder decoder(value_);
  decoder.varint();
  std::uint64_t document = 0;
  for (std::uint32_t i = 0; i < postings_; ++i) {
    const std::uint64_t gap = decoder.varint();
    document += gap / 2;
    if (document > UINT32_MAX || (i > 0 && gap < 2)) return false;
    out.documents[i] = static_cast<std::uint32_t>(document);
    out.counts[i] = (gap & 1) != 0 ? decoder.fixed<std::uint8_t>() : std::uint8_t{1};
    if (out.counts[i] == 0) return false;
  }
  out.size = postings_;
  return decoder.ok() && decoder.at_end();
}

}  // namespace aeon::engine
