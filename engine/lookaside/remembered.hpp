// A search that is remembered: what was asked, and the rows that came nearest.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model.hpp"

namespace aeon::engine {

// Whose search it was and what narrowed it. Searches that differ in the first four know nothing of
// each other.
struct SearchName {
  std::uint32_t tenant = 0;
  std::uint32_t space = 0;
  std::uint32_t session = 0;       // 0: any
  std::uint32_t kind = 0;          // 0: any
  std::uint64_t conversation = 0;  // a hash; keeps memory apart and answers alike
};

// A row that came near, by its node number.
struct Nominee {
  std::uint32_t node = 0;
  float score = 0;  // as search_rows() gives it; of a search that is not exact a guess by INT8
};

// Of an exact search: no row that was visible then and is not among the nominees is better than the
// last of them; where they are all there is, `complete`.
struct Findings {
  CommitNumber commit = 0;  // the instant
  bool exact = false;
  bool complete = false;
  // It went on as long as a search from scratch would have.
  bool thorough = false;
  // Rows compared by the search, or by the one that was made from scratch before it.
  std::uint64_t cost = 0;
  std::vector<Nominee> nominees;  // of an exact search best first, ties by id
};

// Where it lies in the buffer. A hint: what lies there may be replaced at any time.
struct RememberedPlace {
  std::uint32_t ring = UINT32_MAX;
  std::uint32_t slot = 0;
};

struct Remembered {
  SearchName name;
  std::vector<float> values;  // the query
  Findings findings;
  RememberedPlace place;
};

inline constexpr std::uint32_t kMostNominees = 128;

}  // namespace aeon::engine
