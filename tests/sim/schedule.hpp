// A machine whose threads take turns as a test decides: every atomic access is a place where
// another thread may go on. The threads are fibers of one real thread, so a run is exactly
// reproduced by the choices made in it.
//
// Two more things make it strict:
//   - A store buffer per thread (x86's total store order): a store that is not a read-modify-write
//     lies in its thread's buffer, seen by that thread only, until a fence, a read-modify-write or
//     the choice of the explorer lets it out. What only a missing store-load fence breaks, breaks.
//   - Happens-before by vector clocks, by the language's rules and not by what the processor does:
//     an unordered pair of accesses to a Plain is a race even where no run shows its effect. So a
//     release or acquire that is missing is found although this model never reorders two stores.
// Not modelled: loads that read old values other than through the buffers, weak exchanges that fail
// for nothing, what fences add to happens-before (so code may not lean on it).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <ucontext.h>

namespace aeon::test {

inline constexpr std::size_t kMostThreads = 6;  // of a run, the one that sets up included

// How far a thread has got, as seen by each thread.
struct Clock {
  std::array<std::uint32_t, kMostThreads> ticks{};

  void join(const Clock& other) noexcept;
};

// What an atomic is to the machine. Trivial, so that it may lie in memory that is never destroyed.
struct Cell {
  std::uint64_t bits = 0;
  std::uint64_t run = 0;  // the run that `released` belongs to; older ones are settled
  Clock released{};       // what a load that acquires learns
};

// One thing that may happen next.
struct Choice {
  std::size_t thread = 0;
  bool drain =
      false;  // the oldest store of the thread's buffer reaches memory, else it takes a step
};

// Decides. `options[0]` costs nothing: the thread that ran last goes on, if it can.
class Chooser {
 public:
  virtual ~Chooser() = default;
  // `free`: the last thread has ended, so that any thread is as good as another.
  virtual std::size_t choose(std::span<const Choice> options, bool free) = 0;
};

class Machine {
 public:
  enum class Stores : std::uint8_t { at_once, buffered };

  Machine(Chooser& chooser, Stores stores);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // The machine whose run the caller is part of, or null.
  [[nodiscard]] static Machine* current() noexcept;

  // What a test puts in: threads, started together by run(). A thread that waits for another would
  // hang: use loops that end.
  void spawn(std::function<void()> body);
  void run();

  // The first thing that went wrong, empty when nothing did.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
  void fail(std::string what);
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }
  [[nodiscard]] std::uint64_t run_number() const noexcept { return run_; }

  // For the atomics (sim_atomics.hpp).
  [[nodiscard]] std::uint64_t load(Cell& cell, bool acquire);
  void store(Cell& cell, std::uint64_t bits, bool release, bool drains);
  // Atomically replaces by `next` of what is there and returns what was; `next` says nothing when
  // the exchange is off.
  [[nodiscard]] std::uint64_t modify(
      Cell& cell, bool acquire, bool release,
      const std::function<bool(std::uint64_t before, std::uint64_t& after)>& next);
  void fence();          // full, of the running thread
  void fence_process();  // full, of all threads
  // For Plain.
  [[nodiscard]] std::size_t thread() const noexcept { return running_; }
  [[nodiscard]] const Clock& clock() const noexcept { return clocks_[running_]; }
  void tick() noexcept { ++clocks_[running_].ticks[running_]; }
  // The running thread's one object of a type; destroyed when the thread ends.
  [[nodiscard]] std::shared_ptr<void>& local(const void* type);

 private:
  struct Fiber;
  struct Buffered {
    Cell* cell;
    std::uint64_t bits;
    bool release;
    Clock clock;
  };

  void take_turns();
  void settle(Cell& cell, std::uint64_t bits, bool release, const Clock& clock);
  void drain_one(std::size_t thread);
  void drain(std::size_t thread);
  [[nodiscard]] Choice next_choice();
  void end_fiber();
  static void enter_fiber();

  Chooser& chooser_;
  const Stores stores_;
  const std::uint64_t run_;
  std::vector<std::unique_ptr<Fiber>> fibers_;  // thread 0 has none: it sets up
  std::array<std::deque<Buffered>, kMostThreads> buffers_;
  std::array<Clock, kMostThreads> clocks_{};
  std::size_t running_ = 0;
  std::uint64_t steps_ = 0;
  ucontext_t home_{};
  std::string failure_;
};

// Memory that is not atomic: reports unordered accesses, and reads after `destroy`.
class PlainAccess {
 public:
  void read(const char* what);
  void write(const char* what);
  // A write after which nothing may come.
  void destroy(const char* what);

 private:
  [[nodiscard]] bool begin(const char* what, bool writes);
  std::uint64_t run_ = 0;
  bool destroyed_ = false;
  Clock reads_{};
  Clock writes_{};
};

template <typename T>
class Plain {
 public:
  explicit Plain(const char* name, T value = {}) : name_(name), value_(value) {}
  [[nodiscard]] T get() const {
    access_.read(name_);
    return value_;
  }
  void set(T value) {
    access_.write(name_);
    value_ = value;
  }
  void destroy() { access_.destroy(name_); }

 private:
  const char* name_;
  T value_;
  mutable PlainAccess access_;
};

}  // namespace aeon::test
