// What one key costs: into a tail, out of a tail, out of one to eight runs, and what it costs to
// say that one is reading. Every bench checks what it found.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "storage/epoch.hpp"
#include "storage/run_set.hpp"

namespace {

using namespace aeon::storage;

constexpr std::size_t kEntries = 50'000;
constexpr std::size_t kReserve = std::size_t{1} << 30;
constexpr PalaceUuid kPalace{1, 2};

// 29 bytes with the commit: table, tenant, id.
std::string user_key(std::uint64_t id) {
  std::string key;
  KeyEncoder(key).u8(1).u32(7).u64(id).u64(id * 0x9e3779b97f4a7c15);
  return key;
}

std::string full_key(std::uint64_t id, std::uint64_t commit) {
  std::string key = user_key(id);
  append_commit(key, commit);
  return key;
}

std::vector<std::uint64_t> shuffled_ids(std::size_t count) {
  std::vector<std::uint64_t> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = i;
  std::shuffle(ids.begin(), ids.end(), std::mt19937_64(42));
  return ids;
}

void insert_keys(benchmark::State& state, bool ascending) {
  std::vector<std::string> keys;
  for (const std::uint64_t id : shuffled_ids(kEntries)) keys.push_back(full_key(id, 1));
  if (ascending) std::sort(keys.begin(), keys.end());
  const std::string value(40, 'v');
  std::unique_ptr<RunTail> tail;
  std::size_t at = kEntries;
  for (auto _ : state) {
    if (at == kEntries) {
      state.PauseTiming();
      tail = std::make_unique<RunTail>(kReserve);
      at = 0;
      state.ResumeTiming();
    }
    if (!tail->insert(keys[at++], value)) state.SkipWithError("insert failed");
  }
  state.counters["bytes_per_entry"] =
      static_cast<double>(tail->used_bytes()) / static_cast<double>(tail->entries());
}
void insert_ascending(benchmark::State& state) { insert_keys(state, true); }
void insert_random(benchmark::State& state) { insert_keys(state, false); }
BENCHMARK(insert_ascending);
BENCHMARK(insert_random);

// Looks ids up in an order that no cache foresees.
void look_up(benchmark::State& state, const RunSet& set, std::size_t ids) {
  std::vector<std::string> keys;
  for (const std::uint64_t id : shuffled_ids(ids)) keys.push_back(user_key(id));
  LookupScratch scratch;
  std::size_t at = 0;
  for (auto _ : state) {
    const auto found = set.newest(keys[at], 100, scratch);
    if (!found || !found->has_value()) state.SkipWithError("not found");
    benchmark::DoNotOptimize((*found)->value.data());
    at = at + 1 == keys.size() ? 0 : at + 1;
  }
}

void newest_in_tail(benchmark::State& state) {
  RunTail tail(kReserve);
  for (const std::uint64_t id : shuffled_ids(kEntries)) {
    if (!tail.insert(full_key(id, 1), std::string(40, 'v'))) state.SkipWithError("insert failed");
  }
  RunSet set;
  set.add(tail);
  look_up(state, set, kEntries);
}
BENCHMARK(newest_in_tail);

// Segments in a directory that goes with them.
struct RunFiles {
  RunFiles() {
    std::string pattern = (std::filesystem::temp_directory_path() / "aeon-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) directory = pattern;
  }
  ~RunFiles() {
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  }

  // A run with the ids first, first + step, ... below `end`.
  bool write(std::uint64_t first, std::uint64_t step, std::uint64_t end) {
    auto writer =
        SegmentWriter::create(real_os(), directory, kPalace, FileKind::segment, ++files, 1, 1);
    if (!writer) return false;
    auto builder = RunBuilder::create(**writer);
    if (!builder) return false;
    for (std::uint64_t id = first; id < end; id += step) {
      if (!builder->add(full_key(id, 1), std::string(40, 'v'))) return false;
    }
    if (!builder->finish()) return false;
    const auto info = (*writer)->finish();
    if (!info) return false;
    auto segment = Segment::open(real_os(), directory, kPalace, FileKind::segment, *info);
    if (!segment) return false;
    segments.push_back(*segment);
    segments.back()->populate();
    const auto run = RunReader::open(*segments.back());
    if (run) set.add(*run);
    return run.has_value();
  }

  std::string directory;
  std::uint64_t files = 0;
  std::deque<std::shared_ptr<const Segment>> segments;
  RunSet set;
};

// Every id lies in one of the runs, so that a hit asks half of them on average.
void newest_in_runs(benchmark::State& state) {
  const auto runs = static_cast<std::uint64_t>(state.range(0));
  RunFiles files;
  for (std::uint64_t run = 0; run < runs; ++run) {
    if (!files.write(run, runs, kEntries)) state.SkipWithError("no run");
  }
  look_up(state, files.set, kEntries);
}
BENCHMARK(newest_in_runs)->RangeMultiplier(2)->Range(1, 8);

void epoch_guard(benchmark::State& state) {
  static EpochDomain domain;
  for (auto _ : state) {
    const auto guard = domain.enter();
    benchmark::ClobberMemory();
  }
}
BENCHMARK(epoch_guard)->Threads(1)->Threads(2);

// Retiring one object and reclaiming it, with a heavy fence each time.
void epoch_retire_reclaim(benchmark::State& state) {
  EpochDomain domain;
  for (auto _ : state) {
    domain.retire(new int(1));
    if (domain.try_reclaim() != 1) state.SkipWithError("not freed");
  }
}
BENCHMARK(epoch_retire_reclaim);

}  // namespace

BENCHMARK_MAIN();
