// The concepts that a memory mentions, as they are checked and named before its commit is ordered.
// A concept is a memory like others, found by its key; which of them are there already is known
// only in the order of commits, see concept_links.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.hpp"
#include "storage/result.hpp"

namespace aeon::engine {

// Of the names found in a text the first so many distinct ones count.
inline constexpr std::size_t kMostFoundMentions = 256;

inline constexpr std::string_view kMentionsType = "mentions";

struct PreparedConcepts {
  struct Name {
    std::string key;
    std::string name;  // as it is spelt here
  };
  struct Relation {
    std::uint32_t subject = 0;  // in `names`
    std::uint32_t object = 0;
    std::string type;
  };
  std::vector<Name> names;  // distinct by key, in the order they were met
  std::vector<Relation> relations;
};

[[nodiscard]] inline bool is_concept_key(std::string_view key) noexcept {
  return key.starts_with(kConceptKeyPrefix);
}

// Replaces `key` by the key of the concept that a name stands for; empty when it has no word.
// Thread-safe; warm it allocates nothing.
void concept_key(std::string_view name, std::string& key);

// Of the memory's mentions, triples and, where that is asked for, its text and title. Errors, which
// name the mention: too_large, invalid_utf8, invalid_argument (no word, or no relation).
[[nodiscard]] Status prepare_concepts(const NewMemory& memory, PreparedConcepts& concepts);

}  // namespace aeon::engine
