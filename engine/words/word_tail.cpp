#include "engine/words/word_tail.hpp"

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

bool PostingChain::append(storage::Arena& arena, const Posting& posting) {
  if (last_ == nullptr || last_used_ == last_->capacity) {
    const std::uint32_t capacity =
        last_ == nullptr ? kFirstChunk : std::min(2 * last_->capacity, kLargestChunk);
    void* const memory = arena.allocate(sizeof(Chunk) + capacity * sizeof(Posting), alignof(Chunk));
    if (memory == nullptr) return false;
    auto* const chunk = new (memory) Chunk;
    chunk->capacity = capacity;
    (last_ == nullptr ? first_ : last_->next) = chunk;
    last_ = chunk;
    last_used_ = 0;
  }
  new (last_->postings() + last_used_) Posting(posting);
  // Relaxed, as are the readers' loads: publishing the posting below orders them.
  if (posting.count > last_->most.load(std::memory_order_relaxed)) {
    last_->most.store(posting.count, std::memory_order_relaxed);
  }
  if (posting.length < last_->shortest.load(std::memory_order_relaxed)) {
    last_->shortest.store(posting.length, std::memory_order_relaxed);
  }
  ++last_used_;
  published_.publish_next();
  return true;
}

bool WordTail::add_document(storage::Arena& arena, std::uint32_t number, const Document& document) {
  const std::uint32_t count = published_.own();
  if (count == 0) first_number_ = number;
  if (number != first_number_ + count) return false;
  const Place place = place_of(count);
  Document*& chunk = chunks_[place.chunk];
  if (chunk == nullptr) {
    const std::size_t bytes = (sizeof(Document) << kFirstBits) << place.chunk;
    void* const memory = arena.allocate(bytes, alignof(Document));
    if (memory == nullptr) return false;
    chunk = static_cast<Document*>(memory);
  }
  new (chunk + place.offset) Document(document);
  tenant_ = document.tenant;
  length_ = length_code(document.words);
  published_.publish_next();
  return true;
}

bool WordTail::add_term(storage::Arena& arena, std::string_view term, std::uint8_t times) {
  make_key(key_, tenant_, term);
  const Posting posting{first_number_ + published_.own() - 1, times, length_};
  if (const auto at = chains_.find(key_); at != chains_.end()) {
    return at->second->append(arena, posting);
  }
  void* const memory = arena.allocate(sizeof(PostingChain), alignof(PostingChain));
  if (memory == nullptr) return false;
  auto* const chain = new (memory) PostingChain;
  if (!chain->append(arena, posting)) return false;
  // A cursor's view of the key lives as long as the tail.
  if (!terms_.insert(key_, {reinterpret_cast<const char*>(&chain), sizeof chain})) return false;
  storage::RunTail::Cursor cursor(terms_);
  cursor.seek(key_);
  chains_.emplace(cursor.key(), chain);
  return true;
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

const PostingChain* WordTail::find(std::uint32_t tenant, std::string_view term) const {
  std::array<char, 4 + 256> bytes;
  if (term.size() > bytes.size() - 4) return nullptr;
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<char>(tenant >> (24 - 8 * i));
  std::ranges::copy(term, bytes.begin() + 4);
  const std::string_view wanted(bytes.data(), 4 + term.size());
  storage::RunTail::Cursor cursor(terms_);
  cursor.seek(wanted);
  if (!cursor.valid() || cursor.key() != wanted) return nullptr;
  return storage::load<const PostingChain*>(cursor.value().data());
}

void WordTail::Terms::seek(std::uint32_t tenant, std::string_view prefix) {
  std::array<char, 4 + 256> bytes;
  const std::size_t length = std::min(prefix.size(), bytes.size() - 4);
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<char>(tenant >> (24 - 8 * i));
  std::copy_n(prefix.data(), length, bytes.begin() + 4);
  cursor_.seek({bytes.data(), 4 + length});
}

const PostingChain& WordTail::Terms::chain() const noexcept {
  return *storage::load<const PostingChain*>(cursor_.value().data());
}

}  // namespace aeon::engine
