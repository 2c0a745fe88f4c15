// Which concepts and relations lose their last support when a memory ends, or is written anew and
// mentions less. Decided in the order of commits, on the draft.
//
// A concept stands as long as a visible memory mentions it. A relation (an edge from one concept to
// another) stands as long as a visible memory mentions both: which memory stated it is not kept, so
// it may outlive that one while another speaks of the same two.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/draft.hpp"

namespace aeon::engine {

// Of one concept at most so many mentions are looked at; what is not known then is kept.
inline constexpr std::size_t kMostMentionsLooked = 4096;

class ConceptLinks {
 public:
  // `mentions` is the number of that edge type, 0 when nothing has one.
  ConceptLinks(Draft& draft, std::uint32_t mentions) : draft_(draft), mentions_(mentions) {}

  // The concepts, visible or not, that a memory mentions, visible or not.
  [[nodiscard]] Result<std::vector<MemoryId>> of(MemoryId memory);
  // Whether a visible memory other than `except` mentions a concept.
  [[nodiscard]] Result<bool> is_mentioned(MemoryId concept_id, MemoryId except);
  // The relations among `concepts` that no visible memory other than `except` supports.
  [[nodiscard]] Result<std::vector<Draft::Edge>> unsupported(const std::vector<MemoryId>& concepts,
                                                             MemoryId except);

 private:
  [[nodiscard]] Result<bool> is_supported(MemoryId subject, MemoryId object, MemoryId except);
  [[nodiscard]] Result<bool> is_visible_source(MemoryId memory);

  Draft& draft_;
  const std::uint32_t mentions_;
};

}  // namespace aeon::engine
