#include "engine/lookaside/lookaside_search.hpp"

#include <algorithm>

#include "engine/lookaside/certify.hpp"
#include "engine/seeds.hpp"
#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

// Rows of so many bytes are scanned in the time that looking things up takes.
constexpr std::uint64_t kScannedBytes = 32 << 10;
// From this cosine on, what a query found is a good place to set out from.
constexpr float kSeedCosine = 0.8F;
// The same for l2, where distances have no scale of their own: the square of the distance between
// the queries as a share of that to the farthest row that is remembered.
constexpr float kSeedShare = 0.4F;
// From this cosine on, a query that was not certified would have been, perhaps, by an exact search.
constexpr float kWantCosine = 0.97F;

// Buffers of one thread, kept warm.
struct Scratch {
  Scratch() {
    known.values.reserve(kMaxDimension);
    known.findings.nominees.reserve(kMostNominees);
    fresh.nominees.reserve(kMostNominees);
  }
  Remembered known;
  Findings fresh;
};
Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

bool is_near(Metric metric, const Lookaside::Near& near, const Remembered& known,
             std::span<const float> vector) {
  if (near.same) return true;
  if (metric != Metric::l2) return near.cosine >= kSeedCosine;
  float least = 0;
  for (const Nominee& nominee : known.findings.nominees) least = std::min(least, nominee.score);
  const float apart = simd::kernels().l2sq_f32(known.values.data(), vector.data(), vector.size());
  return apart <= kSeedShare * -least;
}

// How much of its patience a walk takes at first that sets out from what a query at that cosine
// found.
float first_patience(float cosine) {
  constexpr float kLeast = 0.2F;
  constexpr float kNear = 0.98F;
  const float share = (kNear - cosine) / (kNear - kSeedCosine);
  return std::clamp(kLeast + (1 - kLeast) * share, kLeast, 1.0F);
}

// Whether an exact search with more nominees could have certified what is known did not.
bool is_worth_more(const Lookaside::Near& near, const Findings& known, const VectorSearch& search,
                   CommitNumber commit) {
  if (search.k > kMostNominees || commit < known.commit) return false;
  if (near.same) return true;
  const bool could_be_more = !known.exact || known.nominees.size() < kMostNominees;
  return could_be_more && near.cosine >= kWantCosine;
}

// What a search finds is kept beside what is known, but for the very same query.
bool is_worth_keeping(const std::optional<Lookaside::Near>& near, const Findings& known,
                      const Findings& fresh) {
  if (fresh.nominees.empty()) return false;
  if (!near || !near->same) return true;
  return fresh.exact && (!known.exact || fresh.commit >= known.commit);
}

}  // namespace

Status search_with(Lookaside& lookaside, std::uint64_t conversation, const Reading& reading,
                   const VectorSearch& search, Answer& answer) {
  answer.lookaside = LookasideHelp::none;
  const bool narrowed =
      search.filter != nullptr || search.since != kBeginningOfTime || search.until != kEndOfTime;
  if (narrowed || !lookaside.is_on()) return search_rows(reading, search, answer);
  // Before it is known whether it is needed: a palace grows while a thread is warm.
  Scratch& own = scratch();
  Lookaside::get_ready();
  get_ready_to_certify(search);
  const SpaceInfo& space = *search.space;
  const PartitionFigures figures = partition_figures(reading, space.number, search.tenant);
  const std::uint64_t bytes = figures.rows * packed_stride(space.spec.dimension);
  if (figures.has_ungraphed || bytes <= kScannedBytes) return search_rows(reading, search, answer);

  const SearchName name{search.tenant, space.number, search.session, search.kind, conversation};
  Findings& known = own.known.findings;
  const auto near = lookaside.find(name, search.vector, own.known);
  if (near && certify(reading, search, own.known, near->same, figures.largest_norm, answer)) {
    answer.lookaside = LookasideHelp::certified;
    lookaside.count(name, LookasideHelp::certified,
                    known.cost - std::min(known.cost, answer.rows_scanned));
    return {};
  }
  if (near && is_worth_more(*near, known, search, reading.commit)) {
    lookaside.want(own.known.place);
  }
  VectorSearch helped = search;
  helped.findings = &own.fresh;
  own.fresh.nominees.clear();
  const bool seeds = near && search.session == 0 && search.kind == 0 &&
                     is_near(space.spec.metric, *near, own.known, search.vector);
  if (seeds) {
    helped.starts = known.nominees;
    helped.first_patience = known.thorough ? first_patience(near->cosine) : 1;
  }
  AEON_TRY(search_rows(reading, helped, answer));
  const bool seeded = seeds && !answer.exact;
  answer.lookaside = seeded ? LookasideHelp::seeded : LookasideHelp::missed;
  lookaside.count(name, answer.lookaside,
                  seeded ? known.cost - std::min(known.cost, answer.rows_scanned) : 0);
  Findings& fresh = own.fresh;
  if (answer.partial) return {};
  fresh.exact = fresh.exact && can_be_kept(reading);
  if (seeded) fresh.cost = std::max(fresh.cost, known.cost);
  if (is_worth_keeping(near, known, fresh)) {
    lookaside.remember(name, search.vector, fresh, near ? &own.known.place : nullptr);
  }
  return {};
}

Result<bool> make_one_exact(Lookaside& lookaside, const Reading& reading) {
  Scratch& own = scratch();
  if (!lookaside.next_wanted(own.known)) return false;
  const SpaceInfo* space = reading.catalog.at(own.known.name.space);
  if (space == nullptr || space->spec.dimension != own.known.values.size()) return true;
  VectorSearch search;
  search.space = space;
  search.tenant = own.known.name.tenant;
  search.vector = own.known.values;
  search.k = kMostNominees;
  search.session = own.known.name.session;
  search.kind = own.known.name.kind;
  search.findings = &own.fresh;
  Answer answer;
  AEON_TRY(search_rows(reading, search, answer));
  own.fresh.cost = std::min(own.fresh.cost, own.known.findings.cost);
  if (own.fresh.exact && can_be_kept(reading)) lookaside.replace(own.known, own.fresh);
  return true;
}

}  // namespace aeon::engine
