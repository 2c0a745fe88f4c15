// The words of a RAM tail: its documents in order, and for each tenant and term the documents that
// hold it. One writer appends; any thread reads meanwhile, wait-free. Nothing moves once it is
// written.
//
// A reader meets postings of commits that are not published yet; it leaves out documents from the
// first on that its snapshot does not hold (documents_before()).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/words/document.hpp"
#include "storage/arena.hpp"
#include "storage/published_count.hpp"
#include "storage/run_tail.hpp"

namespace aeon::engine {

// The documents of one term, in chunks that never move.
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

class WordTail {
 public:
  WordTail() = default;
  WordTail(const WordTail&) = delete;
  WordTail& operator=(const WordTail&) = delete;

  // Writer: whether that number may be added next.
  [[nodiscard]] bool can_follow(std::uint32_t number) const noexcept {
    const std::uint32_t count = published_.own();
    return count == 0 || number == first_number_ + count;
  }
  // Writer, false when memory is out: documents come by number, one after the other.
  [[nodiscard]] bool add_document(storage::Arena& arena, std::uint32_t number,
                                  const Document& document);
  // A term of the document added last.
  [[nodiscard]] bool add_term(storage::Arena& arena, std::string_view term, std::uint8_t times);

  // Readers:
  [[nodiscard]] std::uint32_t count() const noexcept { return published_.load(); }
  // The number of the first document; only when there is one.
  [[nodiscard]] std::uint32_t first() const noexcept { return first_number_; }
  // Only for documents counted.
  [[nodiscard]] const Document& at(std::uint32_t index) const noexcept {
    const Place place = place_of(index);
    return chunks_[place.chunk][place.offset];
  }
  [[nodiscard]] const Document* find(std::uint32_t number) const noexcept {
    const std::uint32_t count = this->count();
    return count == 0 || number - first_number_ >= count ? nullptr : &at(number - first_number_);
  }
  // The number of the first document that was born after `commit`; one past the last if none was.
  [[nodiscard]] std::uint32_t documents_before(std::uint64_t commit) const noexcept;
  // Null when no document holds the term.
  [[nodiscard]] const PostingChain* find(std::uint32_t tenant, std::string_view term) const;

  // Walks the terms by tenant and bytes. Any thread.
  class Terms {
   public:
    explicit Terms(const WordTail& tail) noexcept : cursor_(tail.terms_) {}
    void seek_first() noexcept { cursor_.seek_first(); }
    void seek(std::uint32_t tenant, std::string_view prefix);
    void next() noexcept { cursor_.next(); }
    [[nodiscard]] bool valid() const noexcept { return cursor_.valid(); }
    // [tenant, big-endian u32][term]
    [[nodiscard]] std::string_view key() const noexcept { return cursor_.key(); }
    [[nodiscard]] const PostingChain& chain() const noexcept;

   private:
    storage::RunTail::Cursor cursor_;
  };

  [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return terms_.memory_bytes(); }

 private:
  // Chunk c holds 64 << c documents.
  static constexpr std::uint32_t kFirstBits = 6;
  struct Place {
    std::uint32_t chunk;
    std::uint32_t offset;
  };
  [[nodiscard]] static constexpr Place place_of(std::uint32_t index) noexcept {
    const std::uint64_t shifted = std::uint64_t{index} + (1U << kFirstBits);
    const auto chunk = static_cast<std::uint32_t>(std::bit_width(shifted)) - kFirstBits - 1;
    return {chunk,
            static_cast<std::uint32_t>(shifted - (std::uint64_t{1} << (chunk + kFirstBits)))};
  }
  static constexpr std::size_t kTermsReserveBytes = std::size_t{4} << 30;

  storage::PublishedCount<std::uint32_t> published_;
  std::uint32_t first_number_ = 0;              // covered by published_
  std::array<Document*, 27> chunks_{};          // covered by published_
  std::uint32_t tenant_ = 0;                    // of the document added last; writer only
  std::uint8_t length_ = 0;                     // its length code; writer only
  storage::RunTail terms_{kTermsReserveBytes};  // [tenant][term] -> PostingChain*
  // The same for the writer, by keys that live in terms_' arena.
  boost::unordered_flat_map<std::string_view, PostingChain*> chains_;
  std::string key_;  // writer's scratch
};

}  // namespace aeon::engine
