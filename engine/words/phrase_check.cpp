#include "engine/words/phrase_check.hpp"

#include <algorithm>

namespace aeon::engine {

bool PhraseCheck::passes(const Reading& reading, const VersionRecord& record, bool& damaged) {
  if (!record.document || record.content_type != ContentType::text) return false;
  if (!reading.read_content(record, content_)) {
    damaged = true;
    return false;
  }
  list_.clear();
  analyzer_.analyse(content_, static_cast<Language>(record.document->language), list_);
  words_.clear();
  for (const WordList::Word& word : list_.words) {
    if (word.whole) words_.push_back(list_.term(word));
  }
  return std::ranges::all_of(query_->phrases, [this](const WordQuery::Phrase& phrase) {
    return holds(phrase) == (phrase.demand == Demand::must);
  });
}

bool PhraseCheck::holds(const WordQuery::Phrase& phrase) const {
  const auto same = [this](std::string_view word, const WordQuery::Range& range) {
    return word == query_->text(range.begin, range.length);
  };
  const auto first = query_->phrase_terms.begin() + phrase.first;
  return std::search(words_.begin(), words_.end(), first, first + phrase.count, same) !=
         words_.end();
}

}  // namespace aeon::engine
