// A writer that adds, links, revises, forgets, checkpoints and compacts, killed at random moments
// again and again over one palace. After each kill the palace must show exactly some prefix of what
// the writer did, and that prefix holds all that was acknowledged.
#include <signal.h>

#include <catch2/catch.hpp>

#include <chrono>
#include <random>
#include <thread>

#include "engine/palace.hpp"
#include "tests/crash/history.hpp"
#include "tests/crash/history_check.hpp"
#include "tests/crash/notes.hpp"
#include "tests/crash/process.hpp"
#include "tests/crash/settings.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using test::History;
using test::Notes;

namespace {

// Longer than any start of a process, however slow the build: a test that waits so long has failed.
constexpr std::chrono::seconds kTooLong{60};

OpenOptions quiet(bool read_only) {
  OpenOptions options;
  options.read_only = read_only;
  options.background = false;
  return options;
}

void sleep_us(std::uint64_t us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }

// Lets the writer live for a while: in one round of three from its very start, so that recovery is
// hit too, else from its first intent on.
void let_live(test::Process& writer, Notes& notes, std::mt19937_64& random) {
  const std::uint64_t before = notes.intended();
  if (random() % 3 != 0) {
    const auto deadline = std::chrono::steady_clock::now() + kTooLong;
    while (notes.intended() == before && !writer.ended()) {
      if (std::chrono::steady_clock::now() > deadline) FAIL("the writer does not begin");
      sleep_us(100);
      notes.refresh();
    }
  }
  sleep_us(random() % 15'000);
}

void check_verify(const Palace& palace) {
  const auto report = palace.verify();
  REQUIRE(report.has_value());
  for (const Damage& damage : report->damage) UNSCOPED_INFO(damage.file << ": " << damage.what);
  REQUIRE(report->damage.empty());
  REQUIRE(report->commits == palace.snapshot().commit());
}

void check_round(const std::string& directory, History& history, Notes& notes, bool read_only) {
  auto palace = Palace::open(directory, quiet(read_only));
  if (!palace) FAIL(palace.error().message);
  const Snapshot snapshot = palace->snapshot();
  const auto done = History::done_in(snapshot, history.writer());
  if (!done) FAIL(done.error().message);
  CAPTURE(*done, notes.kept(), notes.intended(), snapshot.commit());
  REQUIRE(*done >= notes.kept());
  REQUIRE(*done <= notes.intended());
  REQUIRE(*done >= history.done());
  REQUIRE(notes.ascending());
  notes.forget_above(*done);
  history.advance_to(*done);
  REQUIRE(test::difference(snapshot, history, notes.acks()) == "");
  REQUIRE(test::surplus(snapshot, {&history, 1}) == "");
}

// Whoever opens the palace next finds the same.
void check_twice(const std::string& directory) {
  std::uint64_t hashes[2] = {};
  for (std::uint64_t& hash : hashes) {
    auto palace = Palace::open(directory, quiet(false));
    REQUIRE(palace.has_value());
    hash = palace->snapshot().state_hash().value();
    check_verify(*palace);
  }
  REQUIRE(hashes[0] == hashes[1]);
}

}  // namespace

TEST_CASE("a killed writer leaves a prefix of its history, with all that was acknowledged") {
  const std::uint64_t seed = test::setting("AEON_KILL_SEED", 1);
  const std::uint64_t rounds = test::setting("AEON_KILL_ROUNDS", 200);
  CAPTURE(seed);
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  REQUIRE(Palace::create(directory, test::history_spaces(), quiet(false)).has_value());
  std::mt19937_64 random(seed);
  History history(0);
  Notes notes(scratch / "notes");
  for (std::uint64_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    test::Process writer({"write", directory, notes.path(), "0", "0"});
    let_live(writer, notes, random);
    writer.signal(SIGKILL);
    writer.wait();
    REQUIRE(writer.exit_code() == -SIGKILL);  // it did not end by itself
    notes.refresh();
    check_round(directory, history, notes, round % 2 == 0);
    if (round % 20 == 19) check_twice(directory);
  }
  WARN(rounds << " kills, " << history.done() << " operations; AEON_KILL_SEED=" << seed
              << " AEON_KILL_ROUNDS=" << rounds << " runs them again");
}

TEST_CASE("two writers and a watcher share a palace under random kills") {
  const std::uint64_t seed = test::setting("AEON_KILL_SEED", 1);
  const std::uint64_t last = test::setting("AEON_KILL_OPERATIONS", 200);
  CAPTURE(seed);
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  REQUIRE(Palace::create(directory, test::history_spaces(), quiet(false)).has_value());
  std::mt19937_64 random(seed);
  test::Process watcher({"watch", directory, "2"});
  std::vector<Notes> notes{Notes(scratch / "notes0"), Notes(scratch / "notes1")};
  std::vector<std::uint64_t> starts(2);
  const auto start = [&](std::size_t i) {
    ++starts[i];
    return test::Process(
        {"write", directory, notes[i].path(), std::to_string(i), std::to_string(last), "race"});
  };
  std::vector<std::unique_ptr<test::Process>> writers;
  for (std::size_t i = 0; i < 2; ++i) {
    writers.push_back(std::make_unique<test::Process>(start(i)));
  }
  for (std::size_t done = 0; done < 2;) {
    done = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      // Late starts are left alone, so that the test ends.
      if (random() % 4 == 0 && starts[i] < 30) writers[i]->signal(SIGKILL);
      sleep_us(random() % 10'000);
      if (!writers[i]->ended()) continue;
      if (writers[i]->exit_code() == 0) {
        ++done;
        continue;
      }
      REQUIRE(writers[i]->exit_code() == -SIGKILL);
      writers[i] = std::make_unique<test::Process>(start(i));
    }
    REQUIRE_FALSE(watcher.ended());
  }
  const std::string watched = watcher.ask("finish");
  watcher.wait();
  REQUIRE(watcher.exit_code() == 0);

  auto palace = Palace::open(directory, quiet(false));
  REQUIRE(palace.has_value());
  const Snapshot snapshot = palace->snapshot();
  std::vector<History> histories{History(0), History(1)};
  for (std::size_t i = 0; i < 2; ++i) {
    notes[i].refresh();
    histories[i].advance_to(last);
    CHECK(notes[i].ascending());
    CHECK(test::difference(snapshot, histories[i], notes[i].acks()) == "");
  }
  std::size_t races = 0;
  Memory memory;
  for (std::uint64_t number = 1; number <= last; ++number) {
    CAPTURE(number);
    const bool wins[2] = {notes[0].wins().contains(number), notes[1].wins().contains(number)};
    REQUIRE_FALSE((wins[0] && wins[1]));
    const auto id = snapshot.find_key("", "race-" + std::to_string(number));
    if (!id) REQUIRE_FALSE((wins[0] || wins[1]));
    if (!id) continue;
    ++races;
    REQUIRE(snapshot.get(*id, memory).has_value());
    REQUIRE((memory.content == "0" || memory.content == "1"));
    REQUIRE_FALSE(wins[memory.content == "0" ? 1 : 0]);
  }
  CHECK(test::surplus(snapshot, histories, races) == "");
  check_verify(*palace);
  WARN("the writers were started "
       << starts[0] << " and " << starts[1] << " times, " << races
       << " keys raced for; the watcher's looks and last commit: " << watched << "; seed " << seed);
}
