// A palace that does what it is told, line by line, for tests with several processes. An answer is
// one line; an error's begins with "! " and its name. The commands:
//
//   put KEY TEXT [LEVEL], claim KEY TEXT   a commit; its number
//   fill COUNT BYTES, turns COUNT LEVEL    so many commits; the last number, all numbers
//   claims NAME FROM TO                    wants claim-FROM .. claim-TO; the numbers it got
//   has KEY                                its content in the newest snapshot, or "-"
//   visible, fresh                         the commit of a snapshot, of a fresh one
//   hold, held, drop, hash                 a snapshot kept; hashes of it and of the newest
//   checkpoint, compact, verify, logs      "<log files> <segments> <settled>" for logs
//   upkeep COUNT                           checkpoints and compacts; "<done> <busy>"
//   stop CALL FILE [CALL FILE]             stops the process at such a call, see stop_at()
//   close
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>

#include "engine/palace.hpp"
#include "tests/support/watched_os.hpp"

namespace aeon::test {

class PalaceServer {
 public:
  PalaceServer();
  // `mode`: follow, quiet (no background threads) or read (read-only).
  Status open(const std::string& directory, const std::string& mode);
  // Answers standard input until it ends.
  void run();
  // At the next call of that name (see WatchedOs) about a file whose name begins with `file`, the
  // process stops (SIGSTOP) before the call is made. With a second one: that comes first.
  void stop_at(std::string call, std::string file, std::string first_call = "",
               std::string first_file = "");

 private:
  void watch(std::string_view call, const std::string& path);
  Result<std::string> obey(std::istringstream& words);
  Result<std::string> look(const std::string& command, std::istringstream& words);
  Result<std::string> tend(const std::string& command, std::istringstream& words);
  Result<CommitNumber> remember(std::string key, std::string content, PutMode mode,
                                Durability level);
  Result<std::string> put(std::istringstream& words, PutMode mode);
  Result<std::string> seen(std::istringstream& words);
  Result<std::string> fill(std::istringstream& words);
  Result<std::string> turns(std::istringstream& words);
  Result<std::string> claims(std::istringstream& words);
  Result<std::string> upkeep(std::istringstream& words);
  Result<std::string> logs();
  Result<std::string> verify();

  std::mutex mutex_;
  // The calls that come before the stop; guarded by mutex_.
  std::deque<std::pair<std::string, std::string>> stops_;
  WatchedOs os_;
  std::unique_ptr<Palace> palace_;
  std::unique_ptr<Snapshot> held_;  // declared last: it must not outlive the palace
};

}  // namespace aeon::test
