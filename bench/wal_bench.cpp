// What the log costs, one JSON line a figure. Rates of synced commits are printed beside R, the
// rate of bare write + fdatasync into a zero-filled file, measured in alternating rounds on the
// same disk. Each line carries a proof of work (chain value, bytes, syncs).
//
//   wal_bench [--smoke] [--dir DIR]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "storage/codec.hpp"
#include "storage/os.hpp"
#include "wal/commit_queue.hpp"
#include "wal/log_reader.hpp"
#include "wal/log_writer.hpp"

namespace {

using namespace aeon;

constexpr std::size_t kPayload = 200;
storage::Os& os = storage::real_os();

template <typename T>
T must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "wal_bench: {}\n", result.error().message);
    std::exit(3);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

double seconds_of(const std::function<void()>& work) {
  const std::int64_t start = os.monotonic_ns();
  work();
  return static_cast<double>(os.monotonic_ns() - start) * 1e-9;
}

double quantile(std::vector<double>& values, double q) {
  const auto at = static_cast<std::size_t>(q * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(at));
  return values[at];
}

// A log whose current file has the full size, as that of a palace that has run for a while.
struct GrownLog {
  explicit GrownLog(const std::string& directory, bool smoke) : place{directory, {1, 2}} {
    must(os.make_directory(directory));
    start = must(wal::create_log(os, place, 1, 1, 0, wal::genesis_chain(place.palace)));
    wal::LogEnd end;
    end.position = start;
    writer = must(wal::LogWriter::open(os, place, end));
    for (int i = 0; i < (smoke ? 1 : 4); ++i) rotate();
  }
  void rotate() {
    must(writer->rotate(wal::Urgency::ordinary, wal::FileSource::any));
    must(wal::retire_log(os, place.directory, writer->position().log - 1, false));
    start = writer->position();
  }
  void append(std::string_view payload) {
    auto commit =
        wal::PreparedCommit::prepare(storage::as_bytes(payload), os.random_u64(), 1, 2, 3, 4);
    wal::PreparedCommit* const group[] = {&commit};
    must(writer->append(group, wal::Urgency::ordinary));
  }
  [[nodiscard]] std::string proof() const {
    return fmt::format(R"("chain":"{:016x}","bytes":{},"syncs":{})", writer->position().chain.low,
                       writer->counters().bytes, writer->counters().syncs);
  }

  wal::LogPlace place;
  wal::LogPosition start;
  std::unique_ptr<wal::LogWriter> writer;
};

// Bare synced writes into a zero-filled file, each at the next 4 KiB boundary.
class RawFile {
 public:
  RawFile(const std::string& path, std::uint64_t bytes) : bytes_(bytes) {
    file_ = must(os.open_file(path, storage::OpenMode::create));
    const std::vector<std::byte> zeros(1u << 20);
    for (std::uint64_t at = 0; at < bytes; at += zeros.size()) must(file_->write_at(zeros, at));
    must(file_->sync());
  }
  void write_and_sync() {
    const std::vector<std::byte> frame(wal::frame_bytes(kPayload), std::byte{7});
    must(file_->write_at(frame, at_));
    must(file_->sync());
    at_ = (at_ + 4096) % bytes_;
  }

 private:
  std::unique_ptr<storage::File> file_;
  std::uint64_t bytes_;
  std::uint64_t at_ = 0;
};

void bench_encode(bool smoke) {
  const int rounds = smoke ? 1000 : 2'000'000;
  const std::string payload(kPayload, 'p');
  wal::CommitHeader header;
  std::uint64_t sum = 0;
  const double prepare = seconds_of([&] {
    for (int i = 0; i < rounds; ++i) {
      header = wal::PreparedCommit::prepare(storage::as_bytes(payload),
                                            static_cast<std::uint64_t>(i), i, 1, 2, 3)
                   .header;
      sum += header.payload_digest.low;
    }
  });
  storage::Hash128 chain;
  const double frame = seconds_of([&] {
    for (int i = 0; i < rounds; ++i) {
      header.commit = static_cast<std::uint64_t>(i) + 1;
      header.chain = chain = wal::next_chain(chain, header);
      sum += wal::make_frame_header(wal::FrameKind::commit, header, 0, 99,
                                    4096 + 8 * static_cast<std::uint64_t>(i))
                 .frame_sum;
    }
  });
  fmt::print(R"({{"bench":"wal_encode","payload_bytes":{},"prepare_ns":{:.1f},)"
             R"("chain_and_frame_ns":{:.1f},"hash":"{:016x}"}})"
             "\n",
             kPayload, prepare * 1e9 / rounds, frame * 1e9 / rounds, sum);
}

void bench_process_level(const std::string& directory, bool smoke) {
  GrownLog log(directory + "/process", smoke);
  const std::string payload(kPayload, 'p');
  const std::uint64_t count = smoke ? 500 : 150'000;  // less than one file
  const double took = seconds_of([&] {
    for (std::uint64_t i = 0; i < count; ++i) log.append(payload);
  });
  fmt::print(R"({{"bench":"wal_append_process","commits_per_s":{:.0f},"us":{:.2f},{}}})"
             "\n",
             static_cast<double>(count) / took, took * 1e6 / static_cast<double>(count),
             log.proof());
  const wal::LogPosition from = log.start;
  std::uint64_t commits = 0;
  auto reader = must(wal::LogReader::open(os, log.place, from));
  const double scan = seconds_of([&] {
    while (must(reader->next())) ++commits;
  });
  const double examine = seconds_of([&] { must(reader->examine_end()); });
  const double megabytes =
      static_cast<double>(reader->position().offset - wal::kFirstFrameOffset) / 1e6;
  fmt::print(R"({{"bench":"wal_recovery_scan","commits":{},"mb":{:.1f},"ms_per_mb":{:.3f},)"
             R"("examine_end_ms":{:.2f},"chain":"{:016x}"}})"
             "\n",
             commits, megabytes, scan * 1e3 / megabytes, examine * 1e3,
             reader->position().chain.low);
}

void bench_synced(const std::string& directory, bool smoke) {
  GrownLog log(directory + "/synced", smoke);
  RawFile raw(directory + "/raw", smoke ? 1u << 20 : 64u << 20);
  const std::string payload(kPayload, 'p');
  const int rounds = smoke ? 2 : 30;
  const int each = smoke ? 5 : 200;
  std::vector<double> raw_us;
  std::vector<double> log_us;
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    double raw_s = 0;
    double log_s = 0;
    const auto bare = [&] {
      for (int i = 0; i < each; ++i) {
        raw_us.push_back(1e6 * seconds_of([&] { raw.write_and_sync(); }));
        raw_s += raw_us.back() * 1e-6;
      }
    };
    const auto logged = [&] {
      for (int i = 0; i < each; ++i) {
        log_us.push_back(1e6 * seconds_of([&] {
                           log.append(payload);
                           must(log.writer->sync());
                         }));
        log_s += log_us.back() * 1e-6;
      }
    };
    // Whoever goes second may profit from the first; so they take turns.
    round % 2 == 0 ? (bare(), logged()) : (logged(), bare());
    ratios.push_back(raw_s / log_s);
  }
  fmt::print(R"({{"bench":"wal_append_sync","rounds":{},"raw_p50_us":{:.0f},"raw_p99_us":{:.0f},)"
             R"("log_p50_us":{:.0f},"log_p99_us":{:.0f},"rate_over_raw":{:.3f},{}}})"
             "\n",
             rounds, quantile(raw_us, 0.5), quantile(raw_us, 0.99), quantile(log_us, 0.5),
             quantile(log_us, 0.99), quantile(ratios, 0.5), log.proof());
}

struct Job : wal::CommitQueue::Waiter {
  explicit Job(wal::PreparedCommit prepared) : Waiter(prepared.payload.size()), commit(prepared) {}
  wal::PreparedCommit commit;
};

// `threads` callers that commit one after another through one queue for `seconds`.
std::uint64_t run_queue(wal::LogWriter& writer, unsigned threads, bool sync, double seconds) {
  wal::CommitQueue queue;
  std::atomic<std::uint64_t> commits{0};
  const std::string payload(kPayload, 'p');
  const std::int64_t until = os.monotonic_ns() + static_cast<std::int64_t>(seconds * 1e9);
  const auto caller = [&] {
    std::uint64_t mine = 0;
    std::vector<wal::PreparedCommit*> group;
    for (; os.monotonic_ns() < until; ++mine) {
      Job job(wal::PreparedCommit::prepare(storage::as_bytes(payload), mine, 1, 2, 3, 4));
      if (queue.enter(job) == wal::CommitQueue::Role::done) continue;
      group.clear();
      for (auto* waiter : queue.take({})) group.push_back(&static_cast<Job*>(waiter)->commit);
      must(writer.append(group, wal::Urgency::ordinary));
      if (sync) must(writer.sync());
      queue.finish();
    }
    commits += mine;  // relaxed would do: read after the join
  };
  std::vector<std::jthread> running;
  for (unsigned t = 0; t < threads; ++t) running.emplace_back(caller);
  running.clear();
  return commits;
}

void bench_queue(const std::string& directory, bool smoke) {
  RawFile raw(directory + "/raw-queue", smoke ? 1u << 20 : 64u << 20);
  for (const bool sync : {true, false}) {
    for (const unsigned threads : {1u, 8u, 32u}) {
      const double seconds = smoke ? 0.02 : 0.5;
      const std::string place = fmt::format("{}/queue-{}-{}", directory, sync, threads);
      GrownLog log(place, smoke);
      std::vector<double> rates;
      std::vector<double> ratios;
      std::uint64_t groups = 0;
      std::uint64_t commits = 0;
      for (int round = 0; round < (smoke ? 1 : 6); ++round) {
        log.rotate();
        std::uint64_t bare = 0;
        const std::int64_t until = os.monotonic_ns() + static_cast<std::int64_t>(seconds * 5e8);
        const double bare_s = seconds_of([&] {
          for (; os.monotonic_ns() < until; ++bare) raw.write_and_sync();
        });
        const auto before = log.writer->counters();
        std::uint64_t done = 0;
        const double took =
            seconds_of([&] { done = run_queue(*log.writer, threads, sync, seconds); });
        commits += done;
        groups += log.writer->counters().groups - before.groups;
        rates.push_back(static_cast<double>(done) / took);
        ratios.push_back(rates.back() * bare_s / static_cast<double>(bare));
      }
      fmt::print(R"({{"bench":"wal_queue","level":"{}","threads":{},"commits_per_s":{:.0f},)"
                 R"("over_raw":{:.2f},"commits_per_group":{:.1f},{}}})"
                 "\n",
                 sync ? "sync" : "process", threads, quantile(rates, 0.5), quantile(ratios, 0.5),
                 static_cast<double>(commits) / static_cast<double>(groups), log.proof());
      log.writer.reset();
      std::filesystem::remove_all(place);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  bool smoke = false;
  std::string directory = std::filesystem::temp_directory_path();
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--smoke") {
      smoke = true;
    } else if (arg == "--dir" && i + 1 < argc) {
      directory = argv[++i];
    } else {
      fmt::print(stderr, "usage: wal_bench [--smoke] [--dir DIR]\n");
      return 2;
    }
  }
  directory += fmt::format("/aeon-wal-bench-{}", os.process_id());
  std::filesystem::create_directories(directory);
  bench_encode(smoke);
  bench_process_level(directory, smoke);
  bench_synced(directory, smoke);
  bench_queue(directory, smoke);
  std::filesystem::remove_all(directory);
  return 0;
}
