// Settles words: the postings of frozen tails, or of older segments, go term by term into the run
// of a new segment, and the documents into its own sections. A document that is left out takes its
// postings with it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/words/posting_list.hpp"
#include "engine/words/word_segment.hpp"
#include "engine/words/word_tail.hpp"
#include "storage/run.hpp"
#include "storage/segment.hpp"

namespace aeon::engine {

struct WordSources {
  // One of the two, oldest first; they must stay alive.
  std::vector<const WordTail*> tails;
  std::vector<const WordSegment*> segments;
  // Whether a document may be dropped with everything that is known of it, its end included, since
  // nobody can see it any more; empty: none may. Asked once for each.
  std::function<bool(std::uint32_t number, const Document&)> is_dead;
};

class WordSettler {
 public:
  // Postings get keys of `commit`, the last one of the new segment.
  WordSettler(const WordSources& sources, std::uint64_t commit)
      : sources_(sources), commit_(commit) {}

  // First: looks at the documents. Errors: damaged.
  [[nodiscard]] Status begin();
  // While a run is copied: is to be called with every key, in order, before it is added, and once
  // with an empty key at the end. Adds what comes before that key.
  [[nodiscard]] Status pass(std::string_view key, storage::RunBuilder& builder);
  // Takes an entry of the `terms` table in place of the builder.
  [[nodiscard]] Status take(std::string_view key, std::string_view value,
                            storage::RunBuilder& builder);
  // The sections of documents; nothing when there are none.
  [[nodiscard]] Status write_documents(storage::SegmentWriter& writer) const;

 private:
  [[nodiscard]] Status add_document(std::uint32_t number, const Document& document);
  [[nodiscard]] Status add_tails(storage::RunBuilder& builder);
  void add_row(RowName row, std::uint32_t document);
  // Whether the document was not left out.
  [[nodiscard]] bool stays(std::uint32_t document) const noexcept {
    if (numbers_.empty()) return false;
    const std::uint32_t index = document - numbers_.front();
    return index < lengths_.size() && lengths_[index] != 0;
  }
  void add_posting(std::uint32_t document, std::uint8_t count);
  [[nodiscard]] Status flush(storage::RunBuilder& builder);

  const WordSources& sources_;
  const std::uint64_t commit_;
  bool done_ = false;
  std::vector<std::uint32_t> numbers_;
  std::vector<Document> documents_;
  // By number, from the first: the length code, plus one; 0 where there is no document.
  std::vector<std::uint16_t> lengths_;
  struct Row {
    RowName name;
    std::uint32_t document = 0;
  };
  std::vector<Row> rows_;  // of documents that stay
  std::string list_key_;   // of the postings gathered
  std::vector<Posting> postings_;
  UnpackedBlock block_;
  std::string key_;
  std::string value_;
};

}  // namespace aeon::engine
