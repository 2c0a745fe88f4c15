// A process that does part of a bench and talks with the one that started it, line by line.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "storage/result.hpp"

namespace aeon::cli {

inline constexpr std::string_view kEndOfTalk = "end";

// One end of the talk.
class Talk {
 public:
  Talk(int from, int to);
  Talk(Talk&&) noexcept = default;
  // Errors: io_error when the other side is gone.
  [[nodiscard]] Status say(const std::string& line);
  [[nodiscard]] Result<std::string> hear();
  [[nodiscard]] Result<std::string> ask(const std::string& line);

 private:
  using Stream = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
  Stream from_;
  Stream to_;
};

class ChildProcess {
 public:
  // Forks: the caller has one thread and no palace open. The child does `work` and ends; an error
  // of it is what the parent hears then. Errors: io_error.
  [[nodiscard]] static Result<ChildProcess> start(const std::function<Status(Talk&)>& work);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  // Says kEndOfTalk, at which the child's work must end, and waits for that.
  ~ChildProcess();
  [[nodiscard]] Talk& talk() noexcept { return *talk_; }

 private:
  ChildProcess(pid_t id, std::unique_ptr<Talk> talk) : id_(id), talk_(std::move(talk)) {}
  pid_t id_;
  std::unique_ptr<Talk> talk_;
};

}  // namespace aeon::cli
