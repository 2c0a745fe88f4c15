#include "api/cli/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace aeon::cli {
namespace {

// Begins the line with which a child reports an error.
constexpr char kErrorMark = '!';

std::unexpected<Error> gone() {
  return fail(Errc::io_error, "a process of the bench ended before its time");
}

}  // namespace

Talk::Talk(int from, int to) : from_(fdopen(from, "r"), &fclose), to_(fdopen(to, "w"), &fclose) {}

Status Talk::say(const std::string& line) {
  const bool said = std::fputs((line + "\n").c_str(), to_.get()) >= 0 && fflush(to_.get()) == 0;
  return said ? Status{} : gone();
}

Result<std::string> Talk::hear() {
  char* text = nullptr;
  std::size_t size = 0;
  const ssize_t length = getline(&text, &size, from_.get());
  const std::unique_ptr<char, void (*)(void*)> owner(text, &std::free);
  if (length <= 0) return gone();
  std::string line(text, static_cast<std::size_t>(length) - 1);
  if (line.starts_with(kErrorMark)) return fail(Errc::io_error, line.substr(1));
  return line;
}

Result<std::string> Talk::ask(const std::string& line) {
  AEON_TRY(say(line));
  return hear();
}

Result<ChildProcess> ChildProcess::start(const std::function<Status(Talk&)>& work) {
  int down[2];
  int up[2];
  if (pipe2(down, O_CLOEXEC) != 0) return std::unexpected(os_error(errno, "pipe2"));
  if (pipe2(up, O_CLOEXEC) != 0) return std::unexpected(os_error(errno, "pipe2"));
  const pid_t id = fork();
  if (id < 0) return std::unexpected(os_error(errno, "fork"));
  close(id == 0 ? down[1] : down[0]);
  close(id == 0 ? up[0] : up[1]);
  if (id != 0) return ChildProcess(id, std::make_unique<Talk>(up[0], down[1]));
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Talk talk(down[0], up[1]);
  const Status done = work(talk);
  if (!done) (void)talk.say(kErrorMark + done.error().message);
  _exit(done ? 0 : 1);  // what the parent had not written yet is the parent's
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : id_(std::exchange(other.id_, 0)), talk_(std::move(other.talk_)) {}

ChildProcess::~ChildProcess() {
  if (id_ == 0) return;
  // Not by closing the talk alone: children that were started later hold copies of its ends.
  (void)talk_->say(std::string(kEndOfTalk));
  talk_.reset();
  while (waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace aeon::cli
