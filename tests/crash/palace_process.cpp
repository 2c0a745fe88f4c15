// A process on a palace, for tests that need several, or one that dies:
//
//   palace_process write DIR NOTES WRITER LAST [race]
//       does the operations of a History until LAST (0: for ever), noting each; with `race` it also
//       wants the keys race-1, race-2, ... that other writers want
//   palace_process watch DIR WRITERS
//       follows writers by its background thread and checks all it sees; on a line of input answers
//       "<looks> <commit>" once it has caught up
//   palace_process serve DIR follow|quiet|read [stop CALL FILE]
//       answers commands, see PalaceServer; `quiet` has no background thread, `read` opens for
//       reading only; with `stop` the process stops itself already while it opens the palace
//
// Exits with 0, or with 1 and a sentence on stderr.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/crash/history.hpp"
#include "tests/crash/history_check.hpp"
#include "tests/crash/notes.hpp"
#include "tests/crash/palace_server.hpp"

namespace {

using namespace aeon;

[[noreturn]] void give_up(const std::string& why) {
  std::fputs((why + "\n").c_str(), stderr);
  std::exit(1);
}

template <typename T>
T must(Result<T> result, std::string_view what) {
  if (!result) give_up(fmt::format("{}: {}", what, result.error().message));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

bool has(const Snapshot& snapshot, const std::string& key) {
  return snapshot.find_key("", key).has_value();
}

// One of several writers that want the same key; true for the one that got it.
bool race(Palace& palace, std::uint64_t number, int writer) {
  NewMemory memory;
  memory.key = fmt::format("race-{}", number);
  memory.mode = PutMode::if_absent;
  memory.content = std::to_string(writer);
  Batch batch;
  batch.remember(std::move(memory));
  const auto ack = palace.commit(std::move(batch), Durability::process);
  if (ack) return true;
  if (ack.error().code != Errc::key_exists) give_up(ack.error().message);
  if (!has(palace.snapshot(), fmt::format("race-{}", number))) give_up("a key is taken by nobody");
  return false;
}

void upkeep(Palace& palace, const test::Operation& operation) {
  if (!operation.checkpoint && !operation.compact) return;
  const Status done = operation.compact ? palace.compact() : palace.checkpoint();
  if (!done && done.error().code != Errc::busy) give_up("upkeep: " + done.error().message);
}

int write(const std::string& directory, const std::string& notes_path, int writer,
          std::uint64_t last, bool races) {
  test::NoteWriter notes(notes_path);
  Palace palace = must(Palace::open(directory), "open");
  test::History history(writer);
  history.advance_to(must(test::History::done_in(palace.snapshot(), writer), "head"));
  while (last == 0 || history.done() < last) {
    const test::Operation operation = history.next();
    Batch batch = must(history.batch_of(operation, palace.snapshot()), "batch");
    if (!notes.intend(operation.number)) give_up("notes");
    const Ack ack = must(palace.commit(std::move(batch), operation.level), "commit");
    if (!notes.acknowledge(operation.number, ack)) give_up("notes");
    history.advance();
    const Snapshot snapshot = palace.snapshot();
    if (snapshot.commit() < ack.commit || !has(snapshot, history.key_of(operation.number))) {
      give_up("a writer does not see its own commit");
    }
    if (races && race(palace, operation.number, writer) && !notes.win(operation.number)) {
      give_up("notes");
    }
    upkeep(palace, operation);
  }
  must(palace.close(), "close");
  return 0;
}

// Checks that what a snapshot shows of each writer is what the writer did, and that nothing goes
// back.
class Watcher {
 public:
  Watcher(const std::string& directory, int writers)
      : palace_(must(Palace::open(directory), "open")) {
    for (int writer = 0; writer < writers; ++writer) histories_.emplace_back(writer);
  }

  // A snapshot by the background thread's work alone.
  void look() {
    const Snapshot snapshot = palace_.snapshot();
    if (snapshot.commit() < seen_) give_up("a snapshot went back");
    if (snapshot.commit() > seen_) check(snapshot);
    if (snapshot.commit() == seen_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    seen_ = snapshot.commit();
  }
  void finish() {
    const CommitNumber newest = must(palace_.fresh_snapshot(), "fresh").commit();
    while (seen_ < newest) look();
    fmt::print("{} {}\n", looks_, seen_);
  }

 private:
  void check(const Snapshot& snapshot) {
    ++looks_;
    const std::uint64_t hash = must(snapshot.state_hash(), "hash");
    for (test::History& history : histories_) {
      const std::uint64_t done = must(test::History::done_in(snapshot, history.writer()), "head");
      if (done < history.done()) give_up("a writer's head went back");
      history.advance_to(done);
      const std::string found = test::difference(snapshot, history);
      if (!found.empty()) give_up("watcher: " + found);
    }
    if (must(snapshot.state_hash(), "hash") != hash) give_up("a snapshot changed");
  }

  Palace palace_;
  std::vector<test::History> histories_;
  CommitNumber seen_ = 0;
  std::uint64_t looks_ = 0;
};

bool input_waits() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return ::poll(&input, 1, 0) > 0;
}

int watch(const std::string& directory, int writers) {
  Watcher watcher(directory, writers);
  while (!input_waits()) watcher.look();
  watcher.finish();
  return 0;
}

int run(const std::vector<std::string>& words) {
  if (words.size() >= 5 && words[0] == "write") {
    return write(words[1], words[2], std::stoi(words[3]), std::stoull(words[4]), words.size() > 5);
  }
  if (words.size() == 3 && words[0] == "watch") return watch(words[1], std::stoi(words[2]));
  if (words.size() >= 3 && words[0] == "serve") {
    test::PalaceServer server;
    if (words.size() == 6 && words[3] == "stop") server.stop_at(words[4], words[5]);
    if (const Status opened = server.open(words[1], words[2]); !opened) {
      give_up("open: " + opened.error().message);
    }
    server.run();
    return 0;
  }
  give_up("usage: see the head of palace_process.cpp");
}

}  // namespace

int main(int count, char** words) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return run({words + 1, words + count});
}
