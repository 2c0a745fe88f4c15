// Which concepts and relations lose their last support when a memory ends, or is written anew and
// mentions less. Decided in the order of commits, on the draft.
//
// A concept stands as long as a visible memory mentions it. A relation (an edge from one concept to
// another, as triples make them) stands as long as a visible memory mentions both: which memory
// stated it is not kept, so it may outlive that one while another speaks of the same two.
//
// Other writers wait meanwhile, so one commit looks at no more than kMostLooked edges for that, and
// what is not known then is kept. Concepts that were kept so end before the next merge that leaves
// things out (Store::end_unmentioned()).
#pragma once

#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

#include "engine/draft.hpp"

namespace aeon::engine {

class ConceptLinks {
 public:
  static constexpr std::size_t kMostLooked = 16'384;

  explicit ConceptLinks(Draft& draft) : draft_(draft) {}

  // For what has the time: no limit.
  void look_at_all() noexcept { left_ = std::numeric_limits<std::size_t>::max(); }

  // What is mentioned by a memory, visible or not: concepts, visible or not. With `ever` also those
  // that only its earlier versions mentioned, as far as they are still stored.
  [[nodiscard]] Result<std::vector<MemoryId>> of(MemoryId memory, bool ever);
  // Whether a visible memory other than `except` mentions a concept, or may.
  [[nodiscard]] Result<bool> is_mentioned(MemoryId concept_id, MemoryId except);
  // The relations that no visible memory other than `except` supports any more once it mentions
  // `dropped` no longer, a part of the `concepts` that it mentioned. Edges that carry a weight or a
  // validity of their own are no relations, nor are those of a session's line.
  [[nodiscard]] Result<std::vector<Draft::Edge>> unsupported(const std::vector<MemoryId>& concepts,
                                                             const std::vector<MemoryId>& dropped,
                                                             MemoryId except);

 private:
  // Nothing where the limit came first.
  enum class Found : std::uint8_t { yes, no, unknown };

  Result<std::uint32_t> mentions_type();
  [[nodiscard]] Result<Found> find_support(MemoryId near, MemoryId far, MemoryId except,
                                           std::size_t most);
  [[nodiscard]] Result<bool> is_supported(MemoryId subject, MemoryId object, MemoryId except);
  [[nodiscard]] Result<bool> is_visible_source(MemoryId memory);
  // Edges at `near` of any type whose other end is among `far`; false where there are too many.
  [[nodiscard]] Result<bool> collect(MemoryId near, graph::Way way,
                                     const std::vector<MemoryId>& far,
                                     std::vector<Draft::Edge>& relations);

  Draft& draft_;
  std::size_t left_ = kMostLooked;
  // Of concepts that were asked for: a memory that mentions them, to be asked first the next time.
  std::unordered_map<MemoryId, MemoryId> sources_;
};

}  // namespace aeon::engine
