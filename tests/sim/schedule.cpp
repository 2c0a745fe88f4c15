#include "tests/sim/schedule.hpp"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

namespace aeon::test {

namespace {

constexpr std::size_t kStackBytes = 256 << 10;
constexpr std::size_t kMostBuffered = 8;
// A run this long is a loop that waits for a thread that is not let go on.
constexpr std::uint64_t kMostSteps = 20'000;

Machine* machine = nullptr;
std::uint64_t runs = 0;
// Stacks are used again, so that a run costs no system call for them.
std::vector<std::unique_ptr<std::byte[]>> free_stacks;

std::unique_ptr<std::byte[]> take_stack() {
  if (free_stacks.empty()) return std::make_unique<std::byte[]>(kStackBytes);
  auto stack = std::move(free_stacks.back());
  free_stacks.pop_back();
  return stack;
}

}  // namespace

struct Machine::Fiber {
  std::function<void()> body;
  std::unique_ptr<std::byte[]> stack = take_stack();
  ucontext_t context{};
  bool ended = false;
  std::vector<std::pair<const void*, std::shared_ptr<void>>> locals;
};

void Clock::join(const Clock& other) noexcept {
  for (std::size_t i = 0; i < kMostThreads; ++i) ticks[i] = std::max(ticks[i], other.ticks[i]);
}

Machine::Machine(Chooser& chooser, Stores stores)
    : chooser_(chooser), stores_(stores), run_(++runs) {
  assert(machine == nullptr);
  machine = this;
  tick();
}

Machine::~Machine() {
  for (auto& fiber : fibers_) free_stacks.push_back(std::move(fiber->stack));
  machine = nullptr;
}

Machine* Machine::current() noexcept { return machine; }

void Machine::fail(std::string what) {
  if (failure_.empty()) failure_ = std::move(what);
}

void Machine::spawn(std::function<void()> body) {
  assert(fibers_.size() + 1 < kMostThreads);
  auto fiber = std::make_unique<Fiber>();
  fiber->body = std::move(body);
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack.get();
  fiber->context.uc_stack.ss_size = kStackBytes;
  fiber->context.uc_link = &home_;
  makecontext(&fiber->context, &Machine::enter_fiber, 0);
  fibers_.push_back(std::move(fiber));
}

void Machine::run() {
  for (std::size_t i = 1; i <= fibers_.size(); ++i) {
    clocks_[i] = clocks_[0];
    ++clocks_[i].ticks[i];
  }
  tick();
  running_ = 0;
  const Choice first = next_choice();
  running_ = first.thread;
  swapcontext(&home_, &fibers_[first.thread - 1]->context);
  // All have ended and their buffers are empty; what they did lies before what comes now.
  running_ = 0;
  for (std::size_t i = 1; i <= fibers_.size(); ++i) clocks_[0].join(clocks_[i]);
}

void Machine::enter_fiber() {
  Machine& self = *machine;
  self.fibers_[self.running_ - 1]->body();
  self.end_fiber();
}

// The last to end returns to run() through uc_link; the others hand over here.
void Machine::end_fiber() {
  Fiber& fiber = *fibers_[running_ - 1];
  while (!fiber.locals.empty()) {
    // Out of the list only afterwards: a destructor may ask for other objects of its thread.
    const auto last = fiber.locals.size() - 1;
    std::shared_ptr<void> dying = std::move(fiber.locals[last].second);
    dying.reset();
    if (fiber.locals.size() == last + 1) fiber.locals.pop_back();
  }
  fiber.ended = true;
  for (;;) {
    const Choice next = next_choice();
    if (next.thread == 0) return;
    running_ = next.thread;
    setcontext(&fibers_[next.thread - 1]->context);
  }
}

std::shared_ptr<void>& Machine::local(const void* type) {
  auto& locals = fibers_[running_ - 1]->locals;
  for (auto& [known, object] : locals) {
    if (known == type) return object;
  }
  return locals.emplace_back(type, nullptr).second;
}

// Lets stores out until it is a thread's turn, and says whose; thread 0 when all is done.
Choice Machine::next_choice() {
  for (;;) {
    std::array<Choice, 2 * kMostThreads> options;
    std::size_t count = 0;
    const auto can_step = [this](std::size_t i) { return !fibers_[i - 1]->ended; };
    const bool free = running_ == 0 || !can_step(running_);
    if (!free) options[count++] = {running_, false};
    for (std::size_t i = 1; i <= fibers_.size(); ++i) {
      if (i != running_ && can_step(i)) options[count++] = {i, false};
    }
    for (std::size_t i = 1; i <= fibers_.size(); ++i) {
      if (!buffers_[i].empty()) options[count++] = {i, true};
    }
    if (count == 0) return {0, false};
    ++steps_;
    const std::size_t chosen =
        count == 1 ? 0 : chooser_.choose(std::span(options).first(count), free);
    assert(chosen < count);
    if (!options[chosen].drain) return options[chosen];
    drain_one(options[chosen].thread);
  }
}

void Machine::take_turns() {
  if (steps_ > kMostSteps) {
    fail("a thread goes round and round without the others");
    return;  // to the end on its own, with what it finds
  }
  const std::size_t before = running_;
  const Choice next = next_choice();
  if (next.thread == before) return;
  running_ = next.thread;
  swapcontext(&fibers_[before - 1]->context, &fibers_[next.thread - 1]->context);
}

void Machine::settle(Cell& cell, std::uint64_t bits, bool release, const Clock& clock) {
  cell.bits = bits;
  cell.run = run_;
  cell.released = release ? clock : Clock{};
}

void Machine::drain_one(std::size_t thread) {
  const Buffered store = buffers_[thread].front();
  buffers_[thread].pop_front();
  settle(*store.cell, store.bits, store.release, store.clock);
}

void Machine::drain(std::size_t thread) {
  while (!buffers_[thread].empty()) drain_one(thread);
}

std::uint64_t Machine::load(Cell& cell, bool acquire) {
  if (running_ != 0) take_turns();
  const auto& buffer = buffers_[running_];
  const auto own = std::find_if(buffer.rbegin(), buffer.rend(),
                                [&](const Buffered& store) { return store.cell == &cell; });
  if (own != buffer.rend()) return own->bits;
  if (acquire && cell.run == run_) clocks_[running_].join(cell.released);
  return cell.bits;
}

void Machine::store(Cell& cell, std::uint64_t bits, bool release, bool drains) {
  if (running_ != 0) take_turns();
  tick();
  if (running_ == 0 || stores_ == Stores::at_once || drains) {
    drain(running_);
    settle(cell, bits, release, clock());
    return;
  }
  auto& buffer = buffers_[running_];
  if (buffer.size() == kMostBuffered) drain_one(running_);
  buffer.push_back({&cell, bits, release, clock()});
}

std::uint64_t Machine::modify(
    Cell& cell, bool acquire, bool release,
    const std::function<bool(std::uint64_t before, std::uint64_t& after)>& next) {
  if (running_ != 0) take_turns();
  drain(running_);
  const std::uint64_t before = cell.bits;
  std::uint64_t after = before;
  const bool changes = next(before, after);
  if (acquire && cell.run == run_) clocks_[running_].join(cell.released);
  if (!changes) return before;
  tick();
  // A read-modify-write goes on with what the store before it released.
  if (cell.run != run_) cell.released = {};
  if (release) cell.released.join(clock());
  cell.bits = after;
  cell.run = run_;
  return before;
}

void Machine::fence() {
  if (running_ != 0) take_turns();
  drain(running_);
}

void Machine::fence_process() {
  fence();
  for (std::size_t i = 0; i < kMostThreads; ++i) drain(i);
}

bool PlainAccess::begin(const char* what, bool writes) {
  Machine* const here = Machine::current();
  if (here == nullptr) return false;
  if (run_ != here->run_number()) {
    run_ = here->run_number();
    reads_ = {};
    writes_ = {};
  }
  if (destroyed_) here->fail(fmt::format("{}: used after its end", what));
  const std::size_t self = here->thread();
  for (std::size_t i = 0; i < kMostThreads; ++i) {
    const bool after_writes = writes_.ticks[i] <= here->clock().ticks[i];
    const bool after_reads = !writes || reads_.ticks[i] <= here->clock().ticks[i];
    if (i == self || (after_writes && after_reads)) continue;
    here->fail(fmt::format("{}: thread {} {} it unordered with thread {}", what, self,
                           writes ? "changes" : "reads", i));
  }
  here->tick();
  (writes ? writes_ : reads_).ticks[self] = here->clock().ticks[self];
  return true;
}

void PlainAccess::read(const char* what) { (void)begin(what, false); }
void PlainAccess::write(const char* what) { (void)begin(what, true); }
void PlainAccess::destroy(const char* what) {
  (void)begin(what, true);
  destroyed_ = true;
}

}  // namespace aeon::test
