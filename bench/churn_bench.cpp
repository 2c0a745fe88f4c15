// What a palace is like after much was forgotten and replaced, beside a fresh one of the same rows:
// recall and queries a second at the same wanted recall, bytes, and what a deletion costs. One JSON
// line for each state. Rows are a mixture of Gaussian clusters, or those of a .fbin file, of which
// half are there at first and the rest replaces them.
//
//   churn_bench [--rows N] [--dimension D] [--base FILE.fbin] [--recall R] [--dir DIR]
//
// States: two half-turnovers (half of the rows forgotten at random, as many new ones remembered,
// twice), full replacement (every row replaced, an eighth at a time), and nine rows of ten
// forgotten. "live" is measured when the palace's own threads have come to rest, "fresh" on a new
// palace with the same rows, both merged into one segment.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "simd/kernels.hpp"

namespace {

using namespace aeon;
using Clock = std::chrono::steady_clock;

struct Options {
  std::uint32_t rows = 20'000;
  std::uint32_t dimension = 384;
  std::string base;
  float recall = 0.98F;
  std::string directory = std::filesystem::temp_directory_path();
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <typename T>
T must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "churn_bench: {}\n", result.error().message);
    std::exit(3);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// Twice as many vectors as rows are there at a time, and queries.
struct Data {
  std::uint32_t dimension = 0;
  std::vector<std::vector<float>> pool;
  std::vector<std::vector<float>> queries;
};

Data mixture(const Options& options) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  const std::size_t clusters = std::max(1U, options.rows / 100);
  std::vector<float> centres(clusters * options.dimension);
  for (float& value : centres) value = normal(random);
  const auto next = [&] {
    const std::size_t cluster = random() % clusters;
    std::vector<float> vector(options.dimension);
    for (std::size_t i = 0; i < vector.size(); ++i) {
      vector[i] = centres[cluster * options.dimension + i] + 0.7F * normal(random);
    }
    return vector;
  };
  Data data{options.dimension, {}, {}};
  for (std::uint32_t i = 0; i < 2 * options.rows; ++i) data.pool.push_back(next());
  for (int i = 0; i < 500; ++i) data.queries.push_back(next());
  return data;
}

Data read_base(const Options& options) {
  std::ifstream file(options.base, std::ios::binary);
  std::int32_t head[2] = {0, 0};
  file.read(reinterpret_cast<char*>(head), sizeof head);
  if (!file || head[0] < 4000 || head[1] < 1) {
    fmt::print(stderr, "churn_bench: {} is no .fbin file of 4000 rows or more\n", options.base);
    std::exit(2);
  }
  Data data{static_cast<std::uint32_t>(head[1]), {}, {}};
  std::vector<std::vector<float>> all(static_cast<std::size_t>(head[0]));
  for (auto& row : all) {
    row.resize(data.dimension);
    file.read(reinterpret_cast<char*>(row.data()),
              static_cast<std::streamsize>(row.size() * sizeof(float)));
  }
  std::mt19937_64 random(2);
  std::ranges::shuffle(all, random);
  data.queries.assign(all.end() - 500, all.end());
  all.resize(all.size() - 500);
  all.resize(std::min<std::size_t>(all.size() / 2 * 2, std::size_t{2} * options.rows));
  data.pool = std::move(all);
  return data;
}

struct Row {
  std::size_t index = 0;  // of the pool
  MemoryId id = 0;
};

class Bench {
 public:
  Bench(const Options& options, Data data)
      : options_(options), data_(std::move(data)), random_(3) {}

  void run() {
    const std::string directory = options_.directory + "/churn-live";
    Palace palace = make(directory);
    std::vector<std::size_t> unused(data_.pool.size());
    std::iota(unused.begin(), unused.end(), std::size_t{0});
    const std::size_t count = unused.size() / 2;
    std::vector<Row> rows;
    const auto replace = [&](std::size_t how_many) {
      std::ranges::shuffle(rows, random_);
      forget(palace, std::span(rows).last(how_many));
      rows.resize(rows.size() - how_many);
      add(palace, unused, how_many, rows);
    };
    add(palace, unused, count, rows);
    measure("fresh", palace, rows);
    for (int turn = 0; turn < 2; ++turn) {
      // The second turn takes up again what the first one left: a pool has two halves.
      if (unused.size() < count / 2) refill(unused, rows);
      replace(count / 2);
    }
    compare("two half-turnovers", palace, rows);
    refill(unused, rows);
    for (int part = 0; part < 8; ++part) {
      std::ranges::sort(rows, std::greater{}, &Row::id);
      const std::size_t oldest = count / 8;
      forget(palace, std::span(rows).last(oldest));
      rows.resize(rows.size() - oldest);
      add(palace, unused, oldest, rows);
    }
    compare("full replacement", palace, rows);
    std::ranges::shuffle(rows, random_);
    const std::size_t dying = rows.size() - rows.size() / 10;
    forget(palace, std::span(rows).last(dying));
    rows.resize(rows.size() - dying);
    compare("nine of ten forgotten", palace, rows);
    must(palace.close());
    std::filesystem::remove_all(directory);
  }

 private:
  Palace make(const std::string& directory) const {
    std::filesystem::remove_all(directory);
    Palace palace =
        must(Palace::create(directory, {{.name = "bench", .dimension = data_.dimension}}));
    Batch batch;
    batch.set_history(0);
    must(palace.commit(std::move(batch), Durability::process));
    return palace;
  }

  void add(Palace& palace, std::vector<std::size_t>& unused, std::size_t count,
           std::vector<Row>& rows) const {
    while (count > 0) {
      Batch batch;
      const std::size_t first = rows.size();
      for (; count > 0 && batch.operations().size() < 64; --count) {
        NewMemory memory;
        memory.content = "a memory of a bench";
        memory.embed = false;
        memory.vectors.push_back({"bench", data_.pool[unused.back()], ""});
        rows.push_back({unused.back(), 0});
        unused.pop_back();
        batch.remember(std::move(memory));
      }
      const Ack ack = must(palace.commit(std::move(batch), Durability::process));
      for (std::size_t i = 0; i < ack.ids.size(); ++i) rows[first + i].id = ack.ids[i];
    }
  }

  void forget(Palace& palace, std::span<const Row> rows) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < rows.size();) {
      Batch batch;
      for (; i < rows.size() && batch.operations().size() < 64; ++i) batch.forget(rows[i].id);
      must(palace.commit(std::move(batch), Durability::process));
    }
    forget_us_ += 1e6 * seconds_since(start);
    forgotten_ += rows.size();
  }

  // What is in no row may be used again.
  void refill(std::vector<std::size_t>& unused, const std::vector<Row>& rows) {
    std::vector<bool> used(data_.pool.size());
    for (const Row& row : rows) used[row.index] = true;
    unused.clear();
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (!used[i]) unused.push_back(i);
    }
    std::ranges::shuffle(unused, random_);
  }

  struct Measured {
    double recall = 0;
    double qps = 0;
    double bytes = 0;  // a row
  };

  Measured ask(Palace& palace, std::size_t rows) {
    const Snapshot snapshot = palace.snapshot();
    Measured measured;
    Answer exact;
    Answer answer;
    Query query;
    query.lookaside = false;
    query.space = "bench";
    for (const auto& vector : data_.queries) {
      query.vector = vector;
      query.target_recall = 1;
      must(snapshot.recall(query, exact));
      query.target_recall = options_.recall;
      must(snapshot.recall(query, answer));
      std::size_t hits = 0;
      for (const Hit& hit : answer.hits) hits += hit.score >= exact.hits.back().score ? 1 : 0;
      measured.recall += static_cast<double>(hits) / static_cast<double>(exact.hits.size());
    }
    measured.recall /= static_cast<double>(data_.queries.size());
    std::vector<double> rates;
    for (int round = 0; round < 7; ++round) {
      const auto start = Clock::now();
      for (const auto& vector : data_.queries) {
        query.vector = vector;
        must(snapshot.recall(query, answer));
      }
      rates.push_back(static_cast<double>(data_.queries.size()) / seconds_since(start));
    }
    std::ranges::sort(rates);
    measured.qps = rates[rates.size() / 2];
    const Stats stats = must(palace.stats());
    measured.bytes =
        static_cast<double>(stats.segment_bytes + stats.blob_bytes) / static_cast<double>(rows);
    return measured;
  }

  void print(std::string_view state, std::string_view which, std::size_t rows,
             const Measured& measured) const {
    fmt::print(
        "{{\"bench\":\"churn\",\"state\":\"{}\",\"palace\":\"{}\",\"rows\":{},\"dimension\":{},"
        "\"data\":\"{}\",\"target_recall\":{},\"recall\":{:.4f},\"qps\":{:.0f},"
        "\"bytes_per_row\":{:.0f},\"forget_us\":{:.1f},\"simd\":\"{}\"}}\n",
        state, which, rows, data_.dimension, options_.base.empty() ? "mixture" : options_.base,
        options_.recall, measured.recall, measured.qps, measured.bytes,
        forgotten_ == 0 ? 0.0 : forget_us_ / static_cast<double>(forgotten_), simd::kernels().name);
    std::fflush(stdout);
  }

  void measure(std::string_view state, Palace& palace, const std::vector<Row>& rows) {
    must(palace.compact());
    print(state, "live", rows.size(), ask(palace, rows.size()));
  }

  void compare(std::string_view state, Palace& palace, const std::vector<Row>& rows) {
    // Its own threads first, as in use; then one merge more, so that shapes are the same.
    for (int i = 0; i < 600; ++i) {
      const Stats stats = must(palace.stats());
      if (stats.ended_versions * 2 <= stats.memories) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    for (Result<void> done = palace.compact(); !done; done = palace.compact()) {
      if (done.error().code != Errc::busy) must(done);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    print(state, "live", rows.size(), ask(palace, rows.size()));
    const std::string directory = options_.directory + "/churn-fresh";
    Palace fresh = make(directory);
    std::vector<std::size_t> same;
    for (const Row& row : rows) same.push_back(row.index);
    std::vector<Row> made;
    add(fresh, same, rows.size(), made);
    must(fresh.compact());
    print(state, "fresh", rows.size(), ask(fresh, rows.size()));
    must(fresh.close());
    std::filesystem::remove_all(directory);
  }

  const Options options_;
  const Data data_;
  std::mt19937_64 random_;
  double forget_us_ = 0;
  std::size_t forgotten_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--rows") options.rows = static_cast<std::uint32_t>(std::stoul(value));
    if (name == "--dimension") options.dimension = static_cast<std::uint32_t>(std::stoul(value));
    if (name == "--base") options.base = value;
    if (name == "--recall") options.recall = std::stof(value);
    if (name == "--dir") options.directory = value;
  }
  Bench(options, options.base.empty() ? mixture(options) : read_base(options)).run();
}
