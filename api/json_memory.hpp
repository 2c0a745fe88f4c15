// Memories as JSON, one object a line: what `aeon put` reads, and what get, recall and export
// write. docs/jsonl.md lists the fields.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_object.hpp"
#include "engine/model.hpp"

namespace aeon::api {

// An edge from the memory of its line to one that exists or came earlier.
struct EdgeLine {
  MemoryId to = 0;     // 0: by key
  std::string to_key;  // in the memory's tenant
  std::string type;
  float weight = 1.0F;
  TimeNs valid_from = kBeginningOfTime;
  TimeNs valid_to = kEndOfTime;
};

struct MemoryLine {
  MemoryId id = 0;  // as written; only import uses it
  NewMemory memory;
  std::vector<EdgeLine> edges;
};

// Fields that a line does not name keep the values that `line` has on entry, so a caller presets
// tenant and session there. A vector without a space has an empty `space`, see fill_vectors().
// An unknown field is an error, so that a misspelt one is not lost in silence.
// Errors: invalid_utf8, invalid_json, invalid_argument, not_finite. On error `line` is unspecified.
[[nodiscard]] Status parse_memory(std::string_view text, MemoryLine& line);
// As parse_memory(), of an object that is parsed already.
[[nodiscard]] Status read_memory(const JsonObject& object, MemoryLine& line);

// Names the space of a nameless vector (the only space that is not the built-in embedder's, or the
// only space) and gives vectors without a model the model of their space. Errors: unknown_space
// (nameless, and several could be meant).
[[nodiscard]] Status fill_vectors(NewMemory& memory, std::span<const SpaceSpec> spaces);

// One line without its end. Vectors are written when the memory carries them. Parsing it gives the
// same content, metadata, times and vectors, bit for bit.
[[nodiscard]] std::string memory_json(const Memory& memory);

}  // namespace aeon::api
