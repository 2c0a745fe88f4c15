#include "api/cli/bench_stress_palace.hpp"

#include <algorithm>
#include <random>

namespace aeon::cli {
namespace {

constexpr std::size_t kQueries = 64;
constexpr std::uint32_t kFillBatch = 256;
constexpr std::uint32_t kUpkeepBatch = 64;  // so that upkeep has something to settle
constexpr double kTurnSeconds = 0.1;        // of inserts between two times of upkeep

std::vector<float> gaussian(std::mt19937_64& random, std::uint32_t dimension) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimension);
  for (float& value : vector) value = normal(random);
  return vector;
}

BenchMemories shape_of(const StressBench& bench, std::uint32_t batch) {
  return {batch, bench.dimension, bench.content_bytes};
}

// Cheap, so that its cost is no part of a look-up: xorshift64*.
std::uint64_t next_random(std::uint64_t& state) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545'f491'4f6c'dd1d;
}

}  // namespace

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::idle: return "idle";
    case Phase::inserting: return "inserting";
    case Phase::checkpointing: return "checkpointing";
    case Phase::compacting: return "compacting";
    case Phase::in_turn: return "in_turn";
  }
  return "unknown";
}

Result<StressPalace> StressPalace::make(const std::string& directory, const StressBench& bench) {
  const SpaceSpec space{
      .name = std::string(kBenchSpace), .dimension = bench.dimension, .model = ""};
  AEON_ASSIGN(Palace palace, Palace::create(directory, {space}));
  StressPalace made(std::move(palace), bench);
  AEON_TRY(made.fill());
  return made;
}

Status StressPalace::fill() {
  std::mt19937_64 random(1);
  BatchSource source(shape_of(bench_, kFillBatch), 2);
  while (ids_.size() < bench_.rows && !interrupted()) {
    Batch batch = source.next();
    for (auto& operation : batch.operations()) {
      std::get<NewMemory>(operation).vectors.front().values = gaussian(random, bench_.dimension);
    }
    AEON_ASSIGN(const Ack ack, palace_.commit(std::move(batch), Durability::process));
    ids_.insert(ids_.end(), ack.ids.begin(), ack.ids.end());
  }
  for (std::size_t i = 0; i < kQueries; ++i) {
    queries_.push_back(gaussian(random, bench_.dimension));
  }
  return palace_.compact();
}

StressPalace::Reader::Reader(const StressPalace& palace, std::uint64_t seed, FirstError& errors)
    : palace_(palace), errors_(errors), random_(seed * 2 + 1) {}

bool StressPalace::Reader::check(const Status& status, bool as_expected) {
  if (status && as_expected) return true;
  errors_.note(status ? Error{Errc::damaged, 0, "a read of the bench answered what was not written"}
                      : status.error());
  return false;
}

bool StressPalace::Reader::look_up() {
  const MemoryId id = palace_.ids_[next_random(random_) % palace_.ids_.size()];
  const Status status = palace_.palace_.snapshot().get(id, memory_);
  return check(status, memory_.id == id);
}

bool StressPalace::Reader::recall() {
  Query query;
  query.lookaside = false;
  query.space = kBenchSpace;
  query.vector = palace_.queries_[next_random(random_) % kQueries];
  query.k = palace_.bench_.k;
  const Status status = palace_.palace_.recall(query, answer_);
  return check(status, answer_.hits.size() == query.k);
}

void StressPalace::insert(const Schedule& schedule, std::uint64_t seed, Latencies& latencies,
                          FirstError& errors) {
  BatchSource source(shape_of(bench_, 1), seed);
  insert_from(source, schedule, latencies, errors);
}

void StressPalace::insert_from(BatchSource& source, const Schedule& schedule, Latencies& latencies,
                               FirstError& errors) {
  Batch batch = source.next();
  const auto commit = [&] {
    const auto ack = palace_.commit(std::move(batch), bench_.durability);
    batch = source.next();
    if (!ack) errors.note(ack.error());
    return ack.has_value();
  };
  pace(SteadyClock(false), schedule, commit, latencies);
}

bool StressPalace::run_upkeep(bool compact, UpkeepFigures& figures, FirstError& errors) {
  const std::int64_t start = SteadyClock::now();
  const Status status = compact ? palace_.compact() : palace_.checkpoint();
  const double seconds = static_cast<double>(SteadyClock::now() - start) * 1e-9;
  ++figures.runs;
  figures.seconds += seconds;
  figures.longest = std::max(figures.longest, seconds);
  // Busy: the palace's own upkeep is just at it, which serves as well.
  if (status || status.error().code == Errc::busy) return true;
  errors.note(status.error());
  return false;
}

void StressPalace::keep_up(Phase phase, std::int64_t end_ns, UpkeepFigures& figures,
                           FirstError& errors) {
  BatchSource source(shape_of(bench_, kUpkeepBatch), 3);
  const SteadyClock clock(false);
  const std::int64_t rest_ns = std::int64_t{bench_.upkeep_ms} * 1'000'000;
  while (SteadyClock::now() < end_ns && !interrupted()) {
    if (const auto ack = palace_.commit(source.next(), bench_.durability); !ack) {
      return errors.note(ack.error());
    }
    if (!run_upkeep(phase == Phase::compacting, figures, errors)) return;
    clock.wait_until(std::min(SteadyClock::now() + rest_ns, end_ns));
  }
}

// Inserts that fall due while upkeep runs in the same thread are not owed: each slice has a
// schedule of its own.
void StressPalace::work_in_turn(const Schedule& schedule, std::uint64_t seed, Latencies& latencies,
                                UpkeepFigures& figures, FirstError& errors) {
  BatchSource source(shape_of(bench_, 1), seed);
  bool compact = false;
  for (std::int64_t now = schedule.start_ns; now < schedule.end_ns && !interrupted();
       now = SteadyClock::now()) {
    const auto slice_end = now + static_cast<std::int64_t>(kTurnSeconds * 1e9);
    const Schedule slice{
        .start_ns = now, .end_ns = std::min(slice_end, schedule.end_ns), .rate = schedule.rate};
    insert_from(source, slice, latencies, errors);
    if (!errors.status() || !run_upkeep(compact, figures, errors)) return;
    compact = !compact;
  }
}

}  // namespace aeon::cli
