// The terms of one search: what the query's clauses stand for in the palace, and what each weighs
// at the snapshot.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/view.hpp"
#include "engine/words/word_search.hpp"
#include "engine/words/word_source.hpp"

namespace aeon::engine {

// The places that know when documents ended.
class DocumentEnds {
 public:
  DocumentEnds();
  void find(const Reading& reading);
  [[nodiscard]] bool none() const noexcept { return tails_.empty() && segments_.empty(); }
  // Whether a document had ended by the snapshot; true as well where a bad page hides that, and
  // `damaged` is set.
  [[nodiscard]] bool ended(std::uint32_t document, bool& damaged) const noexcept;

 private:
  CommitNumber commit_ = 0;
  std::vector<const SpaceTail*> tails_;
  std::vector<const SegmentView*> segments_;
};

// Buffers of one thread, kept warm between searches.
class WordTerms {
 public:
  struct Term {
    std::uint32_t begin = 0;  // in bytes_
    std::uint32_t length = 0;
    std::uint32_t clause = 0;
    std::uint8_t times = 1;       // asked for
    std::uint64_t documents = 0;  // with the term; of a prefix: with any of its terms
    float weight = 0;             // times * idf * (k1 + 1); 0 when it must not be there
    // The bit of its demand in a document's mask; 0: it may be there.
    std::uint32_t demand = 0;
  };
  static constexpr std::uint32_t kForbidden = 1U << 31;

  WordTerms();

  // Finds sources, terms and weights. Errors: those of search_words().
  [[nodiscard]] Status find(const Reading& reading, const WordSearch& search);

  [[nodiscard]] const std::vector<WordSource>& sources() const noexcept { return sources_; }
  [[nodiscard]] const std::vector<Term>& terms() const noexcept { return terms_; }
  [[nodiscard]] PostingCursor& cursor(std::size_t source, std::size_t term) noexcept {
    return cursors_[source * terms_.size() + term];
  }
  [[nodiscard]] bool opened(std::size_t source, std::size_t term) const noexcept {
    return opened_[source * terms_.size() + term] != 0;
  }
  // The bits that a document must have.
  [[nodiscard]] std::uint32_t demanded() const noexcept { return demanded_; }
  [[nodiscard]] bool has_demands() const noexcept { return has_demands_; }
  // A demanded term is nowhere, or nothing scores.
  [[nodiscard]] bool hopeless() const noexcept { return hopeless_; }
  [[nodiscard]] const DocumentEnds& ends() const noexcept { return ends_; }
  [[nodiscard]] float mean_length() const noexcept { return mean_length_; }
  [[nodiscard]] bool damaged() const noexcept { return damaged_; }

 private:
  void find_sources(const Reading& reading);
  [[nodiscard]] Status find_terms(const WordSearch& search);
  void add_term(std::string_view text, std::uint32_t clause, std::uint8_t times);
  void expand(const WordSearch& search, std::uint32_t clause, std::string_view prefix);
  [[nodiscard]] std::uint64_t count(const WordSource& source, PostingCursor& cursor);
  void open_and_count(const WordSearch& search);
  void weigh(const WordSearch& search, const WordCounts& counts);

  std::vector<WordSource> sources_;
  std::vector<Term> terms_;
  std::string bytes_;
  std::vector<PostingCursor> cursors_;
  std::vector<std::uint8_t> opened_;
  std::vector<std::uint64_t> clause_documents_;
  std::vector<std::uint32_t> demand_of_clause_;
  std::vector<std::string_view> expansions_;
  std::string expansion_bytes_;
  DocumentEnds ends_;
  PostingCursor counting_;
  std::uint32_t demanded_ = 0;
  bool has_demands_ = false;
  bool hopeless_ = false;
  bool damaged_ = false;
  float mean_length_ = 1;
};

}  // namespace aeon::engine
