// Space comes back: what ended is dropped by merges as the history policy says, rows that are left
// stay within reach, and the past is told from what is too old to tell.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/vector_source.hpp"

using namespace aeon;
using test::Layout;
using test::VectorSource;

namespace {

constexpr std::uint32_t kDimension = 128;

OpenOptions quiet() {
  OpenOptions options;
  options.background = false;
  return options;
}

// Bytes of segments and blob files.
std::uint64_t settled_bytes(const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("seg-") || name.starts_with("blob-")) bytes += entry.file_size();
  }
  return bytes;
}

std::string text_of(std::size_t i, int revision) {
  std::mt19937_64 random(i * 1000 + static_cast<std::uint64_t>(revision));
  std::string text = fmt::format("memory {} as of revision {}:", i, revision);
  while (text.size() < 300) text += fmt::format(" {:x}", random());
  return text;
}

// Memories 0..count-1 under keys, each with a vector, text and a place in a session.
class Store {
 public:
  Store(std::string directory, OpenOptions options, Layout layout = Layout::clustered)
      : directory_(std::move(directory)),
        source_(layout, kDimension, 7),
        palace_(
            Palace::create(directory_, {{.name = "v", .dimension = kDimension}}, options).value()) {
  }

  void history(TimeNs keep) {
    Batch batch;
    batch.set_history(keep);
    commit(std::move(batch));
  }

  void write(std::size_t first, std::size_t last, int revision) {
    for (std::size_t i = first; i < last;) {
      Batch batch;
      for (; i < last && batch.operations().size() < 500; ++i) {
        NewMemory memory;
        memory.key = fmt::format("key {}", i);
        memory.session = fmt::format("session {}", i % 7);
        memory.content = text_of(i, revision);
        memory.embed = false;
        memory.vectors.push_back({"v", source_.next(), ""});
        batch.remember(std::move(memory));
      }
      commit(std::move(batch));
    }
  }

  void forget(const std::vector<std::size_t>& which) {
    const Snapshot snapshot = palace_.snapshot();
    Batch batch;
    for (const std::size_t i : which) {
      batch.forget(snapshot.find_key("", fmt::format("key {}", i)).value());
      if (batch.operations().size() == 500) commit(std::move(batch)), batch = {};
    }
    if (!batch.empty()) commit(std::move(batch));
  }

  void commit(Batch batch) {
    const auto ack = palace_.commit(std::move(batch), Durability::process);
    INFO((ack ? std::string() : ack.error().message));
    REQUIRE(ack.has_value());
  }

  void require_sound() {
    const auto report = palace_.verify();
    REQUIRE(report.has_value());
    for (const Damage& damage : report->damage) FAIL(damage.file << ": " << damage.what);
  }

  Palace& palace() { return palace_; }
  VectorSource& source() { return source_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
  VectorSource source_;
  Palace palace_;
};

double recall_of(const Snapshot& snapshot, VectorSource& source, int queries) {
  double found = 0;
  Answer exact;
  Answer answer;
  for (int i = 0; i < queries; ++i) {
    const std::vector<float> vector = source.next();
    Query query;
    query.space = "v";
    query.vector = vector;
    query.target_recall = 1;
    REQUIRE(snapshot.recall(query, exact).has_value());
    query.target_recall = 0.98F;
    REQUIRE(snapshot.recall(query, answer).has_value());
    REQUIRE(answer.hits.size() == 10);
    for (const Hit& hit : answer.hits) found += hit.score >= exact.hits.back().score ? 0.1 : 0;
  }
  return found / queries;
}

std::vector<std::size_t> some_of(std::size_t count, double share, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::bernoulli_distribution chosen(share);
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < count; ++i) {
    if (chosen(random)) which.push_back(i);
  }
  return which;
}

}  // namespace

TEST_CASE("after most rows were forgotten the files are small and the rest is found") {
  const Layout layout = GENERATE(Layout::clustered, Layout::by_topic, Layout::copies);
  const double share = GENERATE(0.5, 0.9);
  CAPTURE(static_cast<int>(layout), share);
  const char* rows = std::getenv("AEON_RECLAIM_ROWS");
  const std::size_t count = rows == nullptr ? 12'000 : std::strtoull(rows, nullptr, 10);
  const test::TempDirectory scratch;
  Store store(scratch / "palace", quiet(), layout);
  store.history(0);
  store.write(0, count, 0);
  REQUIRE(store.palace().compact().has_value());
  const std::uint64_t before = settled_bytes(store.directory());
  const auto gone = some_of(count, share, 3);
  store.forget(gone);
  REQUIRE(store.palace().compact().has_value());
  store.require_sound();
  const double left = 1 - static_cast<double>(gone.size()) / static_cast<double>(count);
  CHECK(static_cast<double>(settled_bytes(store.directory())) <
        1.2 * left * static_cast<double>(before));
  CHECK(recall_of(store.palace().snapshot(), store.source(), 200) > 0.96);
  CHECK(store.palace().stats()->ended_versions == 0);
  // And again, until little is left.
  std::vector<std::size_t> rest;
  for (std::size_t i = 0, g = 0; i < count; ++i) {
    if (g < gone.size() && gone[g] == i) {
      ++g;
    } else {
      rest.push_back(i);
    }
  }
  std::vector<std::size_t> more;
  for (const std::size_t at : some_of(rest.size(), share, 4)) more.push_back(rest[at]);
  store.forget(more);
  store.write(count, count + 2000, 0);
  REQUIRE(store.palace().compact().has_value());
  store.require_sound();
  CHECK(recall_of(store.palace().snapshot(), store.source(), 200) > 0.96);
}

TEST_CASE("what was overwritten ten times takes the space of once, without being asked for") {
  constexpr std::size_t kCount = 1500;
  const test::TempDirectory scratch;
  std::uint64_t once = 0;
  {
    Store store(scratch / "once", quiet());
    store.write(0, kCount, 0);
    REQUIRE(store.palace().compact().has_value());
    once = settled_bytes(store.directory());
  }
  OpenOptions options;
  options.checkpoint_bytes = 1 << 20;
  Store store(scratch / "palace", options);
  // Told late, when the palace's threads have found nothing to do.
  store.write(0, kCount, 0);
  REQUIRE(store.palace().checkpoint().has_value());
  store.history(0);
  for (int revision = 1; revision < 10; ++revision) store.write(0, kCount, revision);
  // The palace's own threads do it; this only waits for them.
  std::uint64_t bytes = 0;
  for (int i = 0; i < 3000; ++i) {
    bytes = settled_bytes(store.directory());
    if (bytes != 0 && bytes <= once + once / 2 && store.palace().stats()->ended_versions < kCount) {
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CAPTURE(once, bytes, store.palace().stats()->ended_versions);
  CHECK(bytes <= once + once / 2);
  store.require_sound();
  Memory memory;
  const Snapshot snapshot = store.palace().snapshot();
  for (std::size_t i = 0; i < kCount; i += 97) {
    const MemoryId id = snapshot.find_key("", fmt::format("key {}", i)).value();
    REQUIRE(snapshot.get(id, memory).has_value());
    CHECK(memory.content == text_of(i, 9));
  }
}

TEST_CASE("history is kept as long as the palace says, and snapshots keep what they hold") {
  const test::TempDirectory scratch;
  Store store(scratch / "palace", quiet());
  store.write(0, 300, 0);
  const Snapshot held = store.palace().snapshot();
  const CommitNumber old = held.commit();
  store.write(0, 300, 1);
  store.forget({5});
  // 30 days are the default.
  REQUIRE(store.palace().compact().has_value());
  const MemoryId first = held.find_key("", "key 0").value();
  const MemoryId forgotten = held.find_key("", "key 5").value();
  Memory memory;
  {
    const auto past = store.palace().snapshot_at(old);
    REQUIRE(past.has_value());
    REQUIRE(past->get(forgotten, memory).has_value());
    CHECK(memory.content == text_of(5, 0));
  }
  store.history(0);
  REQUIRE(store.palace().compact().has_value());
  const auto past = store.palace().snapshot_at(old);
  REQUIRE_FALSE(past.has_value());
  CHECK(past.error().code == Errc::too_old);
  CHECK(store.palace().stats()->oldest_readable > old);
  // The one that was open still says what it said.
  REQUIRE(held.get(first, memory).has_value());
  CHECK(memory.content == text_of(0, 0));
  REQUIRE(held.get(forgotten, memory).has_value());
  REQUIRE(store.palace().snapshot().get(first, memory).has_value());
  CHECK(memory.content == text_of(0, 1));
  CHECK(store.palace().snapshot().get(forgotten, memory).error().code == Errc::unknown_id);
  store.require_sound();
}

TEST_CASE("a line closes up where an event is forgotten") {
  const test::TempDirectory scratch;
  Store store(scratch / "palace", quiet());
  store.history(0);
  store.write(0, 70, 0);  // ten events in each of seven sessions
  const Snapshot before = store.palace().snapshot();
  const auto id = [&](std::size_t i) {
    return before.find_key("", fmt::format("key {}", i)).value();
  };
  store.forget({7, 14, 63, 0});  // of session 0: 0 7 14 21 ... 56 63
  const auto check = [&] {
    const Snapshot now = store.palace().snapshot();
    std::vector<Event> events;
    REQUIRE(now.backtrack(id(35), 10, events).has_value());
    REQUIRE(events.size() == 2);
    CHECK(events[0].id == id(28));
    CHECK(events[1].id == id(21));
    REQUIRE(now.follow(id(49), 10, events).has_value());
    REQUIRE(events.size() == 1);
    CHECK(events[0].id == id(56));
    std::vector<Edge> edges;
    REQUIRE(now.neighbours(id(21), Direction::in, "next", 10, edges).has_value());
    CHECK(edges.empty());
  };
  check();
  REQUIRE(store.palace().compact().has_value());
  check();
  store.write(70, 71, 0);  // goes behind what is the newest now
  const Snapshot now = store.palace().snapshot();
  std::vector<Event> events;
  REQUIRE(now.follow(id(56), 10, events).has_value());
  REQUIRE(events.size() == 1);
  CHECK(events[0].id == now.find_key("", "key 70").value());
  store.require_sound();
}

TEST_CASE("a line closes up by its own edges, whatever else is linked to it") {
  const test::TempDirectory scratch;
  Store store(scratch / "palace", quiet());
  Palace& palace = store.palace();
  const auto remember = [&palace](const std::string& session) {
    NewMemory memory;
    memory.session = session;
    memory.content = "an event";
    memory.embed = false;
    Batch batch;
    batch.remember(std::move(memory));
    return palace.commit(std::move(batch), Durability::process).value().ids.front();
  };
  const MemoryId other = remember("another session");
  std::vector<MemoryId> line;
  for (int i = 0; i < 4; ++i) line.push_back(remember("this one"));
  const MemoryId later = remember("another session");
  Batch link;
  link.link({.from = {other}, .to = {line[1]}, .type = "next"});
  link.link({.from = {other}, .to = {line[3]}, .type = "next"});
  link.link({.from = {line[1]}, .to = {later}, .type = "next"});
  store.commit(std::move(link));
  Batch forget;
  forget.forget(line[1]);
  forget.forget(line[3]);
  store.commit(std::move(forget));
  line.push_back(remember("this one"));
  const Snapshot now = palace.snapshot();
  std::vector<Event> events;
  REQUIRE(now.follow(line[0], 10, events).has_value());
  REQUIRE(events.size() == 2);
  CHECK(events[0].id == line[2]);
  CHECK(events[1].id == line[4]);
  REQUIRE(now.follow(other, 10, events).has_value());
  REQUIRE(events.size() == 1);
  CHECK(events[0].id == later);
}

TEST_CASE("a payload stored ahead goes with its memory and belongs to one only") {
  const test::TempDirectory scratch;
  Store store(scratch / "palace", quiet());
  store.history(0);
  const std::string content(1 << 20, 'p');
  const auto payload = store.palace().store_payload(ContentType::text, content);
  REQUIRE(payload.has_value());
  NewMemory memory;
  memory.payload = *payload;
  memory.embed = false;
  Batch batch;
  batch.remember(memory);
  const auto ack = store.palace().commit(batch, Durability::process);
  REQUIRE(ack.has_value());
  const auto again = store.palace().commit(batch, Durability::process);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == Errc::invalid_argument);
  REQUIRE(store.palace().compact().has_value());
  CHECK(settled_bytes(store.directory()) > content.size());
  Batch forget;
  forget.forget(ack->ids[0]);
  store.commit(std::move(forget));
  REQUIRE(store.palace().compact().has_value());
  CHECK(settled_bytes(store.directory()) < content.size());
  const auto late = store.palace().commit(batch, Durability::process);
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().code == Errc::invalid_argument);
  store.require_sound();
}

TEST_CASE("a payload that no commit named is gone after the next opening") {
  const test::TempDirectory scratch;
  const std::string content(1 << 20, 'p');
  MemoryId named = 0;
  {
    Store store(scratch / "palace", quiet());
    NewMemory memory;
    memory.payload = store.palace().store_payload(ContentType::bytes, content).value();
    memory.content_type = ContentType::bytes;
    Batch batch;
    batch.remember(memory);
    named = store.palace().commit(std::move(batch), Durability::process)->ids[0];
    REQUIRE(store.palace().store_payload(ContentType::bytes, content).has_value());
    CHECK(settled_bytes(store.directory()) > 2 * content.size());
    // Not while somebody has the palace open who may name it.
    const Palace other = Palace::open(store.directory(), quiet()).value();
    CHECK(settled_bytes(store.directory()) > 2 * content.size());
  }
  Palace palace = Palace::open(scratch / "palace", quiet()).value();
  CHECK(settled_bytes(scratch / "palace") < 2 * content.size());
  Memory memory;
  REQUIRE(palace.snapshot().get(named, memory).has_value());
  CHECK(memory.content == content);
  const auto report = palace.verify();
  REQUIRE(report.has_value());
  CHECK(report->damage.empty());
}

TEST_CASE("a host that does upkeep itself gets everything done that is due") {
  const test::TempDirectory scratch;
  OpenOptions options = quiet();
  options.checkpoint_bytes = 1 << 20;
  Store store(scratch / "palace", options);
  store.history(0);
  for (int revision = 0; revision < 6; ++revision) store.write(0, 1500, revision);
  const auto more = store.palace().maintain(std::chrono::nanoseconds(0));
  REQUIRE(more.has_value());
  CHECK(*more);
  for (int step = 0;; ++step) {
    const auto left = store.palace().maintain(std::chrono::nanoseconds(0));
    REQUIRE(left.has_value());
    if (!*left) break;
    REQUIRE(step < 100);
  }
  CHECK(store.palace().stats()->ended_versions * 4 < 1500 * 4 / 3 + 4);
  CHECK_FALSE(store.palace().maintain(std::chrono::hours(1)).value());
  store.require_sound();
  OpenOptions looking;
  looking.read_only = true;
  looking.background = false;
  Palace reader = Palace::open(store.directory(), looking).value();
  CHECK(reader.maintain(std::chrono::hours(1)).error().code == Errc::read_only);
}
