// A search that remembers: what a near query found answers it where that is certain, else helps it,
// and what it finds is remembered for the next.
#pragma once

#include "engine/lookaside/lookaside.hpp"
#include "engine/search.hpp"

namespace aeon::engine {

// As search_rows(), with the buffer's help where it can give any: not with a filter or a time
// window, and not among so few rows that a scan of them costs no more. Sets answer.lookaside.
[[nodiscard]] Status search_with(Lookaside& lookaside, std::uint64_t conversation,
                                 const Reading& reading, const VectorSearch& search,
                                 Answer& answer);

// Makes the next search that is wanted exact (Lookaside::want). False when none is.
[[nodiscard]] Result<bool> make_one_exact(Lookaside& lookaside, const Reading& reading);

}  // namespace aeon::engine
