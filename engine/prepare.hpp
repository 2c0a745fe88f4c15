// The caller's half of a commit: everything that needs no order among commits. Checks the batch,
// quantises vectors, embeds text. Runs in the caller's thread without a lock.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/catalog.hpp"
#include "engine/concepts.hpp"
#include "engine/links.hpp"
#include "engine/model.hpp"
#include "engine/row_block.hpp"
#include "engine/words/memory_words.hpp"
#include "storage/result.hpp"

namespace aeon::engine {

// A vector of a memory, quantised. Its space is named, not numbered: the batch itself may make it.
struct PreparedRow {
  std::string space;
  QuantisedRow row;
  std::vector<PreparedLink> links;  // link_rows() fills in both
  bool landmark = false;
};

struct PreparedBatch {
  Batch batch;
  // Rows of the i-th operation (a NewMemory or a Supersede); empty for the others.
  std::vector<std::vector<PreparedRow>> rows;
  std::vector<MemoryWords> words;  // of the i-th operation; empty where it has none
  std::vector<PreparedConcepts> concepts;
  std::size_t payload_bytes = 0;  // about what the commit's record takes
  // Of concepts: each operation ends one only if no memory mentions it (Store::end_unmentioned()).
  bool only_unmentioned = false;
  // Nothing but forgetting: may use the space that is kept back for a full disk.
  bool reclaiming = false;
};

// Errors: every "bad input" of the API that can be told without knowing the order of commits.
[[nodiscard]] Result<PreparedBatch> prepare(Batch batch, const Catalog& catalog,
                                            CommitNumber commit);

// Checks used for queries as well. `where` names the vector in messages.
[[nodiscard]] Status check_vector(std::span<const float> values, std::string_view model,
                                  const SpaceSpec& spec, std::string_view where);
[[nodiscard]] Status check_text(std::string_view text, std::string_view where);
// A vector for `text` by the built-in embedder, or empty when it has no word. Uses scratch of the
// calling thread.
[[nodiscard]] std::span<const float> embed_lexically(std::string_view text);

}  // namespace aeon::engine
