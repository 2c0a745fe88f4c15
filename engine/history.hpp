// How far back a palace can be read, and what may therefore be given up.
//
// A version that was superseded, forgotten or whose row ended stays readable through earlier
// commits for as long as the history policy says. The *horizon* is the commit before which nobody
// can ask any more: a version that ended at or before it is dropped by the next merge that meets
// it. The horizon moves from mark to mark; a mark is made at every checkpoint, so that the time of
// a commit need not be searched for. It never moves back: a merge applies the mark in use or what
// the segments have behind them already, whichever is later. What was read before (an open
// snapshot) keeps the files that it was read from.
//
// Marks before the one in use are dropped. Of the others kMostMarks are kept; one more costs the
// mark whose neighbours lie closest together in time. So the marks are spread over the time that
// history is kept, and the horizon lags behind by a small part of it, however many checkpoints
// there are.
//
// A time is what a clock said, and clocks are set wrong at times. What a wrong clock may do is keep
// history for longer, not lose it: a mark from the future counts for nothing, and no mark counts
// before those of earlier commits do. A clock that runs ahead while a merge looks at it can't be
// told from the passing of time.
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
  std::vector<HistoryMark> marks;  // by commit, from the one in use on
  friend bool operator==(const History&, const History&) = default;
};

// Adds a mark, made just now, to a history that is kept for so long.
void add_mark(History& history, const HistoryMark& mark, TimeNs keep);

// The mark in use: the newest of at least that age of which all earlier ones are as old; nothing
// when there is none.
[[nodiscard]] const HistoryMark* mark_before(const History& history, TimeNs now,
                                             TimeNs keep) noexcept;

void encode_history(storage::Encoder& encoder, const History& history);
[[nodiscard]] bool decode_history(storage::Decoder& decoder, History& history);

}  // namespace aeon::engine
