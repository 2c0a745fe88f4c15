// The documents of one term in a RAM tail, in chunks that never move. One writer appends; any
// thread reads meanwhile, wait-free.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "engine/words/document.hpp"
#include "storage/arena.hpp"
#include "storage/published_count.hpp"

namespace aeon::engine {

class PostingChain {
 public:
  struct Chunk {
    Chunk* next = nullptr;  // set before a posting behind it is published
    std::uint32_t capacity = 0;
    // The largest count and the smallest length code of its postings so far. Written before the
    // posting is published, so who reads them after the number of postings has bounds for all of
    // those.
    std::atomic<std::uint8_t> most{0};
    std::atomic<std::uint8_t> shortest{255};
    [[nodiscard]] Posting* postings() noexcept { return reinterpret_cast<Posting*>(this + 1); }
    [[nodiscard]] const Posting* postings() const noexcept {
      return reinterpret_cast<const Posting*>(this + 1);
    }
  };
  static_assert(sizeof(Chunk) % alignof(Posting) == 0);

  // Writer only; false when memory is out.
  [[nodiscard]] bool append(storage::Arena& arena, const Posting& posting);

  // Any thread: how many can be read, and where they begin.
  [[nodiscard]] std::uint32_t count() const noexcept { return published_.load(); }
  [[nodiscard]] const Chunk* first() const noexcept { return first_; }
  template <typename Visit>
  void for_each(Visit&& visit) const {  // visit(const Posting&)
    std::uint32_t left = count();
    for (const Chunk* chunk = first_; left > 0; chunk = chunk->next) {
      const std::uint32_t in = std::min(left, chunk->capacity);
      for (std::uint32_t i = 0; i < in; ++i) visit(chunk->postings()[i]);
      left -= in;
    }
  }

 private:
  static constexpr std::uint32_t kFirstChunk = 2;
  static constexpr std::uint32_t kLargestChunk = 128;

  storage::PublishedCount<std::uint32_t> published_;
  // Readers follow them only while published postings are left behind them; they were written
  // before, so `published_` covers these plain pointers.
  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;        // writer only
  std::uint32_t last_used_ = 0;  // writer only
};

}  // namespace aeon::engine
