#include <vector>

#include <fmt/format.h>

#include "engine/batch_search.hpp"
#include "engine/no_memory.hpp"
#include "engine/palace.hpp"
#include "engine/prepare.hpp"
#include "engine/query_check.hpp"

namespace aeon {

namespace {

// A vector and nothing that narrows or shapes, where no memory expires: what gains from company.
// All others go one by one.
bool is_plain(const engine::Reading& reading, const Query& query) {
  return reading.now == kBeginningOfTime && !query.vector.empty() && query.text.empty() &&
         query.session.empty() && query.kind.empty() && query.filter.empty() &&
         query.since == kBeginningOfTime && query.until == kEndOfTime && !query.shape.any() &&
         !query.confidence;
}

Result<engine::VectorSearch> plain_search(const engine::Reading& reading, const Query& query) {
  AEON_TRY(engine::check_wanted(query));
  engine::VectorSearch search;
  AEON_ASSIGN(search.space, engine::space_of(reading, query.space));
  AEON_ASSIGN(search.tenant, reading.tenant_number(query.tenant));
  AEON_TRY(engine::check_vector(query.vector, query.model, search.space->spec, "the query vector"));
  search.vector = query.vector;
  search.k = query.k;
  search.recall = engine::wanted_recall(query);
  return search;
}

std::unexpected<Error> of_query(std::size_t place, Error error) {
  error.message = fmt::format("query {} of the batch: {}", place, error.message);
  return std::unexpected(std::move(error));
}

}  // namespace

// Every plain query is checked before the first search, so that most errors change no answer.
Status Snapshot::recall_batch(std::span<const Query> queries, std::span<Answer> answers) const try {
  if (queries.size() != answers.size()) {
    return fail(Errc::invalid_argument, fmt::format("{} queries and {} answers; give as many",
                                                    queries.size(), answers.size()));
  }
  thread_local std::vector<engine::BatchedSearch> searches;  // kept warm
  searches.clear();
  const engine::Reading reading = this->reading();
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (!is_plain(reading, queries[i])) continue;
    auto search = plain_search(reading, queries[i]);
    if (!search) return of_query(i, std::move(search.error()));
    answers[i].lookaside = LookasideHelp::none;
    answers[i].rows_left = 0;
    answers[i].postings_scanned = 0;
    answers[i].edges_walked = 0;
    answers[i].tokens = 0;
    answers[i].confidence.reset();
    answers[i].marks.clear();
    searches.push_back({*search, &answers[i]});
  }
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (is_plain(reading, queries[i])) continue;
    const Status done = recall(queries[i], answers[i]);
    if (!done) return of_query(i, done.error());
  }
  return engine::search_batch(reading, searches);
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Status Palace::recall_batch(std::span<const Query> queries, std::span<Answer> answers) const try {
  return snapshot().recall_batch(queries, answers);
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

}  // namespace aeon
