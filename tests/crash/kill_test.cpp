// Real processes on a real file system, killed at random moments. Each writer notes a memory in a
// side file only after the palace acknowledged it; whatever is noted must be there for ever, once.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

OpenOptions quiet() {
  OpenOptions options;
  options.background = false;
  return options;
}

std::string key_of(int writer, std::uint64_t number) {
  return fmt::format("w{}-{}", writer, number);
}
std::string content_of(int writer, std::uint64_t number) {
  return fmt::format("what writer {} said as number {}: {}", writer, number,
                     std::string(number % 300, 'x'));
}

// A writer's process: commits pairs of memories, linked, from `next` on until it is killed or has
// `last`; notes "id number" for both once they are acknowledged. Exits with 0 when done.
[[noreturn]] void write_pairs(const std::string& directory, const std::string& notes, int writer,
                              std::uint64_t next, std::uint64_t last, std::uint64_t seed) {
  const int side = ::open(notes.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  auto palace = Palace::open(directory);
  if (side < 0 || !palace) {
    fmt::print(stderr, "writer {}: {}\n", writer, palace ? "no notes" : palace.error().message);
    ::_exit(3);
  }
  std::mt19937_64 random(seed);
  while (next <= last) {
    Batch batch;
    for (std::uint64_t number = next; number < next + 2; ++number) {
      NewMemory memory;
      memory.key = key_of(writer, number);
      memory.mode = PutMode::if_absent;
      memory.session = fmt::format("writer {}", writer);
      memory.content = content_of(writer, number);
      batch.remember(std::move(memory));
    }
    batch.link({.from = {0, 0}, .to = {0, 1}, .type = "pair"});
    const auto ack = palace->commit(std::move(batch),
                                    random() % 4 == 0 ? Durability::sync : Durability::process);
    // A kill between acknowledgement and note leaves a pair that is there and not noted.
    const bool there = !ack && ack.error().code == Errc::key_exists;
    if (!ack && !there) {
      fmt::print(stderr, "writer {}: {}\n", writer, ack.error().message);
      ::_exit(4);
    }
    if (ack) {
      const std::string line =
          fmt::format("{} {}\n{} {}\n", ack->ids[0], next, ack->ids[1], next + 1);
      if (::write(side, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(5);
    }
    next += 2;
    if (random() % 50 == 0) (void)palace->checkpoint();
  }
  ::_exit(palace->close() ? 0 : 6);
}

// What a writer has noted: number -> id. A line that the kill cut off does not count.
std::map<std::uint64_t, MemoryId> noted(const std::string& notes) {
  std::map<std::uint64_t, MemoryId> ids;
  std::ifstream in(notes);
  for (std::string line; std::getline(in, line) && !in.eof();) {
    MemoryId id = 0;
    std::uint64_t number = 0;
    if (std::sscanf(line.c_str(), "%lu %lu", &id, &number) == 2) ids[number] = id;
  }
  return ids;
}

// Every noted memory is there with its content; pairs are whole; keys lead to one memory each.
std::uint64_t check_writer(const Snapshot& snapshot, int writer,
                           const std::map<std::uint64_t, MemoryId>& ids) {
  Memory memory;
  for (const auto& [number, id] : ids) {
    CAPTURE(writer, number, id);
    const Status got = snapshot.get(id, memory);
    INFO((got ? std::string() : got.error().message));
    REQUIRE(got.has_value());
    REQUIRE(memory.key == key_of(writer, number));
    REQUIRE(memory.content == content_of(writer, number));
    REQUIRE(snapshot.find_key("", memory.key).value() == id);
  }
  return ids.empty() ? 0 : ids.rbegin()->first;
}

// All memories are halves of whole pairs, none doubled.
void check_pairs(const Snapshot& snapshot, int writers) {
  std::vector<MemoryId> ids;
  REQUIRE(snapshot.list(0, SIZE_MAX, ids).has_value());
  std::map<std::string, int> seen;
  Memory memory;
  std::vector<Edge> edges;
  for (const MemoryId id : ids) {
    REQUIRE(snapshot.get(id, memory).has_value());
    REQUIRE(++seen[memory.key] == 1);
    REQUIRE(snapshot.neighbours(id, Direction::out, "pair", 10, edges).has_value());
    const std::size_t out = edges.size();
    REQUIRE(snapshot.neighbours(id, Direction::in, "pair", 10, edges).has_value());
    REQUIRE(out + edges.size() == 1);
  }
  for (int writer = 0; writer < writers; ++writer) {
    std::vector<Event> events;
    REQUIRE(snapshot
                .timeline("", fmt::format("writer {}", writer), kBeginningOfTime, kEndOfTime,
                          SIZE_MAX, events)
                .has_value());
    REQUIRE(events.size() % 2 == 0);
  }
}

void check_verify(const Palace& palace) {
  const auto report = palace.verify();
  REQUIRE(report.has_value());
  for (const Damage& damage : report->damage) UNSCOPED_INFO(damage.file << ": " << damage.what);
  REQUIRE(report->damage.empty());
}

pid_t start(const std::string& directory, const std::string& notes, int writer, std::uint64_t next,
            std::uint64_t last, std::uint64_t seed) {
  const pid_t child = ::fork();
  if (child == 0) write_pairs(directory, notes, writer, next, last, seed);
  REQUIRE(child > 0);
  return child;
}

void sleep_us(std::uint64_t us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }

}  // namespace

TEST_CASE("a writer killed at random moments loses nothing that it was promised") {
  const std::uint64_t seed = setting("AEON_KILL_SEED", 1);
  const std::uint64_t rounds = setting("AEON_KILL_ROUNDS", 200);
  CAPTURE(seed);
  const test::TempDirectory scratch;
  const std::string directory = scratch.path() + "/palace";
  const std::string notes = scratch.path() + "/notes";
  REQUIRE(Palace::create(directory, {}, quiet()).has_value());
  std::mt19937_64 random(seed);
  std::uint64_t next = 1;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    const pid_t child = start(directory, notes, 0, next, UINT64_MAX / 2, random());
    sleep_us(500 + random() % 12'000);
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CAPTURE(status);
    REQUIRE(WIFSIGNALED(status));  // it did not end by itself
    auto palace = Palace::open(directory, quiet());
    REQUIRE(palace.has_value());
    const Snapshot snapshot = palace->snapshot();
    const std::uint64_t last = check_writer(snapshot, 0, noted(notes));
    next = last / 2 * 2 + 1;
    if (round % 20 == 19) {
      check_pairs(snapshot, 1);
      check_verify(*palace);
    }
  }
  WARN(rounds << " kills, " << noted(notes).size() << " acknowledged memories, all there; again "
              << "with AEON_KILL_SEED=" << seed << " AEON_KILL_ROUNDS=" << rounds);
}

TEST_CASE("two writers share a palace under random kills, nothing lost or doubled") {
  const std::uint64_t seed = setting("AEON_KILL_SEED", 1);
  CAPTURE(seed);
  constexpr std::uint64_t kLast = 400;  // 200 commits of two memories each
  const test::TempDirectory scratch;
  const std::string directory = scratch.path() + "/palace";
  REQUIRE(Palace::create(directory, {}, quiet()).has_value());
  std::mt19937_64 random(seed);
  struct Writer {
    std::string notes;
    pid_t process = 0;
    bool done = false;
    std::uint64_t starts = 0;
  };
  Writer writers[2] = {{scratch.path() + "/notes0"}, {scratch.path() + "/notes1"}};
  // Opened before the writers: it follows them all the way.
  auto follower = Palace::open(directory, quiet());
  REQUIRE(follower.has_value());
  const auto first_unnoted = [](const Writer& writer) {
    const auto ids = noted(writer.notes);
    return ids.empty() ? 1 : ids.rbegin()->first / 2 * 2 + 1;
  };
  while (!writers[0].done || !writers[1].done) {
    for (int i = 0; i < 2; ++i) {
      Writer& writer = writers[i];
      if (writer.done) continue;
      if (writer.process == 0) {
        writer.process = start(directory, writer.notes, i, first_unnoted(writer), kLast, random());
        ++writer.starts;
      }
      int status = 0;
      // Late starts are left alone, so that the test ends.
      if (random() % 3 == 0 && writer.starts < 40) ::kill(writer.process, SIGKILL);
      sleep_us(random() % 15'000);
      if (::waitpid(writer.process, &status, WNOHANG) != writer.process) continue;
      writer.process = 0;
      if (WIFEXITED(status)) {
        REQUIRE(WEXITSTATUS(status) == 0);
        writer.done = true;
      }
    }
    const auto before = noted(writers[0].notes);  // the writer goes on after the snapshot
    const auto snapshot = follower->fresh_snapshot();
    REQUIRE(snapshot.has_value());
    check_writer(*snapshot, 0, before);
  }
  const auto followed = follower->fresh_snapshot();
  REQUIRE(followed.has_value());
  auto palace = Palace::open(directory, quiet());
  REQUIRE(palace.has_value());
  const Snapshot snapshot = palace->snapshot();
  CHECK(snapshot.commit() == followed->commit());
  CHECK(snapshot.state_hash().value() == followed->state_hash().value());
  for (int i = 0; i < 2; ++i) {
    check_writer(snapshot, i, noted(writers[i].notes));
    for (std::uint64_t number = 1; number <= kLast; ++number) {
      REQUIRE(snapshot.find_key("", key_of(i, number)).has_value());
    }
  }
  check_pairs(snapshot, 2);
  std::vector<MemoryId> ids;
  REQUIRE(snapshot.list(0, SIZE_MAX, ids).has_value());
  CHECK(ids.size() == 2 * kLast);
  check_verify(*palace);
  WARN(writers[0].starts + writers[1].starts << " writers started, seed " << seed);
}
