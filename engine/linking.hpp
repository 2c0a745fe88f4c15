// Choosing the links of new rows, in the caller's thread before the commit has its place: a beam
// search finds the nearest rows, some of them become neighbours, and for each of those it is
// decided what the new row changes there. The decisions go into the record; applying them searches
// nothing. Rows that other threads are just committing are not seen; the links that miss them cost
// a little recall, nothing else.
//
// Which neighbours: of the nearest, those that none chosen before hides, a row being hidden by one
// that is as near to it as the new row is (the relative neighbourhood rule of HNSW and Vamana);
// then the nearest of the hidden, up to kChosenLinks. A neighbour with room takes the new row in. A
// full one weighs it against what it has: it is left out where a nearer one hides it, else it takes
// the place of the farthest that it hides. Where all refuse it, the nearest must take it, in place
// of one that the new row then leads to, so that every row stays within reach, copies too.
#pragma once

#include "engine/prepare.hpp"
#include "engine/view.hpp"

namespace aeon::engine {

// Fills PreparedRow::links of the whole batch. `reading` is held by the caller.
void link_rows(const Reading& reading, PreparedBatch& batch);

}  // namespace aeon::engine
