// Background work of one opened palace, in slices on a thread of its own.
//
// A task is a function that does one slice of its work and says when it wants the next: at once
// (behind the slices of other tasks), after a rest, or when it is asked again. Between two slices
// other tasks have their turn, locks are free, and closing does not wait for the rest. The thread
// sleeps in the kernel while nothing is to do.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace aeon::engine {

class Upkeep {
 public:
  // When the next slice is due; nothing: when the task is asked.
  using Again = std::optional<std::chrono::nanoseconds>;
  using Task = std::function<Again()>;

  // `begin` is called once on the thread, first. Throws when the system gives no thread.
  explicit Upkeep(std::vector<Task> tasks, std::function<void()> begin = nullptr);
  // Stops. Not in a forked child: the thread does not exist there, and the wait would never end.
  ~Upkeep();
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;

  // A slice of that task soon; of a task that rests, at the end of its rest. Any thread. Asking
  // again before the slice begins changes nothing.
  void ask(std::size_t task) noexcept;
  // Waits for the slice that is running; no other begins any more, whoever asks.
  void stop();

 private:
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace aeon::engine
