#include "engine/query_check.hpp"

#include <fmt/format.h>

namespace aeon::engine {

Status check_wanted(const Query& query) {
  if (query.k < 1 || query.k > kMaxK) {
    return fail(Errc::invalid_argument,
                fmt::format("k is {}; it must be within 1..{}", query.k, kMaxK));
  }
  if (query.target_recall && query.effort) {
    return fail(Errc::invalid_argument,
                "the query names a target recall and an effort; give one of the two");
  }
  if (query.target_recall && !(*query.target_recall > 0 && *query.target_recall <= 1)) {
    return fail(Errc::invalid_argument,
                fmt::format("the target recall is {}; it must be above 0 and at most 1",
                            *query.target_recall));
  }
  if (query.effort && !(*query.effort >= 0 && *query.effort <= 1)) {
    return fail(Errc::invalid_argument,
                fmt::format("the effort is {}; it must be within 0..1", *query.effort));
  }
  if (!(query.shape.diversity >= 0 && query.shape.diversity <= 1)) {
    return fail(Errc::invalid_argument,
                fmt::format("the diversity is {}; it must be within 0..1", query.shape.diversity));
  }
  return {};
}

float wanted_recall(const Query& query) noexcept {
  if (query.effort) return recall_of_effort(*query.effort);
  return query.target_recall.value_or(kTargetRecall);
}

Result<const SpaceInfo*> space_of(const Reading& reading, std::string_view name) {
  if (!name.empty()) {
    const SpaceInfo* space = reading.catalog.find(name, reading.commit);
    if (space != nullptr) return space;
    return fail(Errc::unknown_space, fmt::format("no space is named \"{}\"", name));
  }
  if (const SpaceInfo* space = reading.catalog.lexical(reading.commit)) return space;
  const SpaceInfo* first = reading.catalog.at(1);
  if (first != nullptr && first->born <= reading.commit) return first;
  return fail(Errc::unknown_space, "the palace has no vector space; create one first");
}

}  // namespace aeon::engine
