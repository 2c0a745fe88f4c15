// Compares what a palace says with a model, through every read that a snapshot has. The answers are
// the first difference in words, or nothing.
#pragma once

#include <string>

#include "engine/palace.hpp"
#include "tests/model/model.hpp"

namespace aeon::test {

// What reads of a palace may do: nothing but answer, or also, where its files are damaged, fail
// with that code; a recall may answer from the rest when it says that it is partial.
enum class Reads { whole, damaged };

// Everything but recall. What is forgotten, freed or was never there is looked for as well.
[[nodiscard]] std::string difference(const Snapshot& snapshot, const Model& model,
                                     Reads reads = Reads::whole);

// `queries` random recalls with every option, at the exact setting, against a brute-force search in
// double over the values that the memories say they keep. Ids may differ where scores tie.
[[nodiscard]] std::string recall_difference(const Snapshot& snapshot, const Model& model,
                                            std::uint64_t seed, int queries,
                                            Reads reads = Reads::whole);

// The same of recalls by words: operators, options and scores. recall_difference() asks it as well.
[[nodiscard]] std::string words_difference(const Snapshot& snapshot, const Model& model,
                                           std::uint64_t seed, int queries,
                                           Reads reads = Reads::whole);

// The counts of the newest instant.
[[nodiscard]] std::string stats_difference(const Stats& stats, const Model& model);

}  // namespace aeon::test
