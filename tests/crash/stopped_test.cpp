// Processes that are stopped (SIGSTOP) where it hurts: in a commit, in a checkpoint, while they
// follow, while they recover. The others go on as far as that is safe, are told by whom they are
// held up, and all is well once the stopped one goes on or dies.
#include <signal.h>

#include <catch2/catch.hpp>

#include <chrono>
#include <filesystem>
#include <thread>

#include "engine/palace.hpp"
#include "tests/crash/process.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using test::Process;

namespace {

// Longer than anything here takes, however slow the build: a test that waits so long has failed.
constexpr std::chrono::seconds kTooLong{120};

OpenOptions quiet(bool read_only = false) {
  OpenOptions options;
  options.read_only = read_only;
  options.background = false;
  return options;
}

std::string make_palace(const test::TempDirectory& scratch) {
  std::string directory = scratch / "palace";
  REQUIRE(Palace::create(directory, {}, quiet()).has_value());
  return directory;
}

// Whether an answer is that error and names that process.
bool names(const std::string& answer, const std::string& error, const Process& process) {
  INFO(answer);
  CHECK(answer.starts_with("! " + error + " "));
  CHECK(answer.find("process " + std::to_string(process.id()) + " ") != std::string::npos);
  return answer.starts_with("! ");
}

std::uint64_t newest_log(const std::string& directory) {
  std::uint64_t newest = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("log-"))
      newest = std::max<std::uint64_t>(newest, std::stoull(name.substr(4)));
  }
  return newest;
}

std::size_t count_files(const std::string& directory, const std::string& prefix) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    count += entry.path().filename().string().starts_with(prefix) ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("a writer that is stopped in a commit holds up writers, who are told, and no reader") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  Process stopped({"serve", directory, "follow"});
  Process other({"serve", directory, "follow"});
  stopped.ask_number("put before 1");
  other.ask_number("put before-too 1");
  stopped.ask("stop sync log");
  stopped.tell("put mine 1 sync");
  stopped.wait_stopped();

  other.tell("put yours 1");
  // An opening meanwhile waits as long as a commit would, and then reads what is certain.
  Process late({"serve", directory, "follow"});
  late.tell("has before-too");
  const auto reader = Palace::open(directory, quiet(true));
  REQUIRE(reader.has_value());
  CHECK(reader->snapshot().find_key("", "before").has_value());
  CHECK(names(other.hear(), "writer_stopped", stopped));
  CHECK(late.hear() == "1");
  CHECK(other.ask("has before") == "1");
  CHECK(other.ask("has mine") == "-");
  CHECK(other.ask_number("fresh") == 2);
  late.tell("put yours 2");
  CHECK(names(other.ask("checkpoint"), "writer_stopped", stopped));
  CHECK(names(late.hear(), "writer_stopped", stopped));

  stopped.signal(SIGCONT);
  CHECK(stopped.hear() == "3");
  for (Process* process : {&other, &late, &stopped}) {
    process->ask_number("put after 1");
    process->ask_number("fresh");
    CHECK(process->ask("has mine") == "1");
    CHECK(process->ask("has yours") == "-");
  }
  CHECK(late.ask("checkpoint") == "ok");
  CHECK(stopped.ask_number("fresh") == other.ask_number("fresh"));
  CHECK(stopped.ask("hash") == other.ask("hash"));
  CHECK(other.ask_number("verify") == stopped.ask_number("fresh"));
}

TEST_CASE("a writer that kept the append lock and is stopped is named, and may be killed") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  Process stopped({"serve", directory, "follow"});
  stopped.ask("stop sync log");
  // A streak, at the end of which the lock is kept.
  stopped.ask("turns 200 process");
  stopped.tell("put mine 1 sync");
  stopped.wait_stopped();
  Process other({"serve", directory, "follow"});
  CHECK(other.ask_number("visible") == 200);
  other.tell("put yours 1");
  CHECK(names(other.hear(), "writer_stopped", stopped));
  stopped.signal(SIGKILL);
  stopped.wait();
  // What the dead one had written counts; it was on its way to the device.
  CHECK(other.ask_number("put yours 1") == 202);
  CHECK(other.ask("has mine") == "1");
  CHECK(other.ask_number("verify") == 202);
}

TEST_CASE("commits go on beside a stopped checkpoint, which ends when it goes on") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  Process stopped({"serve", directory, "follow"});
  Process other({"serve", directory, "follow"});
  stopped.ask_number("fill 50 1000");
  stopped.ask("stop sync seg");
  stopped.tell("checkpoint");
  stopped.wait_stopped();
  CHECK(other.ask_number("fill 50 1000") == 101);  // a rotation is a commit, too
  CHECK(names(other.ask("checkpoint"), "busy", stopped));
  CHECK(names(other.ask("compact"), "busy", stopped));
  CHECK(other.ask_number("put key 1 sync") == 102);

  stopped.signal(SIGCONT);
  CHECK(stopped.hear() == "ok");
  CHECK(other.ask("checkpoint") == "ok");
  CHECK(other.ask("hash") == (stopped.ask_number("fresh"), stopped.ask("hash")));
  CHECK(other.ask_number("verify") == other.ask_number("fresh"));
}

TEST_CASE("a checkpoint that was stopped and then killed is made by the next, and leaves nothing") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  Process stopped({"serve", directory, "follow"});
  Process other({"serve", directory, "follow"});
  stopped.ask_number("fill 50 1000");
  stopped.ask("stop sync seg");
  stopped.tell("checkpoint");
  stopped.wait_stopped();
  REQUIRE(count_files(directory, "seg-") == 1);
  CHECK(names(other.ask("checkpoint"), "busy", stopped));
  stopped.signal(SIGKILL);
  stopped.wait();
  CHECK(other.ask("checkpoint") == "ok");
  CHECK(count_files(directory, "seg-") == 1);
  CHECK(other.ask_number("verify") == other.ask_number("fresh"));
}

TEST_CASE("a follower that was stopped while the log was recycled again and again catches up") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  Process writer({"serve", directory, "follow"});
  Process stopped({"serve", directory, "follow"});
  writer.ask_number("put key 1");
  writer.ask_number("fill 10 1000");
  stopped.ask_number("fresh");
  const std::string held = stopped.ask("hold");
  const std::uint64_t followed = newest_log(directory);
  stopped.signal(SIGSTOP);
  stopped.wait_stopped();
  for (int round = 0; round < 6; ++round) {
    writer.ask_number("fill 60 60000");
    writer.ask_number("put key " + std::to_string(round));
    REQUIRE(writer.ask(round % 3 == 2 ? "compact" : "checkpoint") == "ok");
  }
  const std::uint64_t last = writer.ask_number("fill 10 1000");
  REQUIRE(newest_log(directory) >= followed + 3);
  REQUIRE_FALSE(std::filesystem::exists(directory + "/log-00000" + std::to_string(followed)));

  stopped.signal(SIGCONT);
  const auto deadline = std::chrono::steady_clock::now() + kTooLong;
  while (stopped.ask_number("visible") < last) {  // by its own thread
    if (std::chrono::steady_clock::now() > deadline) FAIL("the follower does not catch up");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(stopped.ask("has key") == "5");
  CHECK(stopped.ask("held") == held);
  CHECK(stopped.ask("hash") == writer.ask("hash"));
  CHECK(stopped.ask_number("put key again") == last + 1);
  CHECK(writer.ask_number("fresh") == last + 1);
  CHECK(writer.ask("has key") == "again");
  CHECK(stopped.ask_number("verify") == last + 1);
}

TEST_CASE(
    "an opening that is stopped in its recovery holds up openings for writing, who are told") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  {
    Process killed({"serve", directory, "quiet"});
    killed.ask_number("put before 1");
    killed.signal(SIGKILL);
    killed.wait();
  }
  Process stopped({"serve", directory, "follow", "stop", "sync", "log"});
  stopped.wait_stopped();
  const auto reader = Palace::open(directory, quiet(true));
  REQUIRE(reader.has_value());
  CHECK(reader->snapshot().find_key("", "before").has_value());
  const auto other = Palace::open(directory, quiet());
  REQUIRE_FALSE(other.has_value());
  INFO(other.error().message);
  CHECK(other.error().code == Errc::writer_stopped);
  CHECK(other.error().message.find("process " + std::to_string(stopped.id()) + " ") !=
        std::string::npos);
  stopped.signal(SIGCONT);
  CHECK(stopped.ask("has before") == "1");
  auto again = Palace::open(directory, quiet());
  REQUIRE(again.has_value());
  CHECK(again->snapshot().find_key("", "before").has_value());
  CHECK(again->verify().value().damage.empty());
}

TEST_CASE("the log goes on in the file that a writer had begun before it died, whoever goes on") {
  const test::TempDirectory scratch;
  const std::string directory = make_palace(scratch);
  Process killed({"serve", directory, "quiet"});
  Process settling({"serve", directory, "quiet"});
  Process other({"serve", directory, "quiet"});
  other.ask_number("put taken 1");
  const std::uint64_t log = newest_log(directory);
  // The next file has its name, and no frame yet.
  killed.ask("stop sync_directory palace rename next");
  killed.tell("fill 1000 4000");
  killed.wait_stopped();
  killed.signal(SIGKILL);
  killed.wait();
  REQUIRE(newest_log(directory) == log + 1);
  other.ask_number("fresh");
  // Takes the turn and clears up, but has nothing to add.
  CHECK(settling.ask("claim taken 2").starts_with("! key_exists"));
  other.ask_number("put small 1");
  for (int i = 0; i < 3; ++i) {
    settling.ask_number("fill 100 4000");
    other.ask_number("fill 100 4000");
  }
  const std::uint64_t last = settling.ask_number("fresh");
  CHECK(other.ask_number("fresh") == last);
  CHECK(other.ask_number("verify") == last);
  const auto reader = Palace::open(directory, quiet(true));
  REQUIRE(reader.has_value());
  CHECK(reader->snapshot().commit() == last);
}
