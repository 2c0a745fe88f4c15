// Which of the nearest rows become a row's neighbours; linking.hpp has the rule and its sources.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace aeon::engine {

inline constexpr std::size_t kBeam = 48;         // nearest rows that are looked for
inline constexpr std::size_t kChosenLinks = 16;  // of them; others may be added by later rows
inline constexpr std::uint32_t kCopies = 2;      // of one row that may be among the nearest

// Of `near` the nearest kBeam, in order, no more than kCopies of them at one distance.
template <typename Candidate>
void keep_nearest(std::vector<Candidate>& near) {
  std::ranges::sort(near, {}, &Candidate::distance);
  std::size_t kept = 0;
  for (const Candidate& candidate : near) {
    if (kept == kBeam) break;
    const bool copy = kept >= kCopies && near[kept - kCopies].distance == candidate.distance;
    if (!copy) near[kept++] = candidate;
  }
  near.resize(kept);
}

// Fills `chosen` from `near`, which is in order. `between(a, b)` is the distance of two candidates.
template <typename Candidate, typename Between>
void choose_links(const std::vector<Candidate>& near, std::vector<Candidate>& chosen,
                  std::vector<Candidate>& hidden, const Between& between) {
  chosen.clear();
  hidden.clear();
  for (const Candidate& candidate : near) {
    if (chosen.size() == kChosenLinks) break;
    const bool is_hidden = std::ranges::any_of(chosen, [&](const Candidate& one) {
      return between(candidate, one) <= candidate.distance;
    });
    (is_hidden ? hidden : chosen).push_back(candidate);
  }
  for (const Candidate& candidate : hidden) {
    if (chosen.size() == kChosenLinks) break;
    chosen.push_back(candidate);
  }
}

}  // namespace aeon::engine
