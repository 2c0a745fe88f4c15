#include "engine/words/posting_chain.hpp"

#include <new>

namespace aeon::engine {

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

}  // namespace aeon::engine
