// What the lookaside buffer is worth: queries that repeat or resemble earlier ones, asked with it
// and without it. One JSON line for each kind of query.
//
//   lookaside_bench [--base X.fbin --query Q.fbin] [--rows N] [--queries N] [--checks N]
//
// Without files, rows and queries are generated: a mixture of clusters. A query "at cosine c" of
// another one is turned towards a third ("paraphrase") or in a random direction ("noise").
// `certified` and `seeded` are shares of the queries; `rows` are rows compared a query, `recall` is
// recall@10 against an exact search of the same instant. The remembered search is a walk's, or
// ("exact") one that upkeep has made exact.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/lookaside/lookaside.hpp"
#include "engine/palace.hpp"

using namespace aeon;

namespace {

using Clock = std::chrono::steady_clock;
using Vector = std::vector<float>;
using Random = std::mt19937_64;
constexpr std::size_t kBatch = 500;
constexpr std::uint32_t kK = 10;

struct Settings {
  std::string base;
  std::string query;
  std::size_t rows = 50'000;
  std::size_t queries = 500;
  std::uint64_t checks = 1'000'000;
  std::uint32_t dimension = 384;
};

[[noreturn]] void stop(const std::string& why) {
  fmt::print(stderr, "lookaside_bench: {}\n", why);
  std::exit(1);
}
template <typename T>
T value_of(Result<T> result) {
  if (!result) stop(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::vector<Vector> read_vectors(const std::string& path, std::size_t most) {
  std::ifstream file(path, std::ios::binary);
  std::int32_t head[2] = {};
  if (!file.read(reinterpret_cast<char*>(head), sizeof head) || head[0] < 1 || head[1] < 1) {
    stop(path + " is no .fbin file");
  }
  std::vector<Vector> vectors(std::min(most, static_cast<std::size_t>(head[0])),
                              Vector(static_cast<std::size_t>(head[1])));
  for (Vector& vector : vectors) {
    const auto bytes = static_cast<std::streamsize>(vector.size() * sizeof(float));
    if (!file.read(reinterpret_cast<char*>(vector.data()), bytes)) stop(path + " ends early");
  }
  return vectors;
}

Vector gaussian(Random& random, std::size_t dimension, float width) {
  std::normal_distribution<float> normal(0, width);
  Vector vector(dimension);
  for (float& value : vector) value = normal(random);
  return vector;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}
void normalise(Vector& vector) {
  const double length = std::sqrt(dot(vector, vector));
  for (float& value : vector) value = static_cast<float>(value / length);
}

std::vector<Vector> make_vectors(Random& random, std::size_t count, std::uint32_t dimension) {
  Random fixed(1);
  std::vector<Vector> centres;
  for (int i = 0; i < 200; ++i) centres.push_back(gaussian(fixed, dimension, 1));
  std::vector<Vector> vectors;
  for (std::size_t i = 0; i < count; ++i) {
    vectors.push_back(gaussian(random, dimension, 0.7F));
    const Vector& centre = centres[random() % centres.size()];
    for (std::size_t d = 0; d < dimension; ++d) vectors.back()[d] += centre[d];
  }
  return vectors;
}

// `from`, turned towards `to` until their cosine is `cosine`.
Vector turned(Vector from, Vector to, double cosine) {
  normalise(from);
  const double along = dot(from, to);
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] -= static_cast<float>(along * double{from[i]});
  }
  normalise(to);
  const double across = std::sqrt(1 - cosine * cosine);
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] = static_cast<float>(cosine * double{from[i]} + across * double{to[i]});
  }
  return to;
}

void fill(Palace& palace, const std::vector<Vector>& rows) {
  for (std::size_t done = 0; done < rows.size();) {
    Batch batch;
    for (; done < rows.size() && batch.operations().size() < kBatch; ++done) {
      NewMemory memory;
      memory.embed = false;
      memory.vectors.push_back({"v", rows[done], ""});
      batch.remember(std::move(memory));
    }
    value_of(palace.commit(std::move(batch), Durability::process));
  }
  value_of(palace.compact());
}

struct Asked {
  Answer answer;
  double us = 0;
};

class Asker {
 public:
  explicit Asker(Palace& palace) : palace_(palace) {}

  const Asked& ask(const Vector& vector, std::string_view conversation, bool lookaside,
                   std::optional<float> recall = {}) {
    Query query;
    query.space = "v";
    query.vector = vector;
    query.k = kK;
    query.conversation = conversation;
    query.lookaside = lookaside;
    query.target_recall = recall;
    const auto before = Clock::now();
    value_of(palace_.recall(query, asked_.answer));
    asked_.us = std::chrono::duration<double, std::micro>(Clock::now() - before).count();
    return asked_;
  }
  // Lets upkeep make exact whatever is wanted.
  void keep_up() {
    while (value_of(palace_.maintain(std::chrono::seconds(1)))) {
    }
  }
  [[nodiscard]] Palace& palace() { return palace_; }

 private:
  Palace& palace_;
  Asked asked_;
};

// What was asked both ways.
struct Tally {
  std::uint64_t asked = 0;
  std::uint64_t certified = 0;
  std::uint64_t seeded = 0;
  double rows = 0;
  double rows_without = 0;
  double recall = 0;
  double recall_without = 0;
  std::vector<double> us;
  std::vector<double> us_without;
  std::uint64_t differences = 0;  // of certified answers from exact ones
};

double share_found(const Answer& answer, const Answer& truth) {
  if (truth.hits.empty()) return 1;
  const auto found = std::ranges::count_if(
      answer.hits, [&](const Hit& hit) { return hit.score >= truth.hits.back().score; });
  return static_cast<double>(found) / static_cast<double>(truth.hits.size());
}

bool is_same(const Answer& a, const Answer& b) {
  return std::ranges::equal(a.hits, b.hits, [](const Hit& x, const Hit& y) {
    return x.id == y.id && x.version == y.version && x.score == y.score;
  });
}

void compare(Asker& asker, const Vector& vector, std::string_view conversation, Tally& tally) {
  const Answer truth = asker.ask(vector, "", false, 1.0F).answer;
  // Each finds the rows as warm as the other.
  (void)asker.ask(vector, "", false);
  const Asked& without = asker.ask(vector, "", false);
  tally.rows_without += static_cast<double>(without.answer.rows_scanned);
  tally.recall_without += share_found(without.answer, truth);
  tally.us_without.push_back(without.us);
  const Asked& with = asker.ask(vector, conversation, true);
  tally.rows += static_cast<double>(with.answer.rows_scanned);
  tally.recall += share_found(with.answer, truth);
  tally.us.push_back(with.us);
  const bool certified = with.answer.lookaside == LookasideHelp::certified;
  tally.certified += certified ? 1 : 0;
  tally.seeded += with.answer.lookaside == LookasideHelp::seeded ? 1 : 0;
  tally.differences += certified && !is_same(with.answer, truth) ? 1 : 0;
  ++tally.asked;
}

double median(std::vector<double>& values) {
  std::ranges::sort(values);
  return values.empty() ? 0 : values[values.size() / 2];
}

void print(std::string_view queries, Tally& tally) {
  const auto count = static_cast<double>(std::max<std::uint64_t>(tally.asked, 1));
  fmt::print(
      "{{\"bench\":\"lookaside\",\"queries\":\"{}\",\"asked\":{},\"certified\":{:.3f},"
      "\"seeded\":{:.3f},\"rows\":{:.1f},\"rows_without\":{:.1f},\"saved\":{:.3f},"
      "\"recall\":{:.4f},\"recall_without\":{:.4f},\"p50_us\":{:.2f},\"p50_us_without\":{:.2f},"
      "\"differences\":{}}}\n",
      queries, tally.asked, static_cast<double>(tally.certified) / count,
      static_cast<double>(tally.seeded) / count, tally.rows / count, tally.rows_without / count,
      1 - tally.rows / std::max(tally.rows_without, 1.0), tally.recall / count,
      tally.recall_without / count, median(tally.us), median(tally.us_without), tally.differences);
  std::fflush(stdout);
  if (tally.differences != 0) stop("a certified answer was not that of an exact search");
}

enum class Turn { paraphrase, noise };

// Every query is asked once, in a conversation of its own, and then one like it.
void bench_alike(Asker& asker, const std::vector<Vector>& queries, double cosine, Turn turn,
                 bool exact) {
  Random random(5);
  Tally tally;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::string conversation =
        fmt::format("{} {} {} {}", i, cosine, static_cast<int>(turn), exact);
    (void)asker.ask(queries[i], conversation, true);
    if (exact) {
      (void)asker.ask(queries[i], conversation, true);  // asks for it
      asker.keep_up();
    }
    Vector like = queries[i];
    if (cosine < 1) {
      const Vector to = turn == Turn::noise ? gaussian(random, like.size(), 1)
                                            : queries[(i + 7) % queries.size()];
      like = turned(like, to, cosine);
    }
    compare(asker, like, conversation, tally);
  }
  std::string name = "repeated";
  if (cosine < 1) {
    name = fmt::format("{} at cosine {:.2f}", turn == Turn::noise ? "noise" : "paraphrase", cosine);
  }
  print(name + (exact ? ", exact" : ""), tally);
}

// A conversation that drifts from one query to another in steps of that cosine.
void bench_drift(Asker& asker, const std::vector<Vector>& queries, double cosine) {
  Tally tally;
  Random random(6);
  Vector now = queries[0];
  for (std::size_t i = 0; i < queries.size(); ++i) {
    now = turned(now, queries[(i / 10 + 1) % queries.size()], cosine);
    compare(asker, now, fmt::format("drift {}", cosine), tally);
  }
  print(fmt::format("drifting at cosine {:.2f}", cosine), tally);
}

void bench_useless(Asker& asker, const std::vector<Vector>& queries) {
  Tally tally;
  for (const Vector& query : queries) compare(asker, query, "useless", tally);
  print("one after another", tally);
}

// A certified hit, end to end, and what asking the buffer alone takes.
void bench_hit(Asker& asker, const std::vector<Vector>& queries) {
  std::vector<double> us;
  for (std::size_t i = 0; i < std::min<std::size_t>(queries.size(), 64); ++i) {
    for (int round = 0; round < 2; ++round) (void)asker.ask(queries[i], "hits", true);
    asker.keep_up();
  }
  for (int round = 0; round < 50; ++round) {
    for (std::size_t i = 0; i < std::min<std::size_t>(queries.size(), 64); ++i) {
      const Asked& asked = asker.ask(queries[i], "hits", true);
      if (asked.answer.lookaside == LookasideHelp::certified) us.push_back(asked.us);
    }
  }
  const std::size_t hits = us.size();
  const double p50 = median(us);
  fmt::print("{{\"bench\":\"certified_hit\",\"hits\":{},\"p50_us\":{:.2f},\"p99_us\":{:.2f}}}\n",
             hits, p50, us.empty() ? 0 : us[us.size() * 99 / 100]);
}

void bench_probe(const std::vector<Vector>& queries) {
  engine::Lookaside lookaside(std::size_t{8} << 20);
  const engine::SearchName name{1, 1, 0, 0, 7};
  engine::Findings findings;
  findings.nominees.resize(engine::kMostNominees);
  Random random(8);
  const std::size_t dimension = queries[0].size();
  for (int i = 0; i < 64; ++i) lookaside.remember(name, gaussian(random, dimension, 1), findings);
  engine::Remembered found;
  std::uint64_t near = 0;
  const auto measure = [&](const Vector& query) {
    constexpr int kRounds = 20'000;
    const auto before = Clock::now();
    for (int i = 0; i < kRounds; ++i) near += lookaside.find(name, query, found) ? 1 : 0;
    return std::chrono::duration<double, std::nano>(Clock::now() - before).count() / kRounds;
  };
  const double far_ns = measure(queries[0]);
  lookaside.remember(name, queries[0], findings);
  const double near_ns = measure(queries[0]);
  fmt::print(
      "{{\"bench\":\"probe\",\"entries\":64,\"dimension\":{},\"far_ns\":{:.0f},\"near_ns\":{:.0f},"
      "\"near\":{}}}\n",
      dimension, far_ns, near_ns, near);
}

// Certified answers against exact ones of the same instant, with writes between them.
void bench_checks(const std::string& directory, std::uint64_t checks) {
  constexpr std::uint32_t kDimension = 24;
  Palace palace = value_of(Palace::create(
      directory, {{.name = "v", .dimension = kDimension, .model = ""}}, {.background = false}));
  Random random(11);
  std::vector<MemoryId> ids;
  const auto write = [&](std::size_t rows) {
    Batch batch;
    for (std::size_t i = 0; i < rows; ++i) {
      NewMemory memory;
      memory.embed = false;
      memory.vectors.push_back({"v", gaussian(random, kDimension, 1), ""});
      if (!ids.empty() && random() % 3 == 0) {
        batch.supersede(ids[random() % ids.size()], std::move(memory));
        break;
      }
      batch.remember(std::move(memory));
    }
    const auto ack = value_of(palace.commit(std::move(batch), Durability::none));
    ids.insert(ids.end(), ack.ids.begin(), ack.ids.end());
  };
  for (int i = 0; i < 300; ++i) write(20);
  Asker asker(palace);
  std::vector<Vector> queries;
  for (int i = 0; i < 40; ++i) queries.push_back(gaussian(random, kDimension, 1));
  std::uint64_t certified = 0;
  std::uint64_t asked = 0;
  std::uint64_t differences = 0;
  Answer answer;
  while (certified < checks) {
    if (asked % 64 == 0) {
      write(1 + random() % 2);
      if (random() % 200 == 0) value_of(palace.checkpoint());
      if (random() % 2000 == 0) value_of(palace.compact());
      queries[random() % queries.size()] = gaussian(random, kDimension, 1);
    }
    Vector query = queries[random() % queries.size()];
    if (random() % 4 == 0) {
      query =
          turned(query, gaussian(random, kDimension, 1), 1 - 1e-4 * (1.0 + double(random() % 9)));
    }
    answer = asker.ask(query, "checks", true, random() % 2 == 0 ? 1.0F : 0.9F).answer;
    ++asked;
    if (answer.lookaside != LookasideHelp::certified) continue;
    ++certified;
    differences += is_same(answer, asker.ask(query, "", false, 1.0F).answer) ? 0 : 1;
  }
  fmt::print("{{\"bench\":\"checks\",\"certified\":{},\"asked\":{},\"differences\":{}}}\n",
             certified, asked, differences);
  if (differences != 0) stop("a certified answer was not that of an exact search");
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    const std::uint64_t number = std::strtoull(argv[i + 1], nullptr, 10);
    if (option == "--base") settings.base = argv[i + 1];
    if (option == "--query") settings.query = argv[i + 1];
    if (option == "--rows") settings.rows = number;
    if (option == "--queries") settings.queries = std::max<std::uint64_t>(number, 10);
    if (option == "--checks") settings.checks = number;
    if (option == "--dimension") settings.dimension = static_cast<std::uint32_t>(number);
  }
  Random random(2);
  const auto rows = settings.base.empty() ? make_vectors(random, settings.rows, settings.dimension)
                                          : read_vectors(settings.base, settings.rows);
  const auto queries = settings.query.empty()
                           ? make_vectors(random, settings.queries, settings.dimension)
                           : read_vectors(settings.query, settings.queries);
  std::string scratch = (std::filesystem::temp_directory_path() / "aeon-look-XXXXXX").string();
  if (::mkdtemp(scratch.data()) == nullptr) return 1;
  {
    const auto dimension = static_cast<std::uint32_t>(rows[0].size());
    Palace palace = value_of(Palace::create(scratch + "/palace",
                                            {{.name = "v", .dimension = dimension, .model = ""}},
                                            {.background = false}));
    fill(palace, rows);
    Asker asker(palace);
    bench_probe(queries);
    bench_useless(asker, queries);
    for (const bool exact : {false, true}) {
      bench_alike(asker, queries, 1, Turn::paraphrase, exact);
      for (const Turn turn : {Turn::paraphrase, Turn::noise}) {
        for (const double cosine : {0.99, 0.97, 0.95, 0.90, 0.80}) {
          bench_alike(asker, queries, cosine, turn, exact);
        }
      }
    }
    for (const double cosine : {0.97, 0.90, 0.80}) bench_drift(asker, queries, cosine);
    bench_hit(asker, queries);
    bench_checks(scratch + "/checks", settings.checks);
  }
  std::error_code ignored;
  std::filesystem::remove_all(scratch, ignored);
  return 0;
}
