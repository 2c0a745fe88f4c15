// A process that works on a palace for a test: the palace_process program, told what to do line by
// line. It dies with its test.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace aeon::test {

class Process {
 public:
  // palace_process with these arguments. Throws when it can't be started.
  explicit Process(std::vector<std::string> arguments);
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;

  // A command and its answer. Throws when the process ended instead of answering.
  std::string ask(const std::string& command) {
    tell(command);
    return hear();
  }
  std::uint64_t ask_number(const std::string& command);
  // The halves of ask, for processes that work at the same time.
  void tell(const std::string& command);
  std::string hear();

  [[nodiscard]] pid_t id() const noexcept { return id_; }
  void signal(int number);
  // Waits until it has stopped (SIGSTOP). Throws when it ended instead.
  void wait_stopped();
  // False while it runs. Once it ended: see exit_code().
  [[nodiscard]] bool ended();
  void wait();
  // Of an ended process: what it exited with, or minus the signal that ended it.
  [[nodiscard]] int exit_code() const noexcept { return exit_code_; }
  [[nodiscard]] bool running() const noexcept { return id_ > 0; }

 private:
  void note_end(int status);
  pid_t id_ = 0;
  int to_ = -1;
  int from_ = -1;
  int exit_code_ = 0;
  std::string heard_;
};

}  // namespace aeon::test
