#include "engine/concept_links.hpp"

#include <algorithm>
#include <utility>

#include "engine/concepts.hpp"

namespace aeon::engine {

namespace {

// First both ends of a relation are asked so long, then so long again.
constexpr std::size_t kAskedShortly = 64;
constexpr std::size_t kAskedLong = 4096;
constexpr std::size_t kMostRelations = 1024;  // looked at of one concept

bool holds(const std::vector<MemoryId>& ids, MemoryId id) {
  return std::ranges::find(ids, id) != ids.end();
}

}  // namespace

// 0 when nothing was ever mentioned.
Result<std::uint32_t> ConceptLinks::mentions_type() {
  return draft_.number_of(NameClass::edge_type, 0, kMentionsType);
}

Result<std::vector<MemoryId>> ConceptLinks::of(MemoryId memory, bool ever) {
  std::vector<MemoryId> ends;
  AEON_ASSIGN(const std::uint32_t mentions, mentions_type());
  if (mentions == 0) return ends;
  // No memory gives more, but with all versions of it there is no limit.
  std::size_t all = std::numeric_limits<std::size_t>::max();
  AEON_TRY(draft_.visit_edges(memory, graph::Way::out, mentions, all,
                              [&](std::uint32_t, MemoryId end, bool stands) -> Result<bool> {
                                if (stands || ever) ends.push_back(end);
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
  AEON_ASSIGN(const std::uint32_t mentions, mentions_type());
  if (mentions == 0) return false;
  // Where many memories end in the order in which they came, each search would pass over all that
  // ended before.
  if (const auto known = sources_.find(concept_id); known != sources_.end()) {
    const MemoryId source = known->second;
    AEON_ASSIGN(const bool visible, is_visible_source(source));
    AEON_ASSIGN(const bool stands, draft_.edge_exists(source, mentions, concept_id));
    if (visible && stands && source != except) return true;
  }
  bool mentioned = false;
  AEON_ASSIGN(const bool whole,
              draft_.visit_edges(concept_id, graph::Way::in, mentions, left_,
                                 [&](std::uint32_t, MemoryId from, bool stands) -> Result<bool> {
                                   if (!stands || from == except) return true;
                                   AEON_ASSIGN(mentioned, is_visible_source(from));
                                   if (mentioned) sources_[concept_id] = from;
                                   return !mentioned;
                                 }));
  return mentioned || !whole;
}

// Looks for a memory that mentions both among those that mention `near`.
Result<ConceptLinks::Found> ConceptLinks::find_support(MemoryId near, MemoryId far, MemoryId except,
                                                       std::size_t most) {
  AEON_ASSIGN(const std::uint32_t mentions, mentions_type());
  bool supported = false;
  std::size_t left = std::min(most, left_);
  const std::size_t before = left;
  const Result<bool> whole =
      draft_.visit_edges(near, graph::Way::in, mentions, left,
                         [&](std::uint32_t, MemoryId from, bool stands) -> Result<bool> {
                           if (!stands || from == except) return true;
                           AEON_ASSIGN(const bool both, draft_.edge_exists(from, mentions, far));
                           if (!both) return true;
                           AEON_ASSIGN(supported, is_visible_source(from));
                           return !supported;
                         });
  left_ -= before - left;
  AEON_TRY(whole);
  if (supported) return Found::yes;
  return *whole ? Found::no : Found::unknown;
}

// The end that fewer memories mention decides.
Result<bool> ConceptLinks::is_supported(MemoryId subject, MemoryId object, MemoryId except) {
  for (const std::size_t most : {kAskedShortly, kAskedLong}) {
    for (const auto& [near, far] : {std::pair(object, subject), std::pair(subject, object)}) {
      AEON_ASSIGN(const Found found, find_support(near, far, except, most));
      if (found != Found::unknown) return found == Found::yes;
    }
  }
  return true;
}

Result<bool> ConceptLinks::collect(MemoryId near, graph::Way way, const std::vector<MemoryId>& far,
                                   std::vector<Draft::Edge>& relations) {
  std::vector<Draft::Edge> found;
  std::size_t left = std::min(kMostRelations, left_);
  const std::size_t before = left;
  const Result<bool> whole = draft_.visit_edges(
      near, way, 0, left, [&](std::uint32_t type, MemoryId end, bool stands) -> Result<bool> {
        if (!stands || type == graph::kNextType || !holds(far, end)) return true;
        const bool out = way == graph::Way::out;
        found.emplace_back(out ? near : end, type, out ? end : near);
        return true;
      });
  left_ -= before - left;
  AEON_TRY(whole);
  relations.insert(relations.end(), found.begin(), found.end());
  return *whole;
}

Result<std::vector<Draft::Edge>> ConceptLinks::unsupported(const std::vector<MemoryId>& concepts,
                                                           const std::vector<MemoryId>& dropped,
                                                           MemoryId except) {
  std::vector<Draft::Edge> relations;
  std::vector<MemoryId> hubs;  // with more edges than are looked at
  for (const MemoryId id : dropped) {
    for (const graph::Way way : {graph::Way::out, graph::Way::in}) {
      AEON_ASSIGN(const bool whole, collect(id, way, concepts, relations));
      if (!whole) hubs.push_back(id);
    }
  }
  // Seen from the other end.
  for (const MemoryId id : hubs.empty() ? hubs : concepts) {
    for (const graph::Way way : {graph::Way::out, graph::Way::in}) {
      AEON_TRY(collect(id, way, hubs, relations));
    }
  }
  std::ranges::sort(relations);
  relations.erase(std::ranges::unique(relations).begin(), relations.end());
  std::vector<Draft::Edge> gone;
  for (const Draft::Edge& relation : relations) {
    const auto& [subject, type, object] = relation;
    AEON_ASSIGN(const auto record, draft_.edge(subject, type, object));
    if (record != graph::EdgeRecord{}) continue;
    AEON_ASSIGN(const bool supported, is_supported(subject, object, except));
    if (!supported) gone.push_back(relation);
  }
  return gone;
}

}  // namespace aeon::engine
