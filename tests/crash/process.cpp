#include "tests/crash/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace aeon::test {

Process::Process(std::vector<std::string> arguments) {
  ::signal(SIGPIPE, SIG_IGN);  // a killed process shows as an error of tell()
  int down[2];
  int up[2];
  if (::pipe2(down, O_CLOEXEC) != 0 || ::pipe2(up, O_CLOEXEC) != 0) {
    throw std::runtime_error("pipe2");
  }
  std::vector<char*> words = {const_cast<char*>(AEON_PALACE_PROCESS)};
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  id_ = ::fork();
  if (id_ == 0) {
    ::dup2(down[0], STDIN_FILENO);
    ::dup2(up[1], STDOUT_FILENO);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  ::close(down[0]);
  ::close(up[1]);
  to_ = down[1];
  from_ = up[0];
  if (id_ < 0) throw std::runtime_error("fork");
}

Process::Process(Process&& other) noexcept
    : id_(std::exchange(other.id_, 0)),
      to_(std::exchange(other.to_, -1)),
      from_(std::exchange(other.from_, -1)),
      exit_code_(other.exit_code_),
      heard_(std::move(other.heard_)) {}

Process::~Process() {
  if (running()) {
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
  if (to_ >= 0) ::close(to_);
  if (from_ >= 0) ::close(from_);
}

std::uint64_t Process::ask_number(const std::string& command) {
  const std::string answer = ask(command);
  char* end = nullptr;
  const std::uint64_t number = std::strtoull(answer.c_str(), &end, 10);
  if (answer.empty() || *end != '\0') throw std::runtime_error(command + ": " + answer);
  return number;
}

void Process::tell(const std::string& command) {
  const std::string line = command + "\n";
  if (::write(to_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("the process does not listen: " + command);
  }
}

std::string Process::hear() {
  std::size_t end;
  while ((end = heard_.find('\n')) == std::string::npos) {
    char bytes[4096];
    const ssize_t got = ::read(from_, bytes, sizeof bytes);
    if (got <= 0) throw std::runtime_error("the process ended instead of answering");
    heard_.append(bytes, static_cast<std::size_t>(got));
  }
  std::string line = heard_.substr(0, end);
  heard_.erase(0, end + 1);
  return line;
}

void Process::signal(int number) {
  if (running()) ::kill(id_, number);
}

void Process::wait_stopped() {
  int status = 0;
  if (running() && ::waitpid(id_, &status, WUNTRACED) == id_) {
    if (WIFSTOPPED(status)) return;
    note_end(status);
  }
  throw std::runtime_error("the process ended instead of stopping");
}

void Process::note_end(int status) {
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  id_ = 0;
}

bool Process::ended() {
  int status = 0;
  if (running() && ::waitpid(id_, &status, WNOHANG) == id_) note_end(status);
  return !running();
}

void Process::wait() {
  int status = 0;
  if (running() && ::waitpid(id_, &status, 0) == id_) note_end(status);
}

}  // namespace aeon::test
