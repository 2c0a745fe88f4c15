// Compares what a snapshot shows with what its writers did. Answers in sentences, so that it serves
// tests and processes without a test framework alike.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "engine/palace.hpp"
#include "tests/crash/history.hpp"

namespace aeon::test {

// An acknowledgement, by the operation's number.
struct Acknowledged {
  CommitNumber commit = 0;
  MemoryId id = 0;
};
using AckMap = std::map<std::uint64_t, Acknowledged>;

// Whether the snapshot shows exactly the operations that `history` has done: every memory alive
// with its content, metadata, version and vector, found by key, by session, by links and by recall,
// and the last forgotten ones nowhere. Where `acks` has an acknowledgement of an operation, id and
// version must be the acknowledged ones. Empty when so, else a sentence about the first difference.
[[nodiscard]] std::string difference(const Snapshot& snapshot, const History& history,
                                     const AckMap& acks = {});

// Whether the snapshot holds nothing beside those histories and `others` more memories, and recall
// over everything finds each memory once (of more than kMaxK, as many).
[[nodiscard]] std::string surplus(const Snapshot& snapshot, std::span<const History> histories,
                                  std::size_t others = 0);

}  // namespace aeon::test
