// Whether the text of a memory holds the phrases of a query. Postings do not say where a word
// stands, so the text is read and cut into words again; only documents that would be answers are.
#pragma once

#include <string>
#include <vector>

#include "engine/view.hpp"
#include "engine/words/word_query.hpp"

namespace aeon::engine {

// Holds scratch; not thread-safe. The query must stay.
class PhraseCheck {
 public:
  void prepare(const WordQuery& query) noexcept { query_ = &query; }
  [[nodiscard]] bool empty() const noexcept { return query_ == nullptr || query_->phrases.empty(); }
  // True when every phrase that must be there is, and no other. A text that can't be read has none
  // that is wanted, and `damaged` is set.
  [[nodiscard]] bool passes(const Reading& reading, const VersionRecord& record, bool& damaged);

 private:
  [[nodiscard]] bool holds(const WordQuery::Phrase& phrase) const;

  const WordQuery* query_ = nullptr;
  WordAnalyzer analyzer_;
  WordList list_;
  std::vector<std::string_view> words_;
  std::string content_;
};

}  // namespace aeon::engine
