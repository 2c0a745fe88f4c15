// Several processes on one palace, and one process with several openings of it: turns are shared
// fairly, what others did is seen, upkeep is one's at a time.
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/crash/process.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/watched_os.hpp"

using namespace aeon;
using test::Process;

namespace {

OpenOptions quiet() {
  OpenOptions options;
  options.background = false;
  return options;
}

std::string make_palace(const test::TempDirectory& scratch) {
  std::string directory = scratch / "palace";
  REQUIRE(Palace::create(directory, {}, quiet()).has_value());
  return directory;
}

Result<Ack> remember(Palace& palace, const std::string& key,
                     Durability level = Durability::process) {
  NewMemory memory;
  memory.key = key;
  memory.content = key;
  Batch batch;
  batch.remember(std::move(memory));
  return palace.commit(std::move(batch), level);
}

std::vector<std::uint64_t> numbers_in(const std::string& line) {
  std::istringstream words(line);
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t number = 0; words >> number;) numbers.push_back(number);
  return numbers;
}

std::vector<std::uint64_t> numbers_of(Process& process) {
  const std::string answer = process.hear();
  INFO(answer.substr(0, 200));
  REQUIRE_FALSE(answer.starts_with("!"));
  return numbers_in(answer);
}

// Who made each commit from the first to the last at which all of them were at it.
std::vector<std::size_t> turns_of(const std::vector<std::vector<std::uint64_t>>& commits) {
  std::map<std::uint64_t, std::size_t> by;
  std::uint64_t from = 0;
  std::uint64_t to = UINT64_MAX;
  for (std::size_t i = 0; i < commits.size(); ++i) {
    for (const std::uint64_t commit : commits[i]) by[commit] = i;
    from = std::max(from, commits[i].front());
    to = std::min(to, commits[i].back());
  }
  std::vector<std::size_t> turns;
  for (auto at = by.lower_bound(from); at != by.end() && at->first <= to; ++at) {
    turns.push_back(at->second);
  }
  return turns;
}

// A waiter that the system does not run for longer than this may be believed dead, and passed.
constexpr std::chrono::milliseconds kLongSleep{100};

// How many turns others have while one waits: by their number, how often.
std::map<std::uint64_t, std::size_t> count_passed(const std::string& directory, Durability level,
                                                  std::size_t rivals) {
  std::vector<Palace> others;
  for (std::size_t i = 0; i < rivals; ++i) {
    others.push_back(Palace::open(directory, quiet()).value());
  }
  std::atomic<bool> done = false;
  std::atomic<std::uint64_t> failures = 0;
  std::vector<std::thread> threads;
  for (Palace& other : others) {
    threads.emplace_back([&] {
      while (!done.load()) failures.fetch_add(remember(other, "", level) ? 0 : 1);
    });
  }
  std::size_t looks = 0;
  std::uint64_t before = 0;
  bool slept = false;
  auto looked = std::chrono::steady_clock::now();
  test::WatchedOs os([&](std::string_view call, const std::string&) {
    if (call != "lock") return;
    const auto now = std::chrono::steady_clock::now();
    slept = slept || (looks > 0 && now - looked > kLongSleep);
    looked = now;
    // From its second look on the others can know that this one waits.
    if (++looks != 2) return;
    before = 0;
    for (const Palace& other : others) before = std::max(before, other.snapshot().commit());
  });
  OpenOptions options = quiet();
  options.os = &os;
  auto palace = Palace::open(directory, options).value();
  std::map<std::uint64_t, std::size_t> passed;
  std::size_t waits = 0;
  for (int i = 0; i < 20'000 && waits < 200; ++i) {
    looks = 0;
    slept = false;
    const auto ack = remember(palace, "", level);
    failures.fetch_add(ack ? 0 : 1);
    if (!ack || looks < 2 || slept) continue;
    ++waits;
    ++passed[ack->commit - before - 1];
  }
  done.store(true);
  for (std::thread& thread : threads) thread.join();
  CHECK(failures.load() == 0);
  return passed;
}

}  // namespace

TEST_CASE("a writer that waits for its turn is passed by a bounded number of turns of others") {
  // What turn.cpp allows for this waiter and for each that may have come before it, and a turn of
  // each that was under way.
  constexpr std::uint64_t kMostPassed = 16 + 1;
  for (const Durability level : {Durability::process, Durability::sync}) {
    for (std::size_t rivals = 1; rivals <= 3; ++rivals) {
      CAPTURE(rivals, level == Durability::sync);
      const std::uint64_t most = kMostPassed * (rivals + 1);
      const test::TempDirectory scratch;
      const auto passed = count_passed(make_palace(scratch), level, rivals);
      std::size_t waits = 0;
      std::size_t late = 0;
      for (const auto& [turns, times] : passed) {
        waits += times;
        late += turns > most ? times : 0;
      }
      CHECK(late <= 1 + waits / 20);
      WARN((level == Durability::sync ? "sync, " : "process, ")
           << rivals << " rivals: " << waits << " waits, passed by at most "
           << (passed.empty() ? 0 : passed.rbegin()->first) << ", " << late << " by more than "
           << most);
    }
  }
}

TEST_CASE("processes in a loop of commits get a fair share of the turns each") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  for (const char* level : {"process", "sync"}) {
    const std::size_t count = level[0] == 's' ? 500 : 5000;
    for (std::size_t writers = 2; writers <= 4; ++writers) {
      std::vector<Process> processes;
      for (std::size_t i = 0; i < writers; ++i) {
        processes.emplace_back(std::vector<std::string>{"serve", directory, "follow"});
        processes.back().ask("visible");
      }
      for (Process& process : processes) process.tell(fmt::format("turns {} {}", count, level));
      std::vector<std::vector<std::uint64_t>> commits;
      for (Process& process : processes) commits.push_back(numbers_of(process));
      const auto turns = turns_of(commits);
      std::vector<std::size_t> shares(writers);
      for (const std::size_t who : turns) ++shares[who];
      std::string text;
      for (const std::size_t share : shares) text += fmt::format(" {}", share);
      WARN(level << ", " << writers << " processes, " << turns.size() << " turns:" << text);
      for (const std::size_t share : shares) CHECK(share >= turns.size() / writers / 4);
    }
  }
}

TEST_CASE("a path opened twice in one process is written and read through both openings") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  Palace first = Palace::open(directory).value();
  std::optional<Palace> second = Palace::open(directory).value();
  constexpr int kCommits = 500;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  int number = 0;
  for (Palace* palace : {&first, &*second, &first, &*second}) {
    threads.emplace_back([&failures, palace, name = number++] {
      for (int i = 0; i < kCommits; ++i) {
        const std::string key = fmt::format("{}-{}", name, i);
        const auto ack =
            remember(*palace, key, i % 16 == 0 ? Durability::sync : Durability::process);
        const bool seen = ack && palace->snapshot().find_key("", key).has_value();
        failures.fetch_add(seen ? 0 : 1);
        if (i % 50 != 49) continue;
        const Status settled = palace->checkpoint();
        failures.fetch_add(settled || settled.error().code == Errc::busy ? 0 : 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures.load() == 0);
  CHECK(first.fresh_snapshot()->commit() == second->fresh_snapshot()->commit());
  CHECK(first.snapshot().state_hash().value() == second->snapshot().state_hash().value());
  for (int name = 0; name < 4; ++name) {
    for (int i = 0; i < kCommits; ++i) {
      REQUIRE(first.snapshot().find_key("", fmt::format("{}-{}", name, i)).has_value());
    }
  }
  CHECK(first.stats()->memories == 4 * kCommits);
  // The one that stays goes on; whoever comes next finds no closing frame missing.
  REQUIRE(second->close().has_value());
  second.reset();
  REQUIRE(remember(first, "last", Durability::sync).has_value());
  CHECK(first.verify()->damage.empty());
  REQUIRE(first.close().has_value());
  CHECK(Palace::open(directory).value().stats()->cleanly_closed);
}

TEST_CASE("processes that all checkpoint and compact do so one at a time, beside their commits") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  std::vector<Process> processes;
  for (int i = 0; i < 4; ++i) {
    processes.emplace_back(std::vector<std::string>{"serve", directory, "follow"});
    processes.back().ask("visible");
  }
  for (int round = 0; round < 5; ++round) {
    for (std::size_t i = 0; i < processes.size(); ++i) {
      processes[i].tell(i % 2 == 0 ? "upkeep 12" : "fill 200 2000");
    }
    for (Process& process : processes) {
      const std::string answer = process.hear();
      INFO(answer);
      REQUIRE_FALSE(answer.starts_with("!"));
    }
  }
  std::set<std::string> hashes;
  for (Process& process : processes) {
    process.ask_number("fresh");
    hashes.insert(process.ask("hash"));
    CHECK(process.ask_number("verify") == process.ask_number("visible"));
  }
  CHECK(hashes.size() == 1);
}

TEST_CASE("new segments are adopted when a process likes, and an old view stays whole") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  Process writer({"serve", directory, "follow"});
  Process lazy({"serve", directory, "quiet"});
  writer.ask_number("put key old");
  writer.ask_number("fill 100 5000");
  lazy.ask_number("fresh");
  const std::string held = lazy.ask("hold");
  const std::string logs = lazy.ask("logs");
  for (int round = 0; round < 6; ++round) {
    writer.ask_number("fill 100 5000");
    writer.ask_number("put key new");
    REQUIRE(writer.ask(round % 3 == 2 ? "compact" : "checkpoint") == "ok");
  }
  // Nothing of this has reached the other one, though the files that it reads are gone by name.
  CHECK(lazy.ask("has key") == "old");
  CHECK(lazy.ask("hash") == held);
  CHECK(lazy.ask("logs").substr(2) == logs.substr(2));
  CHECK(lazy.ask_number("fresh") == writer.ask_number("visible"));
  CHECK(lazy.ask("has key") == "new");
  CHECK(lazy.ask("hash") == writer.ask("hash"));
  CHECK(lazy.ask("held") == held);
  CHECK(lazy.ask("drop") == "ok");
  CHECK(lazy.ask("logs") == writer.ask("logs"));
  CHECK(lazy.ask_number("verify") == writer.ask_number("visible"));
}

TEST_CASE("commits of others are in the next fresh snapshot, and come by themselves soon") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  Process writer({"serve", directory, "follow"});
  Palace fresh = Palace::open(directory, quiet()).value();
  const Palace follower = Palace::open(directory).value();
  std::vector<double> delays_ms;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t commit = writer.ask_number(fmt::format("put key {}", i));
    const auto begin = std::chrono::steady_clock::now();
    CHECK(fresh.fresh_snapshot()->commit() == commit);
    while (follower.snapshot().commit() < commit) std::this_thread::yield();
    const auto end = std::chrono::steady_clock::now();
    delays_ms.push_back(std::chrono::duration<double, std::milli>(end - begin).count());
  }
  std::ranges::sort(delays_ms);
  WARN("behind the acknowledgement: median " << delays_ms[100] << " ms, 99 % within "
                                             << delays_ms[198] << " ms, at most "
                                             << delays_ms.back() << " ms");
}

TEST_CASE("an opening shows what a killed writer left, though another settles it meanwhile") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  Palace other = Palace::open(directory, quiet()).value();
  {
    Process killed({"serve", directory, "quiet"});
    killed.ask_number("put before 1");
    killed.ask("stop sync log");
    killed.tell("put mine 1 sync");
    killed.wait_stopped();
  }
  bool settled = false;
  // The opening knows by now how far the log is written, and begins to read it.
  test::WatchedOs os([&](std::string_view call, const std::string& path) {
    if (settled || call != "open" || path.find("/log-") == std::string::npos) return;
    settled = true;
    REQUIRE(remember(other, "yours").has_value());
  });
  OpenOptions options = quiet();
  options.os = &os;
  const auto palace = Palace::open(directory, options);
  REQUIRE(palace.has_value());
  REQUIRE(settled);
  CHECK(palace->snapshot().find_key("", "mine").has_value());
  CHECK(palace->snapshot().find_key("", "yours").has_value());
}
