// What walks over the graph of memories cost: personalised PageRank, activation and hops on a
// generated graph, and on one four times as large, where the cost should stay. One JSON line each.
//
//   walk_bench [--edges N] [--queries N]
//
// The graph: memories with ten edges each, half of them to near ids (neighbourhoods), half to
// anywhere, every fiftieth of those to one of a few hubs.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/palace.hpp"

using namespace aeon;

namespace {

constexpr std::uint64_t kEdgesOfOne = 10;
constexpr std::size_t kBatch = 2000;

[[noreturn]] void stop(const Error& error) {
  fmt::print(stderr, "walk_bench: {}\n", error.message);
  std::exit(1);
}
template <typename T>
T value_of(Result<T> result) {
  if (!result) stop(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

Palace make_graph(const std::string& directory, std::uint64_t edges) {
  Palace palace = value_of(Palace::create(directory, {}, {.background = false}));
  const std::uint64_t memories = std::max<std::uint64_t>(edges / kEdgesOfOne, 20);
  for (std::uint64_t done = 0; done < memories;) {
    Batch batch;
    for (; done < memories && batch.operations().size() < kBatch; ++done) {
      batch.remember({.content = "m"});
    }
    value_of(palace.commit(std::move(batch), Durability::process));
  }
  std::mt19937_64 random(1);
  std::uint64_t made = 0;
  for (MemoryId from = 1; from <= memories;) {
    Batch batch;
    for (; from <= memories && batch.operations().size() < kBatch; ++from) {
      for (std::uint64_t i = 0; i < kEdgesOfOne; ++i) {
        std::uint64_t to = random() % memories;
        if (i % 2 == 0) to = (from + random() % 50) % memories;
        if (i % 2 == 1 && random() % 50 == 0) to = random() % 5;
        batch.link({.from = MemoryRef::of(from),
                    .to = MemoryRef::of(to + 1),
                    .type = i % 3 == 0 ? "mentions" : "refers_to",
                    .weight = static_cast<float>(1 + random() % 9)});
        ++made;
      }
    }
    value_of(palace.commit(std::move(batch), Durability::process));
    if (made % 500'000 < kBatch) value_of(palace.checkpoint());
  }
  value_of(palace.compact());
  return palace;
}

template <typename Walk>
double measure(const Palace& palace, const char* name, std::uint64_t edges, std::uint64_t queries,
               Walk walk) {
  const Snapshot snapshot = palace.snapshot();
  const std::uint64_t memories = value_of(palace.stats()).memories;
  std::mt19937_64 random(2);
  std::vector<double> times;
  WalkAnswer answer;
  std::uint64_t touched = 0;
  double error = 0;
  for (std::uint64_t i = 0; i < queries + queries / 10; ++i) {
    const MemoryId start = 1 + random() % memories;
    WalkQuery query;
    query.from = std::span(&start, 1);
    const auto before = std::chrono::steady_clock::now();
    if (const Status done = walk(snapshot, query, answer); !done) stop(done.error());
    const std::chrono::duration<double, std::micro> took =
        std::chrono::steady_clock::now() - before;
    if (i < queries / 10) continue;  // warm
    times.push_back(took.count());
    touched += answer.edges;
    error += answer.error;
  }
  std::ranges::sort(times);
  const double p50 = times[times.size() / 2];
  fmt::print(
      "{{\"bench\":\"{}\",\"edges\":{},\"p50_us\":{:.1f},\"p99_us\":{:.1f},"
      "\"edges_touched\":{:.1f},\"error\":{:.4g}}}\n",
      name, edges, p50, times[times.size() * 99 / 100],
      static_cast<double>(touched) / static_cast<double>(times.size()),
      error / static_cast<double>(times.size()));
  std::fflush(stdout);
  return p50;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t edges = 1'000'000;
  std::uint64_t queries = 300;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    const std::uint64_t number = std::strtoull(argv[i + 1], nullptr, 10);
    if (option == "--edges") edges = number;
    if (option == "--queries") queries = std::max<std::uint64_t>(number, 10);
  }
  const auto rank = [](const Snapshot& snapshot, WalkQuery& query, WalkAnswer& answer) {
    query.error = 1e-4;
    return snapshot.rank(query, answer);
  };
  const auto activate = [](const Snapshot& snapshot, WalkQuery& query, WalkAnswer& answer) {
    query.hops = 3;
    query.error = 1e-3;
    return snapshot.activate(query, answer);
  };
  const auto reach = [](const Snapshot& snapshot, WalkQuery& query, WalkAnswer& answer) {
    query.hops = 2;
    return snapshot.reach(query, answer);
  };
  std::string pattern = (std::filesystem::temp_directory_path() / "aeon-walk-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return 1;
  double small = 0;
  for (const std::uint64_t size : {edges, 4 * edges}) {
    const Palace palace = make_graph(pattern + "/" + std::to_string(size), size);
    const double p50 = measure(palace, "rank", size, queries, rank);
    measure(palace, "activate", size, queries, activate);
    measure(palace, "reach", size, queries, reach);
    if (size == edges) small = p50;
    if (size != edges) fmt::print("{{\"bench\":\"rank_growth\",\"ratio\":{:.3f}}}\n", p50 / small);
  }
  std::error_code ignored;
  std::filesystem::remove_all(pattern, ignored);
  return 0;
}
