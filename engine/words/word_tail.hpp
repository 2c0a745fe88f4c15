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
#include <span>
#include <string>
#include <string_view>

#include "engine/version_record.hpp"
#include "engine/words/document.hpp"
#include "engine/words/term_table.hpp"
#include "storage/arena.hpp"
#include "storage/published_count.hpp"

namespace aeon::engine {

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
  // Writer, false when memory is out: documents come by number, one after the other. `rows` are
  // those of its version.
  [[nodiscard]] bool add_document(storage::Arena& arena, std::uint32_t number,
                                  const Document& document, std::span<const RowName> rows);
  // A term of the document added last.
  [[nodiscard]] bool add_term(storage::Arena& arena, std::string_view term, std::uint8_t times);

  // Readers:
  [[nodiscard]] std::uint32_t count() const noexcept { return published_.load(); }
  // The number of the first document; only when there is one.
  [[nodiscard]] std::uint32_t first() const noexcept { return first_number_; }
  // Only for documents counted.
  [[nodiscard]] const Document& at(std::uint32_t index) const noexcept {
    return held(index).document;
  }
  [[nodiscard]] std::span<const RowName> rows_of(std::uint32_t index) const noexcept {
    return {held(index).rows, held(index).row_count};
  }
  [[nodiscard]] const Document* find(std::uint32_t number) const noexcept {
    const std::uint32_t count = this->count();
    return count == 0 || number - first_number_ >= count ? nullptr : &at(number - first_number_);
  }
  // The number of the first document that was born after `commit`; one past the last if none was.
  [[nodiscard]] std::uint32_t documents_before(std::uint64_t commit) const noexcept;
  // Null when no document holds the term.
  [[nodiscard]] const PostingChain* find(std::uint32_t tenant, std::string_view term) const;

  // Walks the terms by tenant and bytes. Any thread; one thread a cursor.
  class Terms {
   public:
    Terms() = default;
    explicit Terms(const WordTail& tail) noexcept : cursor_(tail.terms_) {}
    void reset(const WordTail& tail) noexcept { cursor_.reset(tail.terms_); }
    void seek_first() { cursor_.seek_first(); }
    void seek(std::uint32_t tenant, std::string_view prefix);
    void next() { cursor_.next(); }
    [[nodiscard]] bool valid() const noexcept { return cursor_.valid(); }
    // [tenant, big-endian u32][term]; lives as long as the tail.
    [[nodiscard]] std::string_view key() const noexcept { return (*cursor_).key(); }
    [[nodiscard]] const PostingChain& chain() const noexcept { return (*cursor_).postings; }

   private:
    TermTable::Cursor cursor_;
  };

  [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return terms_.memory_bytes(); }

 private:
  struct Held {
    Document document;
    const RowName* rows = nullptr;
    std::uint32_t row_count = 0;
  };
  [[nodiscard]] const Held& held(std::uint32_t index) const noexcept {
    const Place place = place_of(index);
    return chunks_[place.chunk][place.offset];
  }

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

  storage::PublishedCount<std::uint32_t> published_;
  std::uint32_t first_number_ = 0;  // covered by published_
  std::array<Held*, 27> chunks_{};  // covered by published_
  std::uint32_t tenant_ = 0;        // of the document added last; writer only
  std::uint8_t length_ = 0;         // its length code; writer only
  TermTable terms_;
  std::string key_;  // writer's scratch
};

}  // namespace aeon::engine
