#include "engine/words/word_tail.hpp"

#include <algorithm>
#include <memory>
#include <new>

#include "storage/codec.hpp"

namespace aeon::engine {

namespace {

void make_key(std::string& out, std::uint32_t tenant, std::string_view term) {
  out.clear();
  storage::KeyEncoder(out).u32(tenant);
  out.append(term);
}

}  // namespace

bool WordTail::add_document(storage::Arena& arena, std::uint32_t number, const Document& document,
                            std::span<const RowName> rows) {
  const std::uint32_t count = published_.own();
  if (count == 0) first_number_ = number;
  if (number != first_number_ + count) return false;
  const Place place = place_of(count);
  Held*& chunk = chunks_[place.chunk];
  if (chunk == nullptr) {
    const std::size_t bytes = (sizeof(Held) << kFirstBits) << place.chunk;
    void* const memory = arena.allocate(bytes, alignof(Held));
    if (memory == nullptr) return false;
    chunk = static_cast<Held*>(memory);
  }
  RowName* names = nullptr;
  if (!rows.empty()) {
    void* const memory = arena.allocate(rows.size_bytes(), alignof(RowName));
    if (memory == nullptr) return false;
    names = static_cast<RowName*>(memory);
    std::ranges::uninitialized_copy(rows, std::span(names, rows.size()));
  }
  new (chunk + place.offset) Held{document, names, static_cast<std::uint32_t>(rows.size())};
  tenant_ = document.tenant;
  length_ = length_code(document.words);
  published_.publish_next();
  return true;
}

bool WordTail::add_term(storage::Arena& arena, std::string_view term, std::uint8_t times) {
  make_key(key_, tenant_, term);
  const Posting posting{first_number_ + published_.own() - 1, times, length_};
  if (TermTable::Term* const known = terms_.find_own(key_)) {
    return known->postings.append(arena, posting);
  }
  return terms_.add(arena, key_, posting);
}

std::uint32_t WordTail::documents_before(std::uint64_t commit) const noexcept {
  std::uint32_t low = 0;
  std::uint32_t high = count();
  if (high != 0 && at(high - 1).born <= commit) return first_number_ + high;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (at(middle).born <= commit) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return first_number_ + low;
}

namespace {

// [tenant][term] without memory of its own; what is longer than a term can be is cut.
class TailKey {
 public:
  TailKey(std::uint32_t tenant, std::string_view term) noexcept
      : length_(4 + std::min(term.size(), bytes_.size() - 4)) {
    for (unsigned i = 0; i < 4; ++i) bytes_[i] = static_cast<char>(tenant >> (24 - 8 * i));
    std::copy_n(term.data(), length_ - 4, bytes_.begin() + 4);
  }
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), length_}; }

 private:
  std::array<char, 4 + 256> bytes_;
  std::size_t length_;
};

}  // namespace

const PostingChain* WordTail::find(std::uint32_t tenant, std::string_view term) const {
  const TermTable::Term* const found = terms_.find(TailKey(tenant, term).view());
  return found == nullptr ? nullptr : &found->postings;
}

void WordTail::Terms::seek(std::uint32_t tenant, std::string_view prefix) {
  cursor_.seek(TailKey(tenant, prefix).view());
}

}  // namespace aeon::engine
