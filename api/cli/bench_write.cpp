#include "api/cli/bench_write.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "api/cli/bench_machine.hpp"
#include "api/cli/interrupt.hpp"
#include "storage/os.hpp"

namespace aeon::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kRawBytes = 64U << 20;

// About what a commit of the bench takes in the log: INT8 and float16 row, content, headers.
std::size_t commit_bytes(const WriteBench& bench) {
  const std::size_t memory = 3 * std::size_t{bench.dimension} + bench.content_bytes + 80;
  return (112 + bench.batch * memory + kPage - 1) / kPage * kPage;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Writes as large as a commit, each with one fdatasync, into a file that is filled with zeros
// ahead: the least that a synced commit can cost on this disk.
class RawDisk {
 public:
  static Result<RawDisk> make(const std::string& path, std::size_t write_bytes) {
    AEON_ASSIGN(auto file, storage::real_os().open_file(path, storage::OpenMode::create));
    const std::vector<std::byte> zeros(kRawBytes);
    AEON_TRY(file->write_at(zeros, 0));
    AEON_TRY(file->sync());
    return RawDisk(std::move(file), write_bytes);
  }
  Status run(double seconds, WriteFigures& figures) {
    std::vector<std::byte> block(write_bytes_);
    const auto start = Clock::now();
    while (seconds_since(start) < seconds && !interrupted()) {
      std::ranges::fill(block, static_cast<std::byte>(figures.raw_syncs));
      const auto begin = Clock::now();
      AEON_TRY(file_->write_at(block, at_));
      AEON_TRY(file_->sync());
      figures.raw_latencies_us.push_back(seconds_since(begin) * 1e6);
      at_ = at_ + 2 * write_bytes_ <= kRawBytes ? at_ + write_bytes_ : 0;
      ++figures.raw_syncs;
    }
    figures.raw_seconds += seconds_since(start);
    return {};
  }

 private:
  RawDisk(std::unique_ptr<storage::File> file, std::size_t write_bytes)
      : file_(std::move(file)), write_bytes_(write_bytes) {}
  std::unique_ptr<storage::File> file_;
  std::size_t write_bytes_;
  std::uint64_t at_ = 0;
};

// What the writers of one round share.
struct Round {
  std::mutex mutex;
  std::vector<double> latencies_us;  // guarded by mutex
  double making_s = 0;               // time of all threads for making batches; guarded by mutex
  std::optional<Error> first_error;  // guarded by mutex
};

// Batches are made between the commits; what that took is known and taken off the round's time.
void write_until(Palace& palace, const WriteBench& bench, Clock::time_point end, std::uint64_t seed,
                 Round& round) {
  BatchSource source({bench.batch, bench.dimension, bench.content_bytes}, seed);
  std::vector<double> latencies;
  std::optional<Error> error;
  double making = 0;
  for (;;) {
    const auto made = Clock::now();
    if (made >= end || interrupted() || error) break;
    Batch batch = source.next();
    const auto start = Clock::now();
    making += std::chrono::duration<double>(start - made).count();
    auto ack = palace.commit(std::move(batch), bench.durability);
    if (ack) {
      latencies.push_back(seconds_since(start) * 1e6);
    } else {
      error = ack.error();
    }
  }
  const std::lock_guard lock(round.mutex);
  round.latencies_us.insert(round.latencies_us.end(), latencies.begin(), latencies.end());
  round.making_s += making;
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
  figures.commit_seconds += seconds_since(start) - round.making_s / bench.threads;
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
  AEON_ASSIGN(RawDisk raw, RawDisk::make(scratch.path() + "/raw", commit_bytes(bench)));
  std::vector<SpaceSpec> spaces;
  if (bench.dimension > 0) {
    spaces.push_back({.name = std::string(kBenchSpace), .dimension = bench.dimension, .model = ""});
  }
  AEON_ASSIGN(Palace palace, Palace::create(scratch.path() + "/palace", spaces));
  // What a young palace does once (growing its log files, making a spare) is not what is measured.
  WriteFigures warm_up;
  AEON_TRY(run_round(palace, bench, bench.rounds, warm_up));
  WriteFigures figures;
  for (std::uint32_t i = 0; i < bench.rounds && !interrupted(); ++i) {
    AEON_TRY(raw.run(std::min(1.0, bench.seconds / bench.rounds), figures));
    AEON_TRY(run_round(palace, bench, i, figures));
  }
  std::ranges::sort(figures.latencies_us);
  std::ranges::sort(figures.raw_latencies_us);
  AEON_ASSIGN(const Stats stats, palace.stats());
  figures.simd = stats.simd;
  figures.raw_bytes = commit_bytes(bench);
  AEON_TRY(palace.close());
  return figures;
}

}  // namespace aeon::cli
