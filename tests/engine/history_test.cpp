// Histories of real threads, checked afterwards. Seeded programs commit, take snapshots and look
// things up; each step notes when it began and ended on one counter, and what it saw. Then:
//
//   commits are linearizable     their numbers are distinct and follow real time
//   snapshots follow real time   none is older than a commit that had ended, or than a snapshot
//                                that had ended, when it began; none knows a commit begun later
//   a snapshot is a prefix       what it showed is what the commits up to its number made
//   its parts agree              keys, session lines, edges, registers and vectors all say so
//   own writes are seen at once  the snapshot a writer takes next holds its commit
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

constexpr std::uint32_t kDimension = 8;
constexpr std::size_t kRegisters = 4;  // keys that all writers write
constexpr int kWriters = 3;
constexpr int kReaders = 2;

// When a step began and ended, on the history's counter.
struct Span {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// A writer's commit: one event on its own session line, linked to the hub, and one register set.
struct Committed {
  Span span;
  int writer = 0;
  std::uint64_t number = 0;  // of its writer
  std::size_t reg = 0;       // the register it set, to "writer-number"
  CommitNumber commit = 0;
  MemoryId event = 0;
};

// What one snapshot said.
struct Seen {
  Span span;
  int by_writer = -1;    // the writer that took it right after its own commit
  CommitNumber own = 0;  // that commit
  CommitNumber commit = 0;
  std::vector<std::string> registers;  // by register; empty: absent
  std::vector<std::uint64_t> lines;    // events on each writer's line
  std::uint64_t edges = 0;             // from the hub
  std::uint64_t rows = 0;              // memories that a recall of everything found
  bool exact = true;
  bool looked_up = false;  // one key of an event: which, and was it there?
  int key_writer = 0;
  std::uint64_t key_number = 0;
  bool key_found = false;
  bool failed = false;
};

struct History {
  explicit History(Palace& opened) : palace(opened) {}
  Palace& palace;
  MemoryId hub = 0;
  std::atomic<std::uint64_t> counter{1};
  std::atomic<int> writing{kWriters};
  std::atomic<std::uint64_t> newest[kWriters] = {};
  std::mutex mutex;  // of the two
  std::vector<Committed> commits;
  std::vector<Seen> seen;
  std::atomic<std::uint64_t> failures{0};

  std::uint64_t now() { return counter.fetch_add(1); }
};

std::string value_of(int writer, std::uint64_t number) {
  return fmt::format("{}-{}", writer, number);
}
std::string register_key(std::size_t reg) { return fmt::format("register {}", reg); }
std::string event_key(int writer, std::uint64_t number) {
  return fmt::format("event {}-{}", writer, number);
}
std::string line_of(int writer) { return fmt::format("line {}", writer); }

std::uint64_t commits_a_writer() {
  const char* const asked = std::getenv("AEON_HISTORY");
  return asked == nullptr ? 400 : std::strtoull(asked, nullptr, 10);
}

NewVector some_vector(std::mt19937_64& random) {
  NewVector vector{"v", std::vector<float>(kDimension), ""};
  for (float& value : vector.values) value = static_cast<float>(random() % 200) - 99.5F;
  return vector;
}

Batch batch_of(const Committed& committed, MemoryId hub, std::mt19937_64& random) {
  Batch batch;
  NewMemory event;
  event.key = event_key(committed.writer, committed.number);
  event.session = line_of(committed.writer);
  event.content = event.key;
  event.vectors.push_back(some_vector(random));
  const MemoryRef ref = batch.remember(std::move(event));
  NewMemory value;
  value.key = register_key(committed.reg);
  value.content = value_of(committed.writer, committed.number);
  batch.remember(std::move(value));
  batch.link({.from = MemoryRef::of(hub), .to = ref, .type = "made"});
  return batch;
}

void look_at_registers(const Snapshot& snapshot, Seen& seen) {
  Memory memory;
  for (std::size_t reg = 0; reg < kRegisters; ++reg) {
    const auto id = snapshot.find_key("", register_key(reg));
    if (id && !snapshot.get(*id, memory)) seen.failed = true;
    seen.registers.push_back(id ? memory.content : "");
  }
}

// What a snapshot says by each of its indexes.
void look(const History& history, const Snapshot& snapshot, std::mt19937_64& random, Seen& seen) {
  seen.commit = snapshot.commit();
  look_at_registers(snapshot, seen);
  std::vector<Event> events;
  for (int writer = 0; writer < kWriters; ++writer) {
    const Status listed =
        snapshot.timeline("", line_of(writer), kBeginningOfTime, kEndOfTime, 1'000'000, events);
    seen.failed = seen.failed || !listed;
    seen.lines.push_back(events.size());
  }
  std::vector<Edge> edges;
  if (!snapshot.neighbours(history.hub, Direction::out, "made", 1'000'000, edges)) {
    seen.failed = true;
  }
  seen.edges = edges.size();
  const std::vector<float> asked(kDimension, 1);
  Query query;
  query.space = "v";
  query.vector = asked;
  query.k = kMaxK;
  query.target_recall = 1;
  Answer answer;
  if (!snapshot.recall(query, answer) || answer.commit != seen.commit) seen.failed = true;
  seen.rows = answer.hits.size();
  seen.exact = answer.exact;
  seen.key_writer = static_cast<int>(random() % kWriters);
  const std::uint64_t newest = history.newest[seen.key_writer].load();
  seen.key_number = newest + 2 - random() % std::min<std::uint64_t>(newest + 2, 6);
  seen.looked_up = seen.key_number > 0;
  seen.key_found = snapshot.find_key("", event_key(seen.key_writer, seen.key_number)).has_value();
}

void run_writer(History& history, int writer, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Committed> commits;
  std::vector<Seen> all_seen;
  for (std::uint64_t number = 1; number <= commits_a_writer(); ++number) {
    Committed committed{{}, writer, number, random() % kRegisters, 0, 0};
    Batch batch = batch_of(committed, history.hub, random);
    const Durability level = random() % 8 == 0 ? Durability::sync : Durability::process;
    committed.span.begin = history.now();
    const auto ack = history.palace.commit(std::move(batch), level);
    committed.span.end = history.now();
    if (!ack) {
      history.failures.fetch_add(1);
      continue;
    }
    committed.commit = ack->commit;
    committed.event = ack->ids[0];
    history.newest[writer].store(number);
    commits.push_back(committed);
    if (random() % 8 != 0) continue;
    Seen seen;
    seen.by_writer = writer;
    seen.own = ack->commit;
    seen.span.begin = history.now();
    const Snapshot snapshot = history.palace.snapshot();
    seen.span.end = history.now();
    look(history, snapshot, random, seen);
    all_seen.push_back(std::move(seen));
  }
  history.writing.fetch_sub(1);
  const std::lock_guard lock(history.mutex);
  history.commits.insert(history.commits.end(), commits.begin(), commits.end());
  history.seen.insert(history.seen.end(), all_seen.begin(), all_seen.end());
}

void run_reader(History& history, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Seen> all_seen;
  while (history.writing.load() > 0) {
    Seen seen;
    seen.span.begin = history.now();
    const Snapshot snapshot = history.palace.snapshot();
    seen.span.end = history.now();
    // Held for a while now and then: it must say the same later.
    if (random() % 4 == 0) std::this_thread::yield();
    look(history, snapshot, random, seen);
    all_seen.push_back(std::move(seen));
  }
  const std::lock_guard lock(history.mutex);
  history.seen.insert(history.seen.end(), all_seen.begin(), all_seen.end());
}

void keep_up(History& history, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  while (history.writing.load() > 0) {
    const Status done = random() % 8 == 0 ? history.palace.compact() : history.palace.checkpoint();
    if (!done) history.failures.fetch_add(1);
  }
}

// Whether `later` may not be below what had ended before it began. Steps of (time span, number):
// every one that ended before another began has a number that is lower (or not higher).
struct Step {
  Span span;
  CommitNumber number;
};
bool follow_real_time(std::vector<Step> before, std::vector<Step> after, bool strictly) {
  std::ranges::sort(before, {}, [](const Step& step) { return step.span.end; });
  std::ranges::sort(after, {}, [](const Step& step) { return step.span.begin; });
  CommitNumber highest = 0;
  std::size_t ended = 0;
  for (const Step& step : after) {
    for (; ended < before.size() && before[ended].span.end < step.span.begin; ++ended) {
      highest = std::max(highest, before[ended].number);
    }
    if (highest > step.number || (strictly && highest == step.number && highest != 0)) return false;
  }
  return true;
}

// What the commits up to a number made.
struct State {
  std::vector<std::string> registers = std::vector<std::string>(kRegisters);
  std::vector<std::uint64_t> lines = std::vector<std::uint64_t>(kWriters);
  std::uint64_t events = 0;

  void apply(const Committed& committed) {
    registers[committed.reg] = value_of(committed.writer, committed.number);
    ++lines[static_cast<std::size_t>(committed.writer)];
    ++events;
  }
};

// Empty when the snapshot is that state in all its parts.
std::string difference(const State& state, const Seen& seen) {
  if (seen.failed) return "a read failed";
  if (seen.registers != state.registers) return "registers";
  if (seen.lines != state.lines) return "session lines";
  if (seen.edges != state.events) return "edges";
  if (seen.rows != std::min<std::uint64_t>(state.events, kMaxK) || !seen.exact) return "vectors";
  if (seen.looked_up) {
    const auto writer = static_cast<std::size_t>(seen.key_writer);
    if (seen.key_found != (seen.key_number <= state.lines[writer])) return "a key";
  }
  return seen.commit < seen.own ? "an own write is missing" : "";
}

std::string first_difference(const std::vector<Committed>& commits, std::vector<Seen>& all) {
  std::ranges::sort(all, {}, &Seen::commit);
  State state;
  std::size_t applied = 0;
  for (const Seen& seen : all) {
    for (; applied < commits.size() && commits[applied].commit <= seen.commit; ++applied) {
      state.apply(commits[applied]);
    }
    const std::string found = difference(state, seen);
    if (!found.empty()) return fmt::format("a snapshot of commit {}: {}", seen.commit, found);
  }
  return "";
}

// Empty when the history holds together.
std::string check(History& history) {
  auto& commits = history.commits;
  std::ranges::sort(commits, {}, &Committed::commit);
  if (std::ranges::adjacent_find(commits, {}, &Committed::commit) != commits.end()) {
    return "two commits have one number";
  }
  std::vector<Step> writes;
  for (const Committed& committed : commits) writes.push_back({committed.span, committed.commit});
  std::vector<Step> reads;
  for (const Seen& seen : history.seen) reads.push_back({seen.span, seen.commit});
  if (!follow_real_time(writes, writes, true)) return "commits are out of real time";
  if (!follow_real_time(writes, reads, false)) return "a snapshot lacks a commit that had ended";
  if (!follow_real_time(reads, reads, false)) return "a snapshot is older than one before it";
  if (!follow_real_time(reads, writes, true)) return "a snapshot knew a commit of its future";
  return first_difference(commits, history.seen);
}

void run_history(std::uint64_t seed) {
  const test::TempDirectory scratch;
  auto palace = Palace::create(scratch.path() + "/palace",
                               {{.name = "v", .dimension = kDimension, .model = ""}});
  REQUIRE(palace.has_value());
  History history(*palace);
  Batch first;
  NewMemory hub;
  hub.content = "hub";
  first.remember(std::move(hub));
  history.hub = palace->commit(std::move(first)).value().ids[0];
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      run_writer(history, writer, seed * 16 + static_cast<std::uint64_t>(writer));
    });
  }
  for (int reader = 0; reader < kReaders; ++reader) {
    threads.emplace_back(
        [&, reader] { run_reader(history, seed * 16 + 8 + static_cast<std::uint64_t>(reader)); });
  }
  threads.emplace_back([&] { keep_up(history, seed * 16 + 15); });
  for (std::thread& thread : threads) thread.join();
  INFO("seed " << seed);
  CHECK(history.failures.load() == 0);
  CHECK(check(history) == "");
  fmt::print("seed {}: {} commits, {} snapshots\n", seed, history.commits.size(),
             history.seen.size());
  // The checker itself: a history with two answers exchanged must not pass.
  REQUIRE(history.seen.size() > 2);
  std::swap(history.seen.front().registers, history.seen.back().registers);
  CHECK_FALSE(check(history).empty());
}

}  // namespace

TEST_CASE("the checker tells steps that are out of real time") {
  CHECK(follow_real_time({{{1, 2}, 5}}, {{{3, 4}, 6}}, true));
  CHECK_FALSE(follow_real_time({{{1, 2}, 5}}, {{{3, 4}, 5}}, true));
  CHECK_FALSE(follow_real_time({{{1, 2}, 7}}, {{{3, 4}, 6}}, false));
  CHECK(follow_real_time({{{1, 5}, 7}}, {{{3, 4}, 6}}, false));  // they overlap
}

TEST_CASE("histories of commits, snapshots, lookups and recalls hold together") {
  const std::uint64_t seed = std::random_device{}() % 1'000'000;
  for (const std::uint64_t each : {std::uint64_t{1}, seed}) run_history(each);
}
