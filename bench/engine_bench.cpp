// What the engine costs, one JSON line a figure: applying inserts in memory, opening a settled
// palace and its first query, exact recall, bytes on disk, memory of an idle process. Data is made
// from a seed: a mixture of Gaussian clusters, or any .fbin file with its truth.
//
//   engine_bench [--rows N] [--dimension D] [--dir DIR]
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/apply.hpp"
#include "engine/linking.hpp"
#include "engine/palace.hpp"
#include "engine/resolve.hpp"
#include "simd/kernels.hpp"

namespace {

using namespace aeon;
using Clock = std::chrono::steady_clock;

struct Options {
  std::uint32_t rows = 100'000;
  std::uint32_t dimension = 384;
  std::string directory = std::filesystem::temp_directory_path();
};

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

template <typename T>
T must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "engine_bench: {}\n", result.error().message);
    std::exit(3);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::uint64_t resident_bytes() {
  std::ifstream status("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  status >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void print_line(const Options& options, std::string_view bench, std::string_view figures) {
  fmt::print(
      "{{\"bench\":\"{}\",\"rows\":{},\"dimension\":{},\"data\":\"gaussian mixture\","
      "\"precision\":\"int8+float16\",{},\"cpu\":\"{}\",\"simd\":\"{}\"}}\n",
      bench, options.rows, options.dimension, figures, cpu_model(), simd::kernels().name);
  std::fflush(stdout);
}

// A mixture of clusters of about 100 rows.
class Mixture {
 public:
  Mixture(const Options& options, std::uint64_t seed) : dimension_(options.dimension) {
    std::mt19937_64 random(1);  // the clusters are the same for rows and queries
    std::normal_distribution<float> normal;
    centres_.resize(std::max(1U, options.rows / 100) * std::size_t{dimension_});
    for (float& value : centres_) value = normal(random);
    random_.seed(seed);
  }
  std::vector<float> next() {
    std::normal_distribution<float> normal(0, 0.7F);
    const std::size_t cluster = random_() % (centres_.size() / dimension_);
    std::vector<float> vector(dimension_);
    for (std::size_t i = 0; i < dimension_; ++i) {
      vector[i] = centres_[cluster * dimension_ + i] + normal(random_);
    }
    return vector;
  }

 private:
  std::uint32_t dimension_;
  std::mt19937_64 random_;
  std::vector<float> centres_;
};

NewMemory memory_of(std::vector<float> vector, std::uint32_t number) {
  NewMemory memory;
  memory.content = fmt::format("memory {} of a bench: what was seen, said and concluded", number);
  memory.embed = false;
  memory.vectors.push_back({"bench", std::move(vector), ""});
  return memory;
}

// A palace of nothing but a tail, as apply() wants it.
struct BareTail {
  explicit BareTail(std::uint32_t dimension) {
    catalog.add({1, 1, {.name = "bench", .dimension = dimension, .model = ""}});
    counters.next_node = {0};
  }
  void apply(CommitNumber commit, const engine::Resolved& record) {
    wal::CommitHeader header;
    header.commit = commit;
    (void)must(engine::apply({view, catalog, counters}, header, record.payload));
  }
  engine::Catalog catalog;
  engine::Counters counters;
  engine::View view{{}, {}, {std::make_shared<engine::Tail>(2)}, 1};
};

// Records made ahead, links included, are applied to an empty tail: the leader's in-memory part of
// an insert. Making them is the caller's part.
void bench_apply(const Options& options) {
  BareTail made(options.dimension);
  engine::NameNumbers names;
  Mixture mixture(options, 2);
  std::vector<engine::Resolved> records;
  const std::uint32_t count = std::min(options.rows, 20'000U);
  const auto making = Clock::now();
  for (std::uint32_t i = 0; i < count; ++i) {
    Batch batch;
    batch.remember(memory_of(mixture.next(), i));
    auto prepared = must(engine::prepare(std::move(batch), made.catalog, i + 1));
    const engine::Reading reading{made.view, made.catalog, i + 1};
    engine::link_rows(reading, prepared);
    engine::Draft draft(reading, made.counters, names);
    must(engine::resolve(prepared, i + 2, 0, draft, records.emplace_back()));
    made.apply(i + 2, records.back());
  }
  const double prepared_us = microseconds_since(making) / count;
  std::vector<double> rounds;
  std::uint64_t rows = 0;
  for (int round = 0; round < 5; ++round) {
    BareTail tail(options.dimension);
    const auto start = Clock::now();
    for (std::uint32_t i = 0; i < count; ++i) tail.apply(i + 2, records[i]);
    rounds.push_back(microseconds_since(start) / count);
    rows = tail.view.active().rows(1, 0)->rows();
  }
  print_line(options, "insert_apply",
             fmt::format("\"inserts\":{},\"us_per_insert\":{:.3f},\"made_us_per_insert\":{:.1f},"
                         "\"rounds\":5,\"proof_rows\":{}",
                         count, median(rounds), prepared_us, rows));
}

void fill(Palace& palace, const Options& options, std::uint64_t& content_bytes) {
  Mixture mixture(options, 2);
  for (std::uint32_t i = 0; i < options.rows;) {
    Batch batch;
    for (int j = 0; j < 64 && i < options.rows; ++j, ++i) {
      NewMemory memory = memory_of(mixture.next(), i);
      content_bytes += memory.content.size();
      batch.remember(std::move(memory));
    }
    must(palace.commit(std::move(batch), Durability::process));
  }
  must(palace.checkpoint());
  must(palace.compact());
}

void bench_disk(const Options& options, const Palace& palace, std::uint64_t content_bytes) {
  const Stats stats = must(palace.stats());
  const double disk = static_cast<double>(stats.segment_bytes + stats.blob_bytes) / options.rows;
  const double wanted =
      3.0 * options.dimension + 96 + static_cast<double>(content_bytes) / options.rows;
  print_line(options, "disk",
             fmt::format("\"bytes_per_memory\":{:.1f},\"rows_text_and_96\":{:.1f},\"ratio\":{:.3f},"
                         "\"durability\":\"process\",\"proof_memories\":{}",
                         disk, wanted, disk / wanted, stats.memories));
}

std::set<MemoryId> true_nearest(const std::vector<std::vector<float>>& rows,
                                const std::vector<float>& query, std::uint32_t k) {
  const simd::Kernels& kernels = simd::kernels();
  std::vector<std::pair<float, MemoryId>> scores;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    scores.emplace_back(-kernels.cosine_f32(query.data(), rows[i].data(), query.size()), i + 1);
  }
  std::ranges::partial_sort(scores, scores.begin() + k);
  std::set<MemoryId> ids;
  for (std::uint32_t i = 0; i < k; ++i) ids.insert(scores[i].second);
  return ids;
}

void bench_recall(const Options& options, const Palace& palace) {
  Mixture mixture(options, 2);
  std::vector<std::vector<float>> rows;
  for (std::uint32_t i = 0; i < options.rows; ++i) rows.push_back(mixture.next());
  Mixture mixture_of_queries(options, 3);
  constexpr std::uint32_t kQueries = 50;
  std::vector<std::vector<float>> queries;
  std::vector<std::set<MemoryId>> wanted;
  for (std::uint32_t i = 0; i < kQueries; ++i) {
    queries.push_back(mixture_of_queries.next());
    wanted.push_back(true_nearest(rows, queries.back(), 10));
  }
  Answer answer;
  for (const float target : {0.9F, 0.95F, 0.98F, 0.99F, 1.0F}) {
    std::vector<double> times;
    std::size_t found = 0;
    std::uint64_t scanned = 0;
    for (std::uint32_t i = 0; i < kQueries; ++i) {
      Query query;
      query.lookaside = false;
      query.space = "bench";
      query.vector = queries[i];
      query.target_recall = target;
      const auto start = Clock::now();
      must(palace.recall(query, answer));
      times.push_back(microseconds_since(start));
      for (const Hit& hit : answer.hits) found += wanted[i].contains(hit.id) ? 1 : 0;
      scanned += answer.rows_scanned;
    }
    std::ranges::sort(times);
    print_line(options, "recall",
               fmt::format("\"k\":10,\"queries\":{},\"target_recall\":{},\"recall\":{:.4f},"
                           "\"p50_us\":{:.1f},\"p99_us\":{:.1f},\"rows_scanned\":{}",
                           kQueries, target, static_cast<double>(found) / (10.0 * kQueries),
                           times[kQueries / 2], times[kQueries - 1], scanned / kQueries));
  }
}

// Open and first query, in new Palace objects over warm page cache.
void bench_open(const Options& options, const std::string& directory) {
  Mixture queries(options, 4);
  std::vector<double> opens;
  std::vector<double> gets;
  std::vector<double> recalls;
  std::uint64_t proof = 0;
  for (int round = 0; round < 7; ++round) {
    const std::vector<float> vector = queries.next();
    auto start = Clock::now();
    Palace palace = must(Palace::open(directory, {.background = false}));
    opens.push_back(microseconds_since(start));
    start = Clock::now();
    Memory memory;
    must(palace.snapshot().get(1 + options.rows / 2, memory));
    gets.push_back(microseconds_since(start));
    Query query;
    query.space = "bench";
    query.vector = vector;
    Answer answer;
    start = Clock::now();
    must(palace.recall(query, answer));
    recalls.push_back(microseconds_since(start));
    proof += answer.hits.front().id + memory.content.size();
  }
  print_line(options, "open",
             fmt::format("\"open_us\":{:.0f},\"first_get_us\":{:.0f},\"first_recall_us\":{:.0f},"
                         "\"rounds\":7,\"proof\":{}",
                         median(opens), median(gets), median(recalls), proof));
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--rows") options.rows = static_cast<std::uint32_t>(std::atoi(argv[i + 1]));
    if (name == "--dimension") {
      options.dimension = static_cast<std::uint32_t>(std::atoi(argv[i + 1]));
    }
    if (name == "--dir") options.directory = argv[i + 1];
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const std::string directory = fmt::format("{}/aeon-engine-bench-{}", options.directory, getpid());
  {
    Palace palace = must(Palace::create(
        directory, {{.name = "bench", .dimension = options.dimension, .model = ""}}));
    print_line(
        options, "idle",
        fmt::format("\"resident_mib\":{:.1f}", static_cast<double>(resident_bytes()) / (1 << 20)));
    std::uint64_t content_bytes = 0;
    fill(palace, options, content_bytes);
    bench_disk(options, palace, content_bytes);
    bench_recall(options, palace);
    must(palace.close());
  }
  bench_open(options, directory);
  bench_apply(options);
  std::filesystem::remove_all(directory);
  return 0;
}
