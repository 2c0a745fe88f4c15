// What a palace must say after a row of commits, kept in plain maps and told from the contract
// alone: nothing of the engine is used but the values that cross its API. A Model is one instant;
// copying it keeps that instant. model_check.hpp compares a snapshot with it.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/model.hpp"
#include "storage/result.hpp"

namespace aeon::test {

struct ModelVector {
  std::vector<float> given;  // empty: the built-in embedder makes it
  // What the palace answered first, within the error of the space's precision. From then on every
  // other answer is wrong, whatever was checkpointed, merged or reopened meanwhile.
  mutable std::vector<float> kept;
};

struct ModelMemory {
  Memory memory;                                                      // without its vectors
  std::map<std::string, std::shared_ptr<const ModelVector>> vectors;  // by space
};

class Model {
 public:
  // Takes the batch over as commit number `commit`, acknowledged at `time`: the ids of what it
  // remembered. Refused with the engine's code, and unchanged then, when the contract says so.
  // A commit whose time nobody knows has kNoTime: its memories must have event times of their own.
  std::expected<std::vector<MemoryId>, Errc> apply(const Batch& batch, CommitNumber commit,
                                                   TimeNs time);
  static constexpr TimeNs kNoTime = kBeginningOfTime;

  [[nodiscard]] const SpaceSpec* space(std::string_view name) const;
  [[nodiscard]] const SpaceSpec* lexical() const;  // the built-in embedder's; null: none
  [[nodiscard]] MemoryId find_key(std::string_view tenant, std::string_view key) const;  // 0: none
  [[nodiscard]] const ModelMemory* find(MemoryId id) const;
  // Whether neighbours() shows an edge: both its ends are visible.
  [[nodiscard]] bool shows(const Edge& edge) const;
  // The events after (or before) a memory along `next`, as follow() and backtrack() give them.
  [[nodiscard]] std::vector<MemoryId> walk(MemoryId id, bool forward, std::size_t count) const;

  CommitNumber commit = 0;
  std::vector<SpaceSpec> spaces;              // as they were made
  std::map<std::string, std::uint64_t> rows;  // ever written, by space
  std::set<std::string> tenants;
  std::map<MemoryId, std::shared_ptr<const ModelMemory>> memories;  // visible
  std::set<MemoryId> forgotten;                                     // and not erased
  using EdgeName = std::tuple<MemoryId, std::string, MemoryId>;     // from, type, to
  std::map<EdgeName, Edge> edges;     // linked and not unlinked, also where an end is forgotten
  std::map<EdgeName, Edge> edges_in;  // the same by to, type, from
  std::map<std::pair<std::string, std::string>, MemoryId> line_ends;  // by tenant and session
  std::set<std::pair<std::string, std::string>> keys;                 // ever used, by tenant
  MemoryId next_id = 1;
  std::uint64_t versions = 0;  // ever written
};

}  // namespace aeon::test
