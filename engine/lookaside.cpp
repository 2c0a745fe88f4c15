// Making remembered searches exact, so that they certify: a walk's answer is likely and not
// certain, and a scan of everything is nothing that a reader should pay for. Readers that ask again
// leave a wish; the follower hears of it when it is awake anyway, twice a second at least.
#include <algorithm>

#include "engine/lookaside/lookaside_search.hpp"
#include "engine/store.hpp"

namespace aeon::engine {

namespace {

// Rests so many times as long as it works: a tenth of a processor at most.
constexpr int kRests = 9;
constexpr std::chrono::nanoseconds kLeastRest = std::chrono::milliseconds(1);

}  // namespace

// One wish in a slice.
Upkeep::Again Store::lookaside_slice() {
  if (stopping_.load(std::memory_order_acquire)) return std::nullopt;  // (26)
  const std::int64_t start = os_.monotonic_ns();
  const Result<bool> more = make_one_exact();
  if (!more || !*more) return std::nullopt;
  const std::chrono::nanoseconds took(os_.monotonic_ns() - start);
  return std::max(kRests * took, kLeastRest);
}

// Holds the newest instant meanwhile, as Palace::snapshot() does.
Result<bool> Store::make_one_exact() {
  if (!lookaside_.is_wanted()) return false;
  struct Held {
    explicit Held(const Store& from) : store(from), view(from.hold_view()) {}
    ~Held() { store.drop_view(view); }
    const Store& store;
    const View* const view;
  };
  const CommitNumber commit = visible();
  const Held held(*this);
  return engine::make_one_exact(lookaside_,
                                {*held.view, catalog_, std::max(commit, held.view->settled())});
}

// One after another up to that time; true while there may be more.
Result<bool> Store::make_exact(std::int64_t until_ns) {
  for (;;) {
    AEON_ASSIGN(const bool made, make_one_exact());
    if (!made) return false;
    if (os_.monotonic_ns() >= until_ns) return lookaside_.is_wanted();
  }
}

}  // namespace aeon::engine
