#include "engine/words/neighbours.hpp"

namespace aeon::engine {

const Document* find_document(const WordTerms& terms, std::uint32_t number,
                              bool& damaged) noexcept {
  for (const WordSource& source : terms.sources()) {
    if (number >= source.first && number < source.limit) return source.find(number, damaged);
  }
  return nullptr;
}

Neighbours neighbours_of(const WordTerms& terms, std::uint32_t at, std::uint32_t session,
                         bool& damaged) noexcept {
  Neighbours found;
  const auto look = [&](std::uint32_t number, std::array<Neighbour, 2>& out, std::size_t& count) {
    const Document* document = find_document(terms, number, damaged);
    // One that is not there for its words is no turn of a dialogue.
    if (document == nullptr || document->session != session || document->words == 0) return;
    if (!terms.ends().none() && terms.ends().ended(number, damaged)) return;
    out[count++] = {number, document};
  };
  std::size_t count = 0;
  for (std::uint32_t i = 1; i <= kNeighbourReach && i <= at && count < 2; ++i) {
    look(at - i, found.before, count);
  }
  count = 0;
  for (std::uint32_t i = 1; i <= kNeighbourReach && i <= UINT32_MAX - at && count < 2; ++i) {
    look(at + i, found.after, count);
  }
  return found;
}

}  // namespace aeon::engine
