// How far back a palace can be read, and what may therefore be given up.
//
// A version that was superseded, forgotten or whose row ended stays readable through earlier
// commits for as long as the history policy says. The *horizon* is the commit before which nobody
// can ask any more: a version that ended at or before it is dropped by the next merge that meets
// it. The horizon moves from mark to mark; a mark is made at every checkpoint, so that the time of
// a commit need not be searched for, and it never moves back. What was read before (an open
// snapshot) keeps the files that it was read from.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model.hpp"
#include "storage/codec.hpp"

namespace aeon::engine {

// A checkpoint: its last commit, when that was, and how many versions had ended by then.
struct HistoryMark {
  CommitNumber commit = 0;
  TimeNs time = 0;
  std::uint64_t ended = 0;
  friend bool operator==(const HistoryMark&, const HistoryMark&) = default;
};

// Kept in the manifest's engine state, as of its settled commit.
struct History {
  std::uint64_t dropped = 0;       // versions that merges have given up so far
  std::uint64_t purged = 0;        // erasures of which no byte is left in any file
  std::vector<HistoryMark> marks;  // by commit; those before the one in use are forgotten
  friend bool operator==(const History&, const History&) = default;
};

// Adds a mark. Marks that lie close together are thinned out once there are very many, which only
// keeps some history a little longer.
void add_mark(History& history, const HistoryMark& mark);

// The newest mark of at least that age; nothing when there is none.
[[nodiscard]] const HistoryMark* mark_before(const History& history, TimeNs now,
                                             TimeNs keep) noexcept;

void encode_history(storage::Encoder& encoder, const History& history);
[[nodiscard]] bool decode_history(storage::Decoder& decoder, History& history);

}  // namespace aeon::engine
