#include "engine/upkeep.hpp"

#include <atomic>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

namespace aeon::engine {

namespace asio = boost::asio;

namespace {

// After an exception, which is out of memory.
constexpr std::chrono::seconds kRest{1};

}  // namespace

// One thread: slices never run side by side, so what belongs to a task needs no lock.
struct Upkeep::Pool {
  using Clock = std::chrono::steady_clock;
  struct Entry {
    Entry(Task work, asio::thread_pool& threads) : task(std::move(work)), timer(threads) {}
    Task task;
    // From the asking to the slice's beginning. (1) sets it, (2) clears it; each synchronizes-with
    // the other: the slice sees what was there before the asking that it answers.
    std::atomic<bool> asked{false};
    Clock::time_point due{};  // not before
    asio::steady_timer timer;
  };

  explicit Pool(std::vector<Task> tasks) {
    for (Task& task : tasks) {
      entries.push_back(std::make_unique<Entry>(std::move(task), threads));
    }
  }
  void post(Entry& entry) {
    asio::post(threads, [this, &entry] { run(entry); });
  }
  void run(Entry& entry) {
    if (Clock::now() < entry.due) return rest(entry);
    entry.asked.exchange(false, std::memory_order_acq_rel);  // (2)
    const Again again = slice_of(entry);
    if (!again) return;
    entry.due = Clock::now() + *again;
    if (entry.asked.exchange(true, std::memory_order_acq_rel)) return;  // (1), and posted
    if (*again == std::chrono::nanoseconds::zero()) return post(entry);
    rest(entry);
  }
  void rest(Entry& entry) {
    entry.timer.expires_at(entry.due);
    entry.timer.async_wait([this, &entry](const boost::system::error_code& error) {
      if (!error) run(entry);
    });
  }
  static Again slice_of(Entry& entry) {
    try {
      return entry.task();
    } catch (const std::exception&) {
      return kRest;
    }
  }

  asio::thread_pool threads{1};
  std::vector<std::unique_ptr<Entry>> entries;  // their timers need the pool
};

Upkeep::Upkeep(std::vector<Task> tasks, std::function<void()> begin)
    : pool_(std::make_unique<Pool>(std::move(tasks))) {
  if (begin) asio::post(pool_->threads, std::move(begin));
}

Upkeep::~Upkeep() { stop(); }

void Upkeep::stop() {
  pool_->threads.stop();
  pool_->threads.join();
}

void Upkeep::ask(std::size_t task) noexcept {
  Pool::Entry& entry = *pool_->entries[task];
  if (entry.asked.exchange(true, std::memory_order_acq_rel)) return;  // (1)
  try {
    pool_->post(entry);
  } catch (const std::exception&) {
    entry.asked.store(false, std::memory_order_relaxed);  // out of memory: whoever asks next
  }
}

}  // namespace aeon::engine
