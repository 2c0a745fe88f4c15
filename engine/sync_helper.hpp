// A thread that syncs the log while the leader of a group applies what it wrote. One leader at a
// time uses it.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "storage/result.hpp"
#include "wal/log_writer.hpp"

namespace aeon::engine {

class SyncHelper {
 public:
  // Throws std::system_error when the system gives no thread.
  SyncHelper() : thread_([this] { run(); }) {}
  SyncHelper(const SyncHelper&) = delete;
  SyncHelper& operator=(const SyncHelper&) = delete;
  ~SyncHelper();

  // Begins writer.sync(). Until wait() returns nobody else touches the writer but for position().
  void start(wal::LogWriter& writer) noexcept;
  // Blocks until that sync has ended, and gives its outcome.
  [[nodiscard]] Status wait() noexcept;

 private:
  enum State : std::uint32_t { kIdle, kAsked, kDone, kStopping };
  void run() noexcept;

  // Each store of the one thread synchronizes-with the load of the other that finds it: (1) with
  // (2), (3) with (4). What the plain members hold goes with it.
  std::atomic<std::uint32_t> state_{kIdle};
  wal::LogWriter* writer_ = nullptr;
  Status outcome_;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace aeon::engine
