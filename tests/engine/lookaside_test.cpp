// What the lookaside buffer answers is what an exact search of the same instant finds: over random
// histories in which memories are written, replaced, forgotten and erased, by two openings, while
// the palace checkpoints, merges and is opened again, and snapshots of earlier instants are asked.
// AEON_SEED and AEON_SEEDS ask for other histories, and more.
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <limits>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/sim/sim_os.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

using Vector = std::vector<float>;
constexpr std::uint32_t kDimension = 200;  // so that few rows are worth to be remembered
constexpr std::size_t kRows = 200;
constexpr std::size_t kQueries = 12;
const std::string kDirectory = "/palace";

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* const asked = std::getenv(name);
  return asked == nullptr ? otherwise : std::strtoull(asked, nullptr, 10);
}

bool same_hits(const Answer& a, const Answer& b) {
  return std::ranges::equal(a.hits, b.hits, [](const Hit& x, const Hit& y) {
    return x.id == y.id && x.version == y.version && x.score == y.score;
  });
}

struct Tally {
  std::uint64_t asked = 0;
  std::uint64_t certified = 0;
  std::uint64_t certified_near = 0;    // for another query than the remembered one
  std::uint64_t certified_newer = 0;   // at a later instant
  std::uint64_t certified_narrow = 0;  // of one session or kind
  std::uint64_t differences = 0;
};

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), os_(seed) {
    SpaceSpec space{.name = "v", .dimension = kDimension, .model = ""};
    space.metric = std::array{Metric::cosine, Metric::dot, Metric::l2}[pick(3)];
    space.precision = std::array{Precision::int8, Precision::float16, Precision::float32}[pick(3)];
    openings_.push_back(Palace::create(kDirectory, {space}, options()).value());
    Batch batch;
    batch.create_tenant("other");
    REQUIRE(palace().commit(std::move(batch)).has_value());
    while (ids_.size() < kRows) write(20);
    for (std::size_t i = 0; i < kQueries; ++i) queries_.push_back(vector());
  }

  void run(std::uint64_t steps, Tally& tally) {
    for (std::uint64_t step = 0; step < steps; ++step) {
      if (pick(3) == 0) change();
      ask(tally);
    }
  }

 private:
  std::size_t pick(std::size_t below) { return random_() % below; }
  Palace& palace() { return openings_[pick(openings_.size())]; }

  OpenOptions options() {
    OpenOptions options;
    options.background = false;
    options.os = &os_;
    options.lookaside_bytes = pick(2) == 0 ? std::uint64_t{3} << 19 : std::uint64_t{8} << 20;
    return options;
  }

  // Often near to others, now and then a copy.
  Vector vector() {
    std::normal_distribution<float> normal(0, pick(2) == 0 ? 1.0F : 0.05F);
    Vector values = queries_.empty() || pick(3) == 0 ? Vector(kDimension, 0.1F)
                                                     : queries_[pick(queries_.size())];
    if (pick(8) == 0 && !queries_.empty()) return values;
    for (float& value : values) value += normal(random_);
    return values;
  }

  NewMemory memory() {
    NewMemory memory;
    memory.embed = false;
    memory.content = std::string("some");
    if (pick(4) == 0) memory.tenant = std::string("other");
    if (pick(2) == 0) memory.session = std::string(pick(2) == 0 ? "first" : "second");
    memory.kind = std::string(pick(3) == 0 ? "note" : "fact");
    memory.vectors.push_back({"v", vector(), ""});
    return memory;
  }

  void write(std::size_t most) {
    Batch batch;
    for (std::size_t i = 0; i <= pick(most); ++i) batch.remember(memory());
    commit(std::move(batch));
  }
  // What was ended meanwhile, or belongs to another tenant, is refused; nothing is changed then.
  void commit(Batch batch) {
    Palace& by = palace();
    const auto ack = by.commit(std::move(batch), Durability::process);
    if (ack) ids_.insert(ids_.end(), ack->ids.begin(), ack->ids.end());
    for (Palace& opening : openings_) REQUIRE(opening.fresh_snapshot().has_value());
  }

  void change() {
    Batch batch;
    const MemoryId id = ids_[pick(ids_.size())];
    switch (pick(14)) {
      case 0:
      case 1: return write(3);
      case 2: return write(40);
      case 3:
      case 4: {
        NewMemory next = memory();
        next.tenant.clear();
        next.session.clear();
        batch.supersede(id, std::move(next));
        return commit(std::move(batch));
      }
      case 5:
      case 6: batch.forget(id); return commit(std::move(batch));
      case 7: batch.erase(id); return commit(std::move(batch));
      case 8: REQUIRE(palace().checkpoint().has_value()); return;
      case 9:
        if (pick(3) == 0) REQUIRE(palace().compact().has_value());
        return;
      case 10:
        if (pick(4) == 0) REQUIRE(palace().purge().has_value());
        return;
      case 11: REQUIRE(palace().maintain(std::chrono::nanoseconds(0)).has_value()); return;
      case 12: return open_or_close();
      default:
        if (held_.size() > 3) held_.pop_front();
        held_.push_back(palace().snapshot());
    }
  }

  void open_or_close() {
    held_.clear();
    if (openings_.size() > 1) {
      openings_.erase(openings_.begin() + static_cast<std::ptrdiff_t>(pick(2)));
      return;
    }
    if (pick(2) == 0) openings_.clear();
    openings_.push_back(Palace::open(kDirectory, options()).value());
  }

  Snapshot instant() {
    if (!held_.empty() && pick(4) == 0) {
      Snapshot held = std::move(held_.front());
      held_.pop_front();
      return held;
    }
    Palace& asked = palace();
    if (pick(8) == 0) {
      const CommitNumber now = asked.snapshot().commit();
      auto earlier = asked.snapshot_at(now - std::min<CommitNumber>(now, pick(12)));
      if (earlier) return std::move(*earlier);
    }
    return asked.snapshot();
  }

  void ask(Tally& tally) {
    Vector values = queries_[pick(queries_.size())];
    const bool near = pick(4) == 0;
    if (near) {
      std::normal_distribution<float> normal(0, std::array{1e-4F, 1e-3F, 1e-2F}[pick(3)]);
      for (float& value : values) value += normal(random_);
    }
    if (pick(30) == 0) queries_[pick(queries_.size())] = vector();
    Query query;
    query.space = "v";
    query.vector = values;
    query.k = std::array{1U, 3U, 10U, 100U, 300U}[pick(5)];
    if (pick(4) == 0) query.tenant = "other";
    if (pick(4) == 0) query.session = "first";
    if (pick(6) == 0) query.kind = "note";
    if (pick(4) == 0) query.conversation = pick(2) == 0 ? "one" : "two";
    const Snapshot snapshot = instant();
    Answer answer;
    REQUIRE(snapshot.recall(query, answer).has_value());
    ++tally.asked;
    if (answer.lookaside != LookasideHelp::certified) return;
    ++tally.certified;
    tally.certified_near += near ? 1 : 0;
    tally.certified_narrow += !query.session.empty() || !query.kind.empty() ? 1 : 0;
    tally.certified_newer += answer.rows_scanned > query.k ? 1 : 0;
    query.lookaside = false;
    query.target_recall = 1;
    Answer exact;
    REQUIRE(snapshot.recall(query, exact).has_value());
    REQUIRE(exact.lookaside == LookasideHelp::none);
    const bool same = same_hits(answer, exact) && answer.commit == exact.commit && answer.exact;
    tally.differences += same ? 0 : 1;
  }

  std::mt19937_64 random_;
  test::SimOs os_;
  std::vector<MemoryId> ids_;
  std::vector<Vector> queries_;
  std::vector<Palace> openings_;
  std::deque<Snapshot> held_;
};

}  // namespace

TEST_CASE("what is certified is what an exact search of the same instant finds") {
  const std::uint64_t first = setting("AEON_SEED", 1);
  const std::uint64_t seeds = setting("AEON_SEEDS", 40);
  Tally tally;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    INFO("seed " << seed);
    const std::uint64_t before = tally.differences;
    History(seed).run(400, tally);
    CHECK(tally.differences == before);
  }
  WARN(tally.asked << " asked, " << tally.certified << " certified: " << tally.certified_near
                   << " of them near another query, " << tally.certified_newer
                   << " with rows compared, " << tally.certified_narrow << " narrowed");
  CHECK(tally.certified > tally.asked / 10);
  CHECK(tally.certified_near > 0);
  CHECK(tally.certified_newer > 0);
  CHECK(tally.certified_narrow > 0);
}

// What was erased leaves the newest view whole, also as of earlier commits; a snapshot that was
// taken before still shows it, and must not be answered by a search of the newer view.
TEST_CASE("a snapshot that holds what was erased since is not answered from a view without it") {
  test::SimOs os(1);
  OpenOptions options;
  options.background = false;
  options.os = &os;
  Palace palace =
      Palace::create(kDirectory, {{.name = "v", .dimension = kDimension, .model = ""}}, options)
          .value();
  Batch batch;
  for (std::size_t i = 0; i < kRows; ++i) {
    NewMemory memory;
    memory.embed = false;
    Vector values(kDimension, 1);
    values[i % kDimension] = 2 + static_cast<float>(i);
    memory.vectors.push_back({"v", std::move(values), ""});
    batch.remember(std::move(memory));
  }
  const auto ack = palace.commit(std::move(batch));
  REQUIRE(ack.has_value());
  const Snapshot before = palace.snapshot();
  Batch erase;
  erase.erase(ack->ids.front());
  REQUIRE(palace.commit(std::move(erase)).has_value());
  REQUIRE(palace.purge().has_value());
  Vector values(kDimension, 1);
  values.front() = 2;
  Query query;
  query.space = "v";
  query.vector = values;
  Answer answer;
  const auto earlier = palace.snapshot_at(before.commit());
  REQUIRE(earlier.has_value());
  REQUIRE(earlier->recall(query, answer).has_value());
  CHECK(answer.hits.front().id != ack->ids.front());
  REQUIRE(before.recall(query, answer).has_value());
  CHECK(answer.lookaside != LookasideHelp::certified);
  CHECK(answer.hits.front().id == ack->ids.front());
}

TEST_CASE("threads that share a few rings get what an exact search finds") {
  constexpr std::size_t kReaders = 4;
  const std::uint64_t rounds = setting("AEON_ROUNDS", 1500);
  const test::TempDirectory scratch;
  OpenOptions options;
  options.background = false;
  options.lookaside_bytes = std::uint64_t{3} << 19;  // one set of rings
  Palace palace = Palace::create(scratch / "palace",
                                 {{.name = "v", .dimension = kDimension, .model = ""}}, options)
                      .value();
  const auto vector = [](std::mt19937_64& random) {
    std::normal_distribution<float> normal;
    Vector values(kDimension);
    for (float& value : values) value = normal(random);
    return values;
  };
  const auto write = [&](std::mt19937_64& random, std::size_t count) {
    Batch batch;
    for (std::size_t i = 0; i < count; ++i) {
      NewMemory memory;
      memory.embed = false;
      memory.key = fmt::format("key {}", random() % 300);
      memory.vectors.push_back({"v", vector(random), ""});
      batch.remember(std::move(memory));
    }
    return palace.commit(std::move(batch), Durability::process).has_value();
  };
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) REQUIRE(write(random, 1));
  std::vector<Vector> queries;
  for (int i = 0; i < 20; ++i) queries.push_back(vector(random));
  std::atomic<std::uint64_t> certified{0};
  std::atomic<std::uint64_t> failures{0};
  std::atomic<std::size_t> reading{kReaders};
  std::vector<std::thread> threads;
  for (std::size_t reader = 0; reader < kReaders; ++reader) {
    threads.emplace_back([&, reader] {
      std::mt19937_64 own(reader);
      Answer answer;
      Answer exact;
      // On a slow machine longer: until upkeep has made something exact that is asked again.
      for (std::uint64_t i = 0; i < rounds || (certified.load() == 0 && i < 1000 * rounds); ++i) {
        const std::string conversation = fmt::format("number {}", own() % 12);
        Query query;
        query.space = "v";
        query.vector = queries[own() % queries.size()];
        query.k = 5 + static_cast<std::uint32_t>(own() % 3);
        query.conversation = conversation;
        const Snapshot snapshot = palace.snapshot();
        if (!snapshot.recall(query, answer)) failures.fetch_add(1);
        if (answer.lookaside != LookasideHelp::certified) continue;
        certified.fetch_add(1);
        query.lookaside = false;
        query.target_recall = 1;
        if (!snapshot.recall(query, exact) || !same_hits(answer, exact)) failures.fetch_add(1);
      }
      reading.fetch_sub(1);
    });
  }
  threads.emplace_back([&] {
    std::mt19937_64 own(77);
    for (std::uint64_t i = 0; reading.load() != 0; ++i) {
      if (!write(own, 1)) failures.fetch_add(1);
      if (i % 50 == 49 && !palace.checkpoint()) failures.fetch_add(1);
      if (i % 200 == 199 && !palace.compact()) failures.fetch_add(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  threads.emplace_back([&] {
    while (reading.load() != 0) {
      if (!palace.maintain(std::chrono::nanoseconds(0))) failures.fetch_add(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (std::thread& thread : threads) thread.join();
  const LookasideStats stats = palace.stats().value().lookaside;
  WARN(certified.load() << " certified of at least " << kReaders * rounds << "; "
                        << stats.remembered << " remembered, " << stats.made_exact
                        << " made exact");
  CHECK(failures.load() == 0);
  CHECK(certified.load() > 0);
  CHECK(stats.certified == certified.load());
  CHECK(stats.bytes == std::uint64_t{3} << 19);
  CHECK(stats.bytes_used <= stats.bytes);
}

TEST_CASE("the buffer leaves alone what it can't answer, and is off when it is told so") {
  test::SimOs os(1);
  OpenOptions options;
  options.background = false;
  options.os = &os;
  options.lookaside_bytes = GENERATE(std::uint64_t{0}, std::uint64_t{3} << 19, UINT64_MAX / 2);
  Palace palace =
      Palace::create(kDirectory, {{.name = "v", .dimension = kDimension, .model = ""}}, options)
          .value();
  const LookasideStats empty = palace.stats().value().lookaside;
  const bool on = empty.bytes != 0;  // no machine has all that memory
  CHECK((on || options.lookaside_bytes != std::uint64_t{3} << 19));
  CHECK((!on || options.lookaside_bytes != 0));
  CHECK(empty.bytes_used == 0);
  Batch batch;
  for (int i = 0; i < 300; ++i) {
    NewMemory memory;
    memory.content = fmt::format("word {}", i);
    memory.embed = false;
    memory.metadata = R"({"a": 1})";
    memory.session = fmt::format("session {}", i % 2);
    Vector values(kDimension, 1);
    values[static_cast<std::size_t>(i) % kDimension] = static_cast<float>(i);
    memory.vectors.push_back({"v", std::move(values), ""});
    batch.remember(std::move(memory));
  }
  REQUIRE(palace.commit(std::move(batch)).has_value());
  const Vector values(kDimension, 1);
  Query query;
  query.space = "v";
  query.vector = values;
  Answer answer;
  const auto ask = [&] {
    REQUIRE(palace.recall(query, answer).has_value());
    return answer.lookaside;
  };
  CHECK(ask() == (on ? LookasideHelp::missed : LookasideHelp::none));
  CHECK(ask() == (on ? LookasideHelp::certified : LookasideHelp::none));
  query.lookaside = false;
  CHECK(ask() == LookasideHelp::none);
  query.lookaside = true;
  query.since = 1;
  CHECK(ask() == LookasideHelp::none);
  query.since = kBeginningOfTime;
  query.filter = R"({"a": 1})";
  CHECK(ask() == LookasideHelp::none);
  query.filter = {};
  query.session = "session 1";
  CHECK(ask() == (on ? LookasideHelp::missed : LookasideHelp::none));
  const std::size_t hits = answer.hits.size();
  CHECK(ask() == (on ? LookasideHelp::certified : LookasideHelp::none));
  CHECK(answer.hits.size() == hits);
  query.k = 0;
  CHECK(palace.recall(query, answer).error().code == Errc::invalid_argument);
  query.k = 10;
  const Vector bad(kDimension, std::numeric_limits<float>::quiet_NaN());
  query.vector = bad;
  CHECK(palace.recall(query, answer).error().code == Errc::not_finite);
  query.vector = values;
  query.session = {};
  const std::string long_label(100'000, 'x');
  query.conversation = long_label;
  CHECK(ask() == (on ? LookasideHelp::missed : LookasideHelp::none));
  CHECK(ask() == (on ? LookasideHelp::certified : LookasideHelp::none));
  const LookasideStats stats = palace.stats().value().lookaside;
  CHECK(stats.certified == (on ? 3U : 0U));
  CHECK(stats.missed == (on ? 3U : 0U));
  CHECK((stats.rows_saved > 600) == on);
}
