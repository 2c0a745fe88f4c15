// The graph of rows as it grows: in tails, over several segments, after merges and reopening, in
// every order of insertion, with copies, deletions, old snapshots and several tenants. Answers are
// compared with exact ones of the same instant.
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <thread>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/vector_source.hpp"

using namespace aeon;
using test::Layout;
using test::VectorSource;

namespace {

constexpr std::uint32_t kDimension = 256;
constexpr std::uint32_t kRows = 9'000;
using Rows = std::vector<std::vector<float>>;

OpenOptions quiet() {
  OpenOptions options;
  options.background = false;
  return options;
}

Rows make_rows(Layout layout, std::uint32_t count, std::uint64_t seed) {
  VectorSource source(layout, kDimension, seed);
  Rows rows;
  for (std::uint32_t i = 0; i < count; ++i) rows.push_back(source.next());
  return rows;
}

Palace make_palace(const std::string& directory, Metric metric = Metric::cosine) {
  return Palace::create(directory, {{.name = "v", .dimension = kDimension, .metric = metric}},
                        quiet())
      .value();
}

std::vector<MemoryId> add(Palace& palace, const Rows& rows, std::size_t first, std::size_t last,
                          std::size_t batch_rows, const std::string& tenant = {}) {
  std::vector<MemoryId> ids;
  while (first < last) {
    Batch batch;
    for (std::size_t i = 0; i < batch_rows && first < last; ++i, ++first) {
      NewMemory memory;
      memory.tenant = tenant;
      memory.content = "row";
      memory.embed = false;
      memory.vectors.push_back({"v", rows[first], ""});
      batch.remember(std::move(memory));
    }
    const auto ack = palace.commit(std::move(batch), Durability::process);
    REQUIRE(ack.has_value());
    ids.insert(ids.end(), ack->ids.begin(), ack->ids.end());
  }
  return ids;
}

Answer ask(const Snapshot& snapshot, const std::vector<float>& vector, float recall,
           std::uint32_t k = 10, std::string_view tenant = {}) {
  Query query;
  query.lookaside = false;
  query.tenant = tenant;
  query.space = "v";
  query.vector = vector;
  query.target_recall = recall;
  query.k = k;
  Answer answer;
  REQUIRE(snapshot.recall(query, answer).has_value());
  REQUIRE(answer.commit == snapshot.commit());
  REQUIRE_FALSE(answer.partial);
  return answer;
}

struct Measured {
  double recall = 0;  // share of hits as good as the exact ones: copies are as good as each other
  double scanned = 0;
  double exact = 0;  // share of answers that came from a full scan
};

Measured measure(const Snapshot& snapshot, const Rows& queries, float recall,
                 std::string_view tenant = {}) {
  Measured measured;
  for (const auto& vector : queries) {
    const Answer exact = ask(snapshot, vector, 1, 10, tenant);
    const Answer found = ask(snapshot, vector, recall, 10, tenant);
    REQUIRE(exact.hits.size() == 10);
    REQUIRE(found.hits.size() == 10);
    std::set<MemoryId> ids;
    for (const Hit& hit : found.hits) {
      measured.recall += hit.score >= exact.hits.back().score ? 0.1 : 0;
      REQUIRE(ids.insert(hit.id).second);
    }
    measured.scanned += static_cast<double>(found.rows_scanned);
    measured.exact += found.exact ? 1 : 0;
  }
  const auto count = static_cast<double>(queries.size());
  return {measured.recall / count, measured.scanned / count, measured.exact / count};
}

}  // namespace

TEST_CASE("the wanted recall is met wherever rows lie") {
  const Layout layout =
      GENERATE(Layout::clustered, Layout::by_topic, Layout::copies, Layout::uniform);
  const Metric metric = GENERATE(Metric::cosine, Metric::l2, Metric::dot);
  CAPTURE(static_cast<int>(layout), static_cast<int>(metric));
  const test::TempDirectory scratch;
  Palace palace = make_palace(scratch / "palace", metric);
  const Rows rows = make_rows(layout, kRows, 2);
  const Rows queries = make_rows(layout, 60, 3);
  const auto check = [&](const char* where) {
    CAPTURE(where);
    for (const float recall : {0.9F, 0.98F}) {
      const Measured measured = measure(palace.snapshot(), queries, recall);
      CAPTURE(measured.scanned, measured.exact);
      CHECK(measured.recall >= static_cast<double>(recall) - 0.02);
      if (layout == Layout::clustered && metric != Metric::dot) {
        CHECK(measured.scanned < kRows / 4.0);
        CHECK(measured.exact == 0);
      }
    }
  };
  add(palace, rows, 0, kRows, 64);
  check("in the tail");
  REQUIRE(palace.checkpoint().has_value());
  check("in a segment");
  const Rows more = make_rows(layout, 1500, 4);
  add(palace, more, 0, 700, 1);
  REQUIRE(palace.checkpoint().has_value());
  add(palace, more, 700, 1500, 200);
  check("in segments and a tail");
  REQUIRE(palace.compact().has_value());
  check("merged");
  palace = Palace::open(scratch / "palace", quiet()).value();
  check("opened again");
  CHECK(palace.verify().value().damage.empty());
}

TEST_CASE("the order of insertion costs next to nothing") {
  const test::TempDirectory scratch;
  const Rows queries = make_rows(Layout::by_topic, 100, 5);
  Rows rows = make_rows(Layout::by_topic, kRows, 6);
  Palace sorted = make_palace(scratch / "sorted");
  add(sorted, rows, 0, kRows, 500);
  Palace reversed = make_palace(scratch / "reversed");
  add(reversed, {rows.rbegin(), rows.rend()}, 0, kRows, 1);
  std::mt19937_64 random(7);
  std::ranges::shuffle(rows, random);
  Palace shuffled = make_palace(scratch / "shuffled");
  add(shuffled, rows, 0, kRows, 64);
  const double best = measure(shuffled.snapshot(), queries, 0.95F).recall;
  CHECK(best >= 0.95);
  CHECK(measure(sorted.snapshot(), queries, 0.95F).recall >= best - 0.015);
  CHECK(measure(reversed.snapshot(), queries, 0.95F).recall >= best - 0.015);
}

TEST_CASE("every one of a thousand copies is found, and what lies behind them") {
  const test::TempDirectory scratch;
  Palace palace = make_palace(scratch / "palace");
  const Rows distinct = make_rows(Layout::clustered, 5000, 8);
  Rows rows = distinct;
  for (int copy = 0; copy < 500; ++copy) {
    for (std::size_t i = 0; i < 10; ++i) rows.push_back(distinct[i]);
  }
  const std::size_t batch = GENERATE(std::size_t{1}, std::size_t{700});
  const auto ids = add(palace, rows, 0, rows.size(), batch);
  for (int round = 0; round < 2; ++round) {
    const Snapshot snapshot = palace.snapshot();
    for (std::size_t i = 0; i < 10; ++i) {
      const Answer found = ask(snapshot, distinct[i], 0.9F, 501);
      std::set<MemoryId> copies;
      for (const Hit& hit : found.hits) {
        if (hit.score >= found.hits.front().score - 1e-6F) copies.insert(hit.id);
      }
      CHECK(copies.size() == 501);
      const Answer exact = ask(snapshot, distinct[i], 1, 520);
      const Answer behind = ask(snapshot, distinct[i], 0.98F, 520);
      CHECK(behind.hits.size() == 520);
      CHECK(behind.hits.back().score >= exact.hits.back().score - 0.02F);
    }
    if (round == 0) REQUIRE(palace.compact().has_value());
  }
}

TEST_CASE("what was forgotten is not found, and an old snapshot finds what it had") {
  const test::TempDirectory scratch;
  Palace palace = make_palace(scratch / "palace");
  const Rows rows = make_rows(Layout::clustered, kRows, 9);
  const Rows queries = make_rows(Layout::clustered, 50, 10);
  const auto ids = add(palace, rows, 0, kRows, 100);
  REQUIRE(palace.checkpoint().has_value());
  const Snapshot before = palace.snapshot();
  std::vector<Answer> had;
  for (const auto& query : queries) had.push_back(ask(before, query, 0.95F));
  std::set<MemoryId> forgotten;
  for (std::size_t first = 0; first < kRows; first += 1000) {
    Batch batch;
    for (std::size_t i = first; i < first + 1000; i += 2) {
      batch.forget(ids[i]);
      forgotten.insert(ids[i]);
    }
    REQUIRE(palace.commit(std::move(batch), Durability::process).has_value());
  }
  const Rows more = make_rows(Layout::clustered, 2000, 11);
  add(palace, more, 0, 2000, 50);
  for (int round = 0; round < 2; ++round) {
    CHECK(measure(palace.snapshot(), queries, 0.95F).recall >= 0.93);
    for (std::size_t i = 0; i < queries.size(); ++i) {
      for (const Hit& hit : ask(palace.snapshot(), queries[i], 0.95F).hits) {
        CHECK_FALSE(forgotten.contains(hit.id));
      }
      const Answer now = ask(before, queries[i], 0.95F);
      for (const Hit& hit : now.hits) CHECK(hit.version <= before.commit());
    }
    CHECK(measure(before, queries, 0.95F).recall >= 0.93);
    REQUIRE(palace.compact().has_value());
  }
}

TEST_CASE("links do not lead from one tenant to another") {
  const test::TempDirectory scratch;
  Palace palace = make_palace(scratch / "palace");
  const Rows rows = make_rows(Layout::clustered, kRows, 12);
  std::set<MemoryId> owned[2];
  for (const std::string tenant : {"ada", "bob"}) {
    Batch batch;
    batch.create_tenant(tenant);
    REQUIRE(palace.commit(std::move(batch), Durability::process).has_value());
  }
  for (std::size_t first = 0; first < kRows; first += 500) {
    for (int owner = 0; owner < 2; ++owner) {
      const auto ids = add(palace, rows, first, first + 500, 125, owner == 0 ? "ada" : "bob");
      owned[owner].insert(ids.begin(), ids.end());
    }
    if (first == 4000) REQUIRE(palace.checkpoint().has_value());
  }
  const Rows queries = make_rows(Layout::clustered, 50, 13);
  for (int owner = 0; owner < 2; ++owner) {
    const std::string_view tenant = owner == 0 ? "ada" : "bob";
    CHECK(measure(palace.snapshot(), queries, 0.95F, tenant).recall >= 0.93);
    for (const auto& query : queries) {
      for (const Hit& hit : ask(palace.snapshot(), query, 0.95F, 10, tenant).hits) {
        CHECK(owned[owner].contains(hit.id));
      }
    }
  }
}

TEST_CASE("rows that several threads commit at once find each other") {
  const test::TempDirectory scratch;
  OpenOptions options;
  options.checkpoint_bytes = 4 << 20;
  Palace palace =
      Palace::create(scratch / "palace", {{.name = "v", .dimension = kDimension}}, options).value();
  const Rows rows = make_rows(Layout::clustered, kRows, 14);
  {
    std::vector<std::jthread> writers;
    for (std::size_t writer = 0; writer < 3; ++writer) {
      writers.emplace_back([&, writer] {
        for (std::size_t i = writer; i < kRows; i += 3) {
          Batch batch;
          NewMemory memory;
          memory.embed = false;
          memory.content = "row";
          memory.vectors.push_back({"v", rows[i], ""});
          batch.remember(std::move(memory));
          if (!palace.commit(std::move(batch), Durability::none)) std::abort();
        }
      });
    }
  }
  const Rows queries = make_rows(Layout::clustered, 60, 15);
  CHECK(measure(palace.snapshot(), queries, 0.95F).recall >= 0.93);
}
