// What a filter costs beside the search without it and an exact scan of what it leaves.
//
//   filter_bench [--rows N] [--dimension D] [--queries N] [--dir FOLDER]
//
// Rows are a clustered mixture. "random" filters have nothing to do with the vectors; "correlated"
// ones leave the clusters on one side. Prints a JSON line for each: the share that matches, recall
// of the ten nearest among those, how it was searched, and the median time in microseconds of the
// filtered search, of the unfiltered one, and of the exact one among the matches, taken in turns.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "engine/palace.hpp"

using namespace aeon;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kShares = 1000;

void check(const Status& status) {
  if (status) return;
  fmt::print(stderr, "filter_bench: {}\n", status.error().message);
  std::exit(3);
}

struct Options {
  std::uint32_t rows = 100'000;
  std::uint32_t dimension = 384;
  std::uint32_t queries = 200;
  std::string directory = std::filesystem::temp_directory_path();
};

class Mixture {
 public:
  Mixture(std::uint32_t dimension, std::uint32_t clusters, std::uint64_t seed) : random_(seed) {
    for (std::uint32_t i = 0; i < clusters; ++i) centres_.push_back(gaussian(dimension, 1));
  }
  // Sets the cluster that the vector is of.
  std::vector<float> next(std::uint32_t& cluster) {
    cluster = static_cast<std::uint32_t>(random_() % centres_.size());
    const std::vector<float>& centre = centres_[cluster];
    std::vector<float> values = gaussian(static_cast<std::uint32_t>(centre.size()), 0.5F);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += centre[i];
    return values;
  }

 private:
  std::vector<float> gaussian(std::uint32_t dimension, float width) {
    std::normal_distribution<float> normal(0, width);
    std::vector<float> values(dimension);
    for (float& value : values) value = normal(random_);
    return values;
  }
  std::mt19937_64 random_;
  std::vector<std::vector<float>> centres_;
};

Palace fill(const Options& options, Mixture& mixture, const std::string& path) {
  auto made = Palace::create(
      path, std::vector<SpaceSpec>{{.name = "v", .dimension = options.dimension, .model = ""}});
  if (!made) check(std::unexpected(made.error()));
  std::mt19937_64 random(3);
  for (std::uint32_t first = 0; first < options.rows; first += 1000) {
    Batch batch;
    for (std::uint32_t i = first; i < std::min(options.rows, first + 1000); ++i) {
      NewMemory memory;
      std::uint32_t cluster = 0;
      memory.embed = false;
      memory.vectors.push_back({.space = "v", .values = mixture.next(cluster), .model = ""});
      memory.metadata =
          fmt::format("{{\"random\":{},\"correlated\":{}}}", random() % kShares, cluster);
      batch.remember(std::move(memory));
    }
    const auto ack = made->commit(std::move(batch), Durability::none);
    if (!ack) check(std::unexpected(ack.error()));
  }
  check(made->checkpoint());
  return std::move(*made);
}

double timed(const Snapshot& snapshot, const Query& query, Answer& answer) {
  const auto start = Clock::now();
  check(snapshot.recall(query, answer));
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double median(std::vector<double>& times) {
  std::ranges::sort(times);
  return times[times.size() / 2];
}

void measure(const Palace& palace, const Options& options, Mixture& mixture, const char* field,
             std::uint32_t bound, std::uint32_t of) {
  const Snapshot snapshot = palace.snapshot();
  const std::string filter = fmt::format("{{\"{}\":{{\"<\":{}}}}}", field, bound);
  std::vector<double> filtered;
  std::vector<double> unfiltered;
  std::vector<double> exact;
  std::map<std::string, std::uint32_t> plans;
  std::uint64_t left = 0;
  std::uint64_t found = 0;
  std::uint64_t wanted = 0;
  Answer answer;
  Answer truth;
  for (std::uint32_t i = 0; i < options.queries; ++i) {
    std::uint32_t cluster = 0;
    const std::vector<float> vector = mixture.next(cluster);
    Query query;
    query.space = "v";
    query.vector = vector;
    query.k = 10;
    unfiltered.push_back(timed(snapshot, query, answer));
    query.filter = filter;
    filtered.push_back(timed(snapshot, query, answer));
    ++plans[std::string(name_of(answer.plan))];
    left = answer.rows_left;
    query.target_recall = 1.0F;
    exact.push_back(timed(snapshot, query, truth));
    for (const Hit& hit : truth.hits) {
      ++wanted;
      found += std::ranges::any_of(answer.hits, [&](const Hit& h) { return h.id == hit.id; });
    }
  }
  const auto most = std::ranges::max_element(plans, {}, [](const auto& p) { return p.second; });
  fmt::print(
      "{{\"bench\":\"filter\",\"rows\":{},\"dimension\":{},\"field\":\"{}\",\"share\":{:.4f},"
      "\"rows_left\":{},\"plan\":\"{}\",\"recall\":{:.4f},\"filtered_us\":{:.1f},"
      "\"unfiltered_us\":{:.1f},\"exact_us\":{:.1f}}}\n",
      options.rows, options.dimension, field, static_cast<double>(bound) / of, left, most->first,
      wanted == 0 ? 1.0 : static_cast<double>(found) / static_cast<double>(wanted),
      median(filtered), median(unfiltered), median(exact));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--rows") options.rows = static_cast<std::uint32_t>(std::atoi(argv[i + 1]));
    if (name == "--dimension")
      options.dimension = static_cast<std::uint32_t>(std::atoi(argv[i + 1]));
    if (name == "--queries") options.queries = static_cast<std::uint32_t>(std::atoi(argv[i + 1]));
    if (name == "--dir") options.directory = argv[i + 1];
  }
  std::string scratch = options.directory + "/aeon-filter-XXXXXX";
  if (::mkdtemp(scratch.data()) == nullptr) {
    fmt::print(stderr, "filter_bench: no folder can be made in {}\n", options.directory);
    return 3;
  }
  Mixture mixture(options.dimension, kShares, 1);
  {
    const Palace palace = fill(options, mixture, scratch + "/palace");
    for (const char* field : {"random", "correlated"}) {
      for (const std::uint32_t bound : {1U, 10U, 100U, 500U}) {
        measure(palace, options, mixture, field, bound, kShares);
      }
    }
  }
  std::filesystem::remove_all(scratch);
}
