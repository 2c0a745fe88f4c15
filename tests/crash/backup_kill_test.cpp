// A palace is copied by one process while another one writes to it; the copying one is killed at
// random moments. The copy is a palace all the while, and what it says the palace said once.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/crash/settings.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

OpenOptions quiet(bool read_only = false) {
  OpenOptions options;
  options.read_only = read_only;
  options.background = false;
  return options;
}

[[noreturn]] void write_on(const std::string& directory, std::uint64_t seed) {
  auto palace = Palace::open(directory, {.checkpoint_bytes = 128 << 10});
  if (!palace) ::_exit(3);
  std::mt19937_64 random(seed);
  for (int i = 0;; ++i) {
    Batch batch;
    NewMemory memory;
    memory.key = fmt::format("k{}", random() % 200);
    memory.session = "line";
    memory.content = std::string(50 + random() % 1500, static_cast<char>('a' + random() % 26));
    batch.remember(std::move(memory));
    const auto ack = palace->commit(std::move(batch),
                                    random() % 8 == 0 ? Durability::sync : Durability::process);
    if (!ack) ::_exit(4);
    if (random() % 60 == 0) (void)palace->checkpoint();
    if (random() % 400 == 0) (void)palace->compact();
    if (i % 4 == 3) ::usleep(300);
  }
}

// Writes a byte to `told` when it begins and after every copy.
[[noreturn]] void copy_on(const std::string& directory, const std::string& target, int told) {
  auto palace = Palace::open(directory, quiet());
  if (!palace) ::_exit(3);
  while (::write(told, ".", 1) == 1) {
    const auto done = palace->backup(target);
    if (done) continue;
    fmt::print(stderr, "backup: {}\n", done.error().message);
    ::_exit(4);
  }
  ::_exit(5);
}

template <typename Run>
pid_t start(Run run) {
  const pid_t child = ::fork();
  if (child == 0) run();
  REQUIRE(child > 0);
  return child;
}

void kill_and_wait(pid_t child) {
  ::kill(child, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CAPTURE(status);
  REQUIRE(WIFSIGNALED(status));  // it did not end by itself
}

}  // namespace

TEST_CASE("a copying process killed at random moments leaves a copy that is part of the history") {
  const std::uint64_t seed = test::setting("AEON_KILL_SEED", 1);
  const std::uint64_t rounds = test::setting("AEON_KILL_ROUNDS", 60);
  CAPTURE(seed);
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  const std::string target = scratch / "copy";
  REQUIRE(Palace::create(directory, {}, quiet()).has_value());
  const pid_t writer = start([&] { write_on(directory, seed); });
  auto follower = Palace::open(directory, quiet());
  REQUIRE(follower.has_value());
  std::mt19937_64 random(seed);
  CommitNumber held = 0;
  std::chrono::microseconds copying{2000};  // how long it took last
  std::uint64_t copies = 0;
  std::uint64_t moved = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    if (round % 10 == 0) {  // from the beginning
      std::filesystem::remove_all(target);
      held = 0;
    }
    int told[2];
    REQUIRE(::pipe(told) == 0);
    const pid_t copier = start([&] { copy_on(directory, target, told[1]); });
    ::close(told[1]);
    char byte = 0;
    auto before = std::chrono::steady_clock::now();
    for (std::uint64_t copied = random() % 4;; --copied) {
      REQUIRE(::read(told[0], &byte, 1) == 1);
      const auto now = std::chrono::steady_clock::now();
      if (copied != 3)
        copying = std::chrono::duration_cast<std::chrono::microseconds>(now - before);
      before = now;
      if (copied == 0) break;
    }
    const auto while_copying = static_cast<std::uint64_t>(copying.count()) * 5 / 4 + 2000;
    std::this_thread::sleep_for(std::chrono::microseconds(random() % while_copying));
    kill_and_wait(copier);
    ::close(told[0]);
    const auto copy = Palace::open(target, quiet(round % 2 == 0));
    if (!copy) {
      INFO(copy.error().message);
      REQUIRE(held == 0);
      REQUIRE(copy.error().code == Errc::not_a_palace);
      continue;
    }
    ++copies;
    const Snapshot there = copy->snapshot();
    moved += there.commit() > held ? 1 : 0;
    REQUIRE(there.commit() >= held);
    held = there.commit();
    REQUIRE(follower->fresh_snapshot().value().commit() >= held);
    REQUIRE(there.state_hash().value() == follower->snapshot_at(held).value().state_hash().value());
    const auto report = copy->verify();
    REQUIRE(report.has_value());
    for (const Damage& damage : report->damage) UNSCOPED_INFO(damage.file << ": " << damage.what);
    REQUIRE(report->damage.empty());
  }
  kill_and_wait(writer);
  CHECK(copies > rounds / 3);
  CHECK(moved > 0);
  // And nothing of it harmed the original.
  const auto report = follower->verify();
  REQUIRE(report.has_value());
  CHECK(report->damage.empty());
  WARN(rounds << " kills, " << copies << " copies looked at, " << moved
              << " further on than before; again with AEON_KILL_SEED=" << seed
              << " AEON_KILL_ROUNDS=" << rounds);
}
