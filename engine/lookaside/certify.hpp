// When a remembered search answers another one with certainty.
//
// What is remembered: at commit E, of all rows that were visible and matched, the best by query p,
// the last of them with score s. So every other row of then has no better score by p than s. What
// is asked: the k best by query q at commit C, E <= C, with the same tenant, space, session and
// kind. A row that is visible at C was born after E, or was visible at E, since what has ended
// stays ended. So the rows in question are
//   - the remembered ones that have not ended since: they are scored by q, as any search does;
//   - those born after E: they are scored as well, where they are few;
//   - all others of then: by q, none of them scores above a bound that follows from s and from how
//     far q lies from p.
// When the k-th best of the first two lies above the bound, they are the answer.
//
// The bound. On the sphere the angle between q and a row is no less than that between p and the row
// less that between p and q: cos(max(0, arccos s - angle(p, q))). For l2 the same with distances.
// An inner product differs by (q - p).x <= |q - p| |x|, and no row is longer than the longest. Each
// score is computed in float; what rounding may do is added wherever it could make the bound too
// low: rounding_of() below.
//
// The very same query needs no bound. Its scores are computed from the same values in the same way,
// so they have the same bits, and the order among the remembered rows and before all others of then
// is known, ties included.
//
// Why C < E does not do: a row that is visible at C may have ended by E. And why E must not lie
// before the commit that its view had settled: merges leave out what ended before, and of what was
// erased all of it, which an older view still shows.
#pragma once

#include <span>

#include "engine/lookaside/remembered.hpp"
#include "engine/search.hpp"

namespace aeon::engine {

// At most so many rows born since are scored.
inline constexpr std::uint64_t kMostNewRows = 1024;

// Whether findings at that instant may be kept as exact.
[[nodiscard]] bool can_be_kept(const Reading& reading) noexcept;

// The most that a row can score by `asked` whose score by `known` was computed as at most `last`,
// both with rounding; in double, rounded up. `longest` is no less than the length of any row.
[[nodiscard]] double most_score(Metric metric, std::span<const float> known,
                                std::span<const float> asked, float last, float longest) noexcept;

// Takes what certify() will need of memory for vectors of that space, once a thread: a search that
// finds nothing to be certified by is the time for that.
void get_ready_to_certify(const VectorSearch& search);

// Answers `search` from what is remembered of another one, if that is certain to be what an exact
// search would find; false, and `answer` as it was, if it is not. `same`: the queries are equal bit
// by bit. Wait-free; allocates nothing once the calling thread and the answer are warm.
[[nodiscard]] bool certify(const Reading& reading, const VectorSearch& search,
                           const Remembered& remembered, bool same, float longest, Answer& answer);

}  // namespace aeon::engine
