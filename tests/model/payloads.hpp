// Sends contents of a batch the way of large payloads.
#pragma once

#include <random>

#include "engine/palace.hpp"

namespace aeon::test {

// One content in `one_in` is stored ahead and named as a payload; the batch means what it meant.
// Contents that no palace would store stay where they are, to be refused there.
template <typename Random>
Status store_ahead(Palace& palace, Batch& batch, Random& random, unsigned one_in) {
  for (Batch::Operation& operation : batch.operations()) {
    auto* memory = std::get_if<NewMemory>(&operation);
    if (memory == nullptr || memory->content.size() > kMaxInlineBytes || random() % one_in != 0) {
      continue;
    }
    auto stored = palace.store_payload(memory->content_type, memory->content);
    if (!stored && stored.error().code == Errc::invalid_utf8) continue;
    AEON_ASSIGN(memory->payload, std::move(stored));
    memory->content.clear();
  }
  return {};
}

}  // namespace aeon::test
