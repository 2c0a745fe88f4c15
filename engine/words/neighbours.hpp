// The documents of a session that were committed just before and after one. They are looked for
// near by: among the kNeighbourReach documents on either side, which in a store that takes many
// sessions at once may miss one.
#pragma once

#include <array>
#include <cstdint>

#include "engine/words/word_terms.hpp"

namespace aeon::engine {

inline constexpr std::uint32_t kNeighbourReach = 64;

struct Neighbour {
  std::uint32_t number = 0;
  const Document* document = nullptr;  // null: there is none
};

// The two before (the nearest first), then the two after. `ends` and `sources` are those of a
// search; `at` is one of its documents. Wait-free, allocates nothing.
struct Neighbours {
  std::array<Neighbour, 2> before;
  std::array<Neighbour, 2> after;
};
[[nodiscard]] Neighbours neighbours_of(const WordTerms& terms, std::uint32_t at,
                                       std::uint32_t session, bool& damaged) noexcept;

// Null where the search does not see it.
[[nodiscard]] const Document* find_document(const WordTerms& terms, std::uint32_t number,
                                            bool& damaged) noexcept;

}  // namespace aeon::engine
