// A process on a palace, for tests that need several, or one that dies:
//
//   palace_process write DIR NOTES WRITER LAST [race]
//       does the operations of a History until LAST (0: for ever), noting each; with `race` it also
//       wants the keys race-1, race-2, ... that other writers want
//   palace_process watch DIR WRITERS
//       follows writers by its background thread and checks all it sees; on a line of input answers
//       "<looks> <commit>" once it has caught up
//   palace_process serve DIR follow|quiet
//       answers commands, see Server; `quiet` has no background thread
//
// Exits with 0, or with 1 and a sentence on stderr.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/crash/history.hpp"
#include "tests/crash/history_check.hpp"
#include "tests/crash/notes.hpp"

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

// Commands, one a line; an answer is one line, an error's begins with "! " and its name.
class Server {
 public:
  Server(const std::string& directory, bool follow) {
    OpenOptions options;
    options.background = follow;
    palace_ = std::make_unique<Palace>(must(Palace::open(directory, options), "open"));
  }

  void run() {
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream words(line);
      const auto answer = obey(words);
      const std::string text =
          answer ? *answer
                 : fmt::format("! {} {}", errc_name(answer.error().code), answer.error().message);
      std::puts(text.c_str());
      std::fflush(stdout);
    }
  }

 private:
  Result<std::string> obey(std::istringstream& words) {
    std::string command;
    words >> command;
    if (command == "put") return put(words, PutMode::upsert);
    if (command == "claim") return put(words, PutMode::if_absent);
    if (command == "has") return seen(words);
    if (command == "fill") return fill(words);
    if (command == "turns") return turns(words);
    if (command == "claims") return claims(words);
    if (command == "visible") return std::to_string(palace_->snapshot().commit());
    if (command == "checkpoint") return done(palace_->checkpoint());
    if (command == "compact") return done(palace_->compact());
    if (command == "logs") return logs();
    if (command == "verify") return verify();
    return snapshots(command);
  }

  Result<std::string> snapshots(const std::string& command) {
    if (command == "hash") return hash(palace_->snapshot());
    if (command == "hold") {
      held_ = std::make_unique<Snapshot>(palace_->snapshot());
      return hash(*held_);
    }
    if (command == "held") return hash(*held_);
    if (command == "drop") {
      held_.reset();
      return "ok";
    }
    if (command == "fresh") {
      AEON_ASSIGN(const Snapshot snapshot, palace_->fresh_snapshot());
      return std::to_string(snapshot.commit());
    }
    return fail(Errc::invalid_argument, "no such command: " + command);
  }

  static Result<std::string> done(const Status& status) {
    if (!status) return std::unexpected(status.error());
    return "ok";
  }
  static Result<std::string> hash(const Snapshot& snapshot) {
    AEON_ASSIGN(const std::uint64_t hash, snapshot.state_hash());
    return std::to_string(hash);
  }

  Result<CommitNumber> remember(std::string key, std::string content, PutMode mode,
                                Durability level) {
    NewMemory memory;
    memory.key = std::move(key);
    memory.content = std::move(content);
    memory.mode = mode;
    Batch batch;
    batch.remember(std::move(memory));
    AEON_ASSIGN(const Ack ack, palace_->commit(std::move(batch), level));
    return ack.commit;
  }

  // put KEY TEXT, claim KEY TEXT: the commit.
  Result<std::string> put(std::istringstream& words, PutMode mode) {
    std::string key;
    std::string text;
    words >> key >> text;
    AEON_ASSIGN(const CommitNumber commit, remember(key, text, mode, Durability::process));
    return std::to_string(commit);
  }

  // has KEY: its content in the newest snapshot of this process, or "-".
  Result<std::string> seen(std::istringstream& words) {
    std::string key;
    words >> key;
    const Snapshot snapshot = palace_->snapshot();
    const auto id = snapshot.find_key("", key);
    if (!id) return "-";
    Memory memory;
    AEON_TRY(snapshot.get(*id, memory));
    return memory.content;
  }

  // fill COUNT BYTES: so many memories of that size; the last commit.
  Result<std::string> fill(std::istringstream& words) {
    std::size_t count = 0;
    std::size_t bytes = 0;
    words >> count >> bytes;
    CommitNumber last = 0;
    for (std::size_t i = 0; i < count; ++i) {
      AEON_ASSIGN(last,
                  remember("", std::string(bytes, 'f'), PutMode::upsert, Durability::process));
    }
    return std::to_string(last);
  }

  // turns COUNT: as many commits at level sync; their numbers.
  Result<std::string> turns(std::istringstream& words) {
    std::size_t count = 0;
    words >> count;
    std::string commits;
    for (std::size_t i = 0; i < count; ++i) {
      AEON_ASSIGN(const CommitNumber commit,
                  remember("", "turn", PutMode::upsert, Durability::sync));
      commits += fmt::format("{} ", commit);
    }
    return commits;
  }

  // claims NAME FROM TO: wants claim-FROM .. claim-TO; the numbers it got.
  Result<std::string> claims(std::istringstream& words) {
    std::string name;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    words >> name >> from >> to;
    std::string got;
    for (std::uint64_t number = from; number <= to; ++number) {
      const auto commit =
          remember(fmt::format("claim-{}", number), name, PutMode::if_absent, Durability::process);
      if (commit) got += fmt::format("{} ", number);
      if (!commit && commit.error().code != Errc::key_exists) {
        return std::unexpected(commit.error());
      }
    }
    return got;
  }

  // "<log files> <segments> <settled>"
  Result<std::string> logs() {
    AEON_ASSIGN(const Stats stats, palace_->stats());
    return fmt::format("{} {} {}", stats.log_files, stats.segments, stats.settled);
  }

  Result<std::string> verify() {
    AEON_ASSIGN(const VerifyReport report, palace_->verify());
    for (const Damage& damage : report.damage) {
      return fail(Errc::damaged,
                  fmt::format("{} at {}: {}", damage.file, damage.offset, damage.what));
    }
    return fmt::format("{}", report.commits);
  }

  std::unique_ptr<Palace> palace_;
  std::unique_ptr<Snapshot> held_;  // declared last: it must not outlive the palace
};

int run(const std::vector<std::string>& words) {
  if (words.size() >= 5 && words[0] == "write") {
    return write(words[1], words[2], std::stoi(words[3]), std::stoull(words[4]), words.size() > 5);
  }
  if (words.size() == 3 && words[0] == "watch") return watch(words[1], std::stoi(words[2]));
  if (words.size() == 3 && words[0] == "serve") {
    Server(words[1], words[2] == "follow").run();
    return 0;
  }
  give_up("usage: see the head of palace_process.cpp");
}

}  // namespace

int main(int count, char** words) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return run({words + 1, words + count});
}
