// What the recipes share. A recipe stops with the error's sentence; a program that embeds Aeon
// would handle it.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "api/aeon.hpp"

namespace recipe {

[[noreturn]] inline void stop(const aeon::Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  std::exit(1);
}

template <typename Value>
Value must(aeon::Result<Value> result) {
  if (!result) stop(result.error());
  return std::move(*result);
}
inline void must(aeon::Status status) {
  if (!status) stop(status.error());
}

// A new palace in the directory that the arguments name, with a space for the built-in embedder.
inline aeon::Palace new_palace(int argc, char** argv) {
  if (argc != 2) std::exit(2);
  return must(aeon::Palace::create(argv[1], {{.name = "text",
                                              .dimension = aeon::kLexicalDimension,
                                              .model = std::string(aeon::kLexicalModel)}}));
}

inline aeon::MemoryId remember(aeon::Palace& palace, aeon::NewMemory memory) {
  aeon::Batch batch;
  batch.remember(std::move(memory));
  return must(palace.commit(std::move(batch))).ids[0];
}

inline aeon::Memory get(const aeon::Snapshot& snapshot, aeon::MemoryId id) {
  aeon::Memory memory;
  must(snapshot.get(id, memory));
  return memory;
}

inline std::vector<aeon::Hit> recall(const aeon::Snapshot& snapshot, const aeon::Query& query) {
  aeon::Answer answer;
  must(snapshot.recall(query, answer));
  return answer.hits;
}

}  // namespace recipe
