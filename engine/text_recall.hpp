// Recall by a text, or by a text and a vector. Channels nominate on their own, each at least k:
// words (words/word_search.hpp), the vector (search.hpp), and for what those bring, its neighbours
// in the session (words/neighbours.hpp). The session (words/session_scores.hpp) and recency rate
// what was nominated. One score is made of them as Preset says; docs/words.md has the formula.
#pragma once

#include "engine/model.hpp"
#include "engine/search.hpp"
#include "engine/view.hpp"
#include "engine/words/word_search.hpp"

namespace aeon::engine {

struct TextRecall {
  std::string_view text;
  Language language = Language::english;
  const Preset* preset = nullptr;
  bool explain = false;
  bool confidence = false;
  // Tenant, filters and k; the query is filled in here.
  WordSearch words;
  const VectorSearch* restrictions = nullptr;  // the same, as they are for a vector
  // The same for the vector; null: there is none.
  const VectorSearch* vector = nullptr;
  // Where fewer than k were found: the space of the built-in embedder, whose nearest fill up the
  // answer behind what was found; null: there is none.
  const SpaceInfo* rest = nullptr;
  float target_recall = 1;  // of that
};

// Fills the answer. Wait-free; allocates nothing once the calling thread and the answer are warm.
// Errors: those of both searches; the answer may hold anything then.
[[nodiscard]] Status recall_text(const Reading& reading, const TextRecall& recall, Answer& answer);

// Errors: invalid_argument, naming what is out of range.
[[nodiscard]] Status check_preset(const Preset& preset);

}  // namespace aeon::engine
