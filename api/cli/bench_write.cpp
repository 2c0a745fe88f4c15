#include "api/cli/bench_write.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "api/cli/interrupt.hpp"
#include "storage/os.hpp"

namespace aeon::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kRawBytes = 16U << 20;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A directory that goes, with all that is in it, at the end of its scope.
class Scratch {
 public:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One block and one fdatasync after the other, into a file that is filled with zeros ahead: the
// least that a synced commit can cost on this disk.
class RawDisk {
 public:
  static Result<RawDisk> make(const std::string& path) {
    AEON_ASSIGN(auto file, storage::real_os().open_file(path, storage::OpenMode::create));
    const std::vector<std::byte> zeros(kRawBytes);
    AEON_TRY(file->write_at(zeros, 0));
    AEON_TRY(file->sync());
    return RawDisk(std::move(file));
  }
  Status run(double seconds, WriteFigures& figures) {
    std::array<std::byte, kBlock> block{};
    const auto start = Clock::now();
    while (seconds_since(start) < seconds && !interrupted()) {
      block.fill(static_cast<std::byte>(at_ / kBlock));
      AEON_TRY(file_->write_at(block, at_));
      AEON_TRY(file_->sync());
      at_ = (at_ + kBlock) % kRawBytes;
      ++figures.raw_syncs;
    }
    figures.raw_seconds += seconds_since(start);
    return {};
  }

 private:
  explicit RawDisk(std::unique_ptr<storage::File> file) : file_(std::move(file)) {}
  std::unique_ptr<storage::File> file_;
  std::uint64_t at_ = 0;
};

Batch random_batch(const WriteBench& bench, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  Batch batch;
  for (std::uint32_t i = 0; i < bench.batch; ++i) {
    NewMemory memory;
    memory.content.resize(bench.content_bytes);
    for (char& c : memory.content) c = static_cast<char>('a' + random() % 26);
    NewVector& vector = memory.vectors.emplace_back();
    vector.space = "bench";
    vector.values.resize(bench.dimension);
    for (float& value : vector.values) value = normal(random);
    batch.remember(std::move(memory));
  }
  return batch;
}

// What the writers of one round share.
struct Round {
  std::mutex mutex;
  std::vector<double> latencies_us;  // guarded by mutex
  std::optional<Error> first_error;  // guarded by mutex
};

// Batches are made outside the measured time of a commit, but inside that of the round.
void write_until(Palace& palace, const WriteBench& bench, Clock::time_point end, std::uint64_t seed,
                 Round& round) {
  std::mt19937_64 random(seed);
  std::vector<double> latencies;
  std::optional<Error> error;
  while (Clock::now() < end && !interrupted() && !error) {
    Batch batch = random_batch(bench, random);
    const auto start = Clock::now();
    auto ack = palace.commit(std::move(batch), bench.durability);
    if (ack) {
      latencies.push_back(seconds_since(start) * 1e6);
    } else {
      error = ack.error();
    }
  }
  const std::lock_guard lock(round.mutex);
  round.latencies_us.insert(round.latencies_us.end(), latencies.begin(), latencies.end());
  if (error && !round.first_error) round.first_error = error;
}

Status run_round(Palace& palace, const WriteBench& bench, std::uint64_t seed,
                 WriteFigures& figures) {
  Round round;
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(bench.seconds / bench.rounds));
  {
    std::vector<std::jthread> writers;
    for (std::uint32_t i = 0; i < bench.threads; ++i) {
      writers.emplace_back(
          [&, i] { write_until(palace, bench, end, seed * bench.threads + i, round); });
    }
  }
  figures.commit_seconds += seconds_since(start);
  figures.commits += round.latencies_us.size();
  figures.latencies_us.insert(figures.latencies_us.end(), round.latencies_us.begin(),
                              round.latencies_us.end());
  if (round.first_error) return std::unexpected(*round.first_error);
  return {};
}

}  // namespace

Result<WriteFigures> bench_write(const std::string& directory, const WriteBench& bench) {
  storage::Os& os = storage::real_os();
  const Scratch scratch(fmt::format("{}/aeon-bench-{}", directory, os.process_id()));
  AEON_TRY(os.make_directory(scratch.path()));
  AEON_ASSIGN(RawDisk raw, RawDisk::make(scratch.path() + "/raw"));
  const SpaceSpec space{.name = "bench", .dimension = bench.dimension, .model = ""};
  AEON_ASSIGN(Palace palace, Palace::create(scratch.path() + "/palace", {space}));
  WriteFigures figures;
  for (std::uint32_t i = 0; i < bench.rounds && !interrupted(); ++i) {
    AEON_TRY(raw.run(std::min(1.0, bench.seconds / bench.rounds), figures));
    AEON_TRY(run_round(palace, bench, i, figures));
  }
  std::ranges::sort(figures.latencies_us);
  AEON_ASSIGN(const Stats stats, palace.stats());
  figures.simd = stats.simd;
  AEON_TRY(palace.close());
  return figures;
}

}  // namespace aeon::cli
