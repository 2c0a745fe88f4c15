#include "engine/concept_links.hpp"

#include <algorithm>

#include "engine/concepts.hpp"

namespace aeon::engine {

Result<std::vector<MemoryId>> ConceptLinks::of(MemoryId memory) {
  std::vector<MemoryId> ends;
  if (mentions_ == 0) return ends;
  AEON_TRY(draft_.visit_edges(memory, graph::Way::out, mentions_,
                              [&](std::uint32_t /*type*/, MemoryId end) -> Result<bool> {
                                ends.push_back(end);
                                return true;
                              }));
  std::vector<MemoryId> concepts;
  for (const MemoryId end : ends) {
    AEON_ASSIGN(const VersionState* found, draft_.version(end));
    if (found == nullptr) continue;
    const VersionState state = *found;
    if (is_concept_key(state.key)) {
      concepts.push_back(end);
    } else if (!state.visible && !state.erased) {
      AEON_ASSIGN(const std::string key, draft_.last_key(end, state));
      if (is_concept_key(key)) concepts.push_back(end);
    }
  }
  return concepts;
}

Result<bool> ConceptLinks::is_visible_source(MemoryId memory) {
  AEON_ASSIGN(const VersionState* state, draft_.version(memory));
  return state != nullptr && state->visible && !is_concept_key(state->key);
}

Result<bool> ConceptLinks::is_mentioned(MemoryId concept_id, MemoryId except) {
  bool mentioned = false;
  std::size_t looked = 0;
  AEON_TRY(draft_.visit_edges(concept_id, graph::Way::in, mentions_,
                              [&](std::uint32_t /*type*/, MemoryId from) -> Result<bool> {
                                if (++looked > kMostMentionsLooked) {
                                  mentioned = true;
                                } else if (from != except) {
                                  AEON_ASSIGN(mentioned, is_visible_source(from));
                                }
                                return !mentioned;
                              }));
  return mentioned;
}

Result<bool> ConceptLinks::is_supported(MemoryId subject, MemoryId object, MemoryId except) {
  bool supported = false;
  std::size_t looked = 0;
  AEON_TRY(draft_.visit_edges(subject, graph::Way::in, mentions_,
                              [&](std::uint32_t /*type*/, MemoryId from) -> Result<bool> {
                                if (++looked > kMostMentionsLooked) {
                                  supported = true;
                                } else if (from != except) {
                                  AEON_ASSIGN(supported, is_visible_source(from));
                                  if (supported) {
                                    AEON_ASSIGN(supported,
                                                draft_.edge_exists(from, mentions_, object));
                                  }
                                }
                                return !supported;
                              }));
  return supported;
}

Result<std::vector<Draft::Edge>> ConceptLinks::unsupported(const std::vector<MemoryId>& concepts,
                                                           MemoryId except) {
  std::vector<Draft::Edge> relations;
  for (const MemoryId subject : concepts) {
    std::size_t looked = 0;
    AEON_TRY(draft_.visit_edges(subject, graph::Way::out, 0,
                                [&](std::uint32_t type, MemoryId object) -> Result<bool> {
                                  if (std::ranges::find(concepts, object) != concepts.end()) {
                                    relations.emplace_back(subject, type, object);
                                  }
                                  return ++looked < kMostMentionsLooked;
                                }));
  }
  std::vector<Draft::Edge> gone;
  for (const Draft::Edge& relation : relations) {
    AEON_ASSIGN(const bool supported,
                is_supported(std::get<0>(relation), std::get<2>(relation), except));
    if (!supported) gone.push_back(relation);
  }
  return gone;
}

}  // namespace aeon::engine
