// What the read path asks of the system: nothing. A reader recalls, looks up and takes snapshots
// while others write, checkpoint and merge; once it is warm its thread makes no system call, takes
// no lock and allocates nothing.
#include <catch2/catch.hpp>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/thread_counts.hpp"

using namespace aeon;

namespace {

constexpr std::uint32_t kDimension = 16;
constexpr std::uint64_t kFirstMemories = 300;
constexpr std::uint64_t kMostMemories = 1000;
// The reader compares every version there is, so the writer goes at the reader's pace.
constexpr std::uint64_t kRoundsACommit = 256;
constexpr std::uint64_t kReadsARound = 4;  // see Reader::round

std::uint64_t wanted_reads() {
  const char* const asked = std::getenv("AEON_READS");
  return asked == nullptr ? 1'000'000 : std::strtoull(asked, nullptr, 10);
}

Batch one_memory(std::uint64_t number) {
  std::mt19937_64 random(number);
  std::normal_distribution<float> normal;
  NewMemory memory;
  memory.key = fmt::format("key {}", number);
  memory.content = "a content that stays in place";
  memory.session = fmt::format("s{}", number % 7);
  NewVector vector{"v", std::vector<float>(kDimension), ""};
  for (float& value : vector.values) value = normal(random);
  memory.vectors.push_back(std::move(vector));
  Batch batch;
  batch.remember(std::move(memory));
  return batch;
}

struct Load {
  explicit Load(Palace& opened) : palace(opened) {}
  Palace& palace;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> rounds{0};  // of the reader
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> checkpoints{0};
  std::atomic<std::uint64_t> merges{0};
  std::atomic<std::uint64_t> failures{0};
};

// New memories up to a number, then new versions of them.
void write_memories(Load& load) {
  for (std::uint64_t number = kFirstMemories; !load.stop.load(); ++number) {
    const auto ack = load.palace.commit(one_memory(number % kMostMemories), Durability::process);
    if (!ack) load.failures.fetch_add(1);
    load.commits.fetch_add(1);
    while (!load.stop.load() && load.commits.load() * kRoundsACommit > load.rounds.load()) {
      std::this_thread::yield();
    }
  }
}

void keep_up(Load& load) {
  while (!load.stop.load()) {
    if (!load.palace.checkpoint()) load.failures.fetch_add(1);
    if (load.checkpoints.fetch_add(1) % 4 != 3) continue;
    if (!load.palace.compact()) load.failures.fetch_add(1);
    load.merges.fetch_add(1);
  }
}

class Reader {
 public:
  explicit Reader(Palace& palace) : palace_(palace), vector_(kDimension, 0.5F) {
    query_.space = "v";
    query_.vector = vector_;
    query_.k = 10;
    for (std::uint64_t number = 0; number < kFirstMemories; ++number) {
      keys_.push_back(fmt::format("key {}", number));
    }
  }
  // A snapshot that is taken and given back, and in it a lookup, a content, a recall by a vector,
  // and now and then one by words and one by both; they take longer. False when one of them fails.
  bool round(std::uint64_t number) {
    vector_[number % kDimension] = static_cast<float>(number % 17) - 8.25F;
    const Snapshot snapshot = palace_.snapshot();
    const auto found = snapshot.find_key("", keys_[number % keys_.size()]);
    if (!found) return false;
    const auto content = snapshot.view_content(*found);
    if (!content || !snapshot.recall(query_, answer_) || answer_.hits.size() != query_.k) {
      return false;
    }
    if (number % 64 != 0) return true;
    Query words{.text =
                    number % 128 == 0 ? "contents of a place" : "+stays pl* \"in place\" content"};
    words.preset = number % 192 == 0 ? kWordsPreset : kDialoguePreset;
    if (!snapshot.recall(words, answer_) || answer_.hits.size() != words.k) return false;
    words.vector = vector_;
    words.model = query_.model;
    words.space = query_.space;
    return snapshot.recall(words, answer_) && answer_.hits.size() == words.k;
  }

 private:
  Palace& palace_;
  std::vector<float> vector_;
  std::vector<std::string> keys_;
  Query query_;
  Answer answer_;
};

struct Figures {
  bool filtered = false;
  bool doors_count = false;
  std::uint64_t rounds = 0;
  std::uint64_t failures = 0;
  test::ThreadCounts before;
  test::ThreadCounts after;
  std::string calls;
};

// Does every door count? Otherwise none of it would prove anything.
bool doors_count() {
  const test::ThreadCounts before = test::thread_counts();
  std::mutex mutex;
  const std::lock_guard lock(mutex);
  (void)::getppid();
  void* volatile memory = std::malloc(100);  // NOLINT: the door itself is asked
  std::free(memory);
  const test::ThreadCounts after = test::thread_counts();
  return after.locks > before.locks && after.allocations > before.allocations &&
         after.system_calls > before.system_calls;
}

void read_warm(Load& load, std::uint64_t rounds, Figures& figures) {
  Reader reader(load.palace);
  const auto round = [&] { figures.failures += reader.round(load.rounds.fetch_add(1)) ? 0 : 1; };
  // Warm: views of every kind were met, often enough for the buffers to have their size.
  for (std::uint64_t i = 0; i < 20'000 || load.merges.load() < 20 || load.commits.load() < 50;
       ++i) {
    round();
  }
  figures.filtered = test::count_system_calls();
  figures.doors_count = doors_count();
  test::forget_system_calls();
  figures.before = test::thread_counts();
  const std::uint64_t merges = load.merges.load();
  // Long enough for merges to pass by as well.
  while (figures.rounds < rounds || load.merges.load() < merges + 2) {
    round();
    ++figures.rounds;
  }
  figures.after = test::thread_counts();
  figures.calls = test::system_calls_made();
}

}  // namespace

TEST_CASE("a warm reader makes no system call, takes no lock and allocates nothing under load") {
  const test::TempDirectory scratch;
  auto palace = Palace::create(scratch.path() + "/palace",
                               {{.name = "v", .dimension = kDimension, .model = ""}});
  REQUIRE(palace.has_value());
  for (std::uint64_t number = 0; number < kFirstMemories; ++number) {
    REQUIRE(palace->commit(one_memory(number), Durability::process).has_value());
  }
  Load load(*palace);
  Figures figures;
  const std::uint64_t rounds = wanted_reads() / kReadsARound + 1;
  std::thread writer(write_memories, std::ref(load));
  std::thread upkeep(keep_up, std::ref(load));
  std::thread reader(read_warm, std::ref(load), rounds, std::ref(figures));
  reader.join();
  load.stop.store(true);
  writer.join();
  upkeep.join();
  fmt::print(
      "{} reads beside {} commits, {} checkpoints, {} merges: {} system calls, {} locks, {} "
      "allocations, {} page faults\n",
      figures.rounds * kReadsARound, load.commits.load(), load.checkpoints.load(),
      load.merges.load(), figures.after.system_calls - figures.before.system_calls,
      figures.after.locks - figures.before.locks,
      figures.after.allocations - figures.before.allocations,
      figures.after.faults - figures.before.faults);
  REQUIRE(figures.filtered);
  REQUIRE(figures.doors_count);
  CHECK(load.failures.load() == 0);
  CHECK(figures.failures == 0);
  INFO("system calls by number:" << figures.calls);
  CHECK(figures.after.system_calls == figures.before.system_calls);
  CHECK(figures.after.locks == figures.before.locks);
  CHECK(figures.after.allocations == figures.before.allocations);
}
