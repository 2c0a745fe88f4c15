// Eight processes on one palace, each with a thousand commits to make, all of them killed at random
// moments and started again. Some commits are of level sync, some of level process; every process
// checkpoints and compacts now and then, two more watch.
#include <signal.h>

#include <catch2/catch.hpp>

#include <chrono>
#include <memory>
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

constexpr int kWriters = 8;

OpenOptions quiet() {
  OpenOptions options;
  options.background = false;
  return options;
}

void sleep_us(std::uint64_t us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }

// One of the processes, started again whenever it was killed.
class Worker {
 public:
  explicit Worker(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
    start();
  }
  void start() {
    process_ = std::make_unique<test::Process>(arguments_);
    ++starts_;
  }
  void kill() {
    process_->signal(SIGKILL);
    process_->wait();
  }
  // True once it has done all it was to do.
  bool tend() {
    if (!process_->ended()) return false;
    if (process_->exit_code() == 0) return true;
    REQUIRE(process_->exit_code() == -SIGKILL);
    start();
    return false;
  }
  [[nodiscard]] std::uint64_t starts() const { return starts_; }
  [[nodiscard]] test::Process& process() { return *process_; }

 private:
  std::vector<std::string> arguments_;
  std::unique_ptr<test::Process> process_;
  std::uint64_t starts_ = 0;
};

void check_everything(const std::string& directory, std::vector<Notes>& notes, std::uint64_t last) {
  auto palace = Palace::open(directory, quiet());
  REQUIRE(palace.has_value());
  const Snapshot snapshot = palace->snapshot();
  std::vector<History> histories;
  for (int i = 0; i < kWriters; ++i) {
    CAPTURE(i);
    Notes& note = notes[static_cast<std::size_t>(i)];
    note.refresh();
    histories.emplace_back(i);
    histories.back().advance_to(last);
    REQUIRE(History::done_in(snapshot, i).value() == last);
    CHECK(note.kept() >= last - 1);  // the last may be of level none
    CHECK(note.ascending());
    CHECK(test::difference(snapshot, histories.back(), note.acks()) == "");
  }
  CHECK(test::surplus(snapshot, histories) == "");
  const auto report = palace->verify();
  REQUIRE(report.has_value());
  for (const Damage& damage : report->damage) UNSCOPED_INFO(damage.file << ": " << damage.what);
  CHECK(report->damage.empty());
  CHECK(report->commits == snapshot.commit());
}

}  // namespace

TEST_CASE("eight processes commit under random kills: nothing lost, doubled or torn") {
  const std::uint64_t seed = test::setting("AEON_KILL_SEED", 1);
  const std::uint64_t last = test::setting("AEON_KILL_OPERATIONS", 1000);
  const std::uint64_t kills = test::setting("AEON_KILLS", 40);  // of each writer, at most
  CAPTURE(seed);
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  REQUIRE(Palace::create(directory, test::history_spaces(), quiet()).has_value());
  std::mt19937_64 random(seed);
  std::vector<Notes> notes;
  std::vector<Worker> writers;
  for (int i = 0; i < kWriters; ++i) {
    notes.emplace_back(scratch / ("notes" + std::to_string(i)));
    writers.emplace_back(std::vector<std::string>{"write", directory, notes.back().path(),
                                                  std::to_string(i), std::to_string(last)});
  }
  std::vector<Worker> watchers;
  for (int i = 0; i < 2; ++i) {
    watchers.emplace_back(std::vector<std::string>{"watch", directory, std::to_string(kWriters)});
  }
  for (int done = 0; done < kWriters;) {
    done = 0;
    for (Worker& writer : writers) {
      if (random() % 3 == 0 && writer.starts() <= kills) writer.kill();
      sleep_us(random() % 10'000);
      done += writer.tend() ? 1 : 0;
    }
    // One of the watchers lives through it all.
    if (random() % 8 == 0) watchers[1].kill();
    for (Worker& watcher : watchers) REQUIRE_FALSE(watcher.tend());
  }
  std::string watched;
  for (Worker& watcher : watchers) {
    REQUIRE_FALSE(watcher.tend());
    watched += watcher.process().ask("finish") + ", ";
    watcher.process().wait();
    REQUIRE(watcher.process().exit_code() == 0);
  }
  check_everything(directory, notes, last);
  std::uint64_t starts = 0;
  for (const Worker& writer : writers) starts += writer.starts();
  WARN(kWriters << " writers with " << last << " commits each were started " << starts
                << " times; looks and last commits of the watchers: " << watched
                << "AEON_KILL_SEED=" << seed << " runs it again");
}
