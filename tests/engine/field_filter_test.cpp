// Filters and sessions, told by terms, against asking every memory.
#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/filter.hpp"
#include "engine/palace.hpp"
#include "tests/support/segment_files.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/vector_source.hpp"

using namespace aeon;

namespace {

constexpr std::uint32_t kDimension = 16;

std::string scalar(std::mt19937_64& random) {
  switch (random() % 9) {
    case 0: return std::to_string(random() % 12);
    case 1: return std::to_string(static_cast<long>(random() % 2000) - 1000);
    case 2: return fmt::format("{:.2f}", static_cast<double>(random() % 400) / 100 - 2);
    case 3: return random() % 2 == 0 ? "true" : "false";
    // Numbers that round to the same double, and both zeros.
    case 4: return std::to_string((std::uint64_t{1} << 53) + random() % 4);
    case 5: return random() % 2 == 0 ? "-0.0" : "0";
    case 6: return fmt::format("\"{}\"", std::string(60 + random() % 4, 'y'));
    default:
      return fmt::format("\"{}\"", std::string("abcabd").substr(random() % 3, 1 + random() % 3));
  }
}

std::string field_name(std::mt19937_64& random) {
  static const std::vector<std::string> names = {
      "a", "b", "page", "a\\u0000b", "", std::string(25, 'n'), std::string(40, 'n')};
  return names[random() % names.size()];
}

std::string random_metadata(std::mt19937_64& random) {
  if (random() % 5 == 0) return {};
  std::map<std::string, std::string> fields;
  for (std::size_t i = 0, n = random() % 4; i < n; ++i) {
    std::string& value = fields[field_name(random)];
    switch (random() % 8) {
      case 0: value = "null"; break;
      case 1: value = "{\"x\":1}"; break;
      case 2: {
        value = "[";
        // Now and then more than is indexed.
        const std::size_t count = random() % 40 == 0 ? 700 : random() % 4;
        for (std::size_t e = 0; e < count; ++e) value += (e == 0 ? "" : ",") + scalar(random);
        value += "]";
        break;
      }
      default: value = scalar(random);
    }
  }
  std::string json = "{";
  for (const auto& [name, value] : fields) {
    json += fmt::format("{}\"{}\":{}", json.size() > 1 ? "," : "", name, value);
  }
  return json + "}";
}

std::string random_filter(std::mt19937_64& random, int depth) {
  const auto condition = [&]() -> std::string {
    const std::string name = field_name(random);
    switch (random() % 6) {
      case 0: return fmt::format("\"{}\":{}", name, scalar(random));
      case 1: return fmt::format("\"{}\":{{\"exists\":{}}}", name, random() % 2 == 0);
      case 2: return fmt::format("\"{}\":{{\"in\":[{},{}]}}", name, scalar(random), scalar(random));
      case 3: return fmt::format("\"{}\":{{\"contains\":{}}}", name, scalar(random));
      case 4: {
        static constexpr const char* kOps[] = {"==", "!=", "<", "<=", ">", ">="};
        return fmt::format("\"{}\":{{\"{}\":{}}}", name, kOps[random() % 6], scalar(random));
      }
      default:
        return fmt::format("\"{}\":{{\">=\":{},\"<\":{}}}", name, scalar(random), scalar(random));
    }
  };
  if (depth == 0) return fmt::format("{{{}}}", condition());
  switch (random() % 5) {
    case 0: return fmt::format("{{\"not\":{}}}", random_filter(random, depth - 1));
    case 1:
    case 2:
      return fmt::format("{{\"{}\":[{},{}]}}", random() % 2 == 0 ? "and" : "or",
                         random_filter(random, depth - 1), random_filter(random, depth - 1));
    default: return fmt::format("{{{}}}", condition());
  }
}

struct Kept {
  std::string tenant;
  std::string session;
  std::string kind;
  std::string metadata;
  bool has_text = false;
  CommitNumber born = 0;
  CommitNumber ended = kNever;
  static constexpr CommitNumber kNever = UINT64_MAX;
};

class Store {
 public:
  explicit Store(const std::string& path, std::uint64_t seed)
      : random_(seed),
        vectors_(test::Layout::clustered, kDimension, seed),
        palace_(Palace::create(
                    path,
                    std::vector<SpaceSpec>{{.name = "other", .dimension = 4, .model = ""},
                                           {.name = "v", .dimension = kDimension, .model = ""}},
                    quiet())
                    .value()) {
    Batch batch;
    batch.create_tenant("t");
    commit(std::move(batch));
  }

  void add(std::size_t count) {
    Batch batch;
    for (std::size_t i = 0; i < count; ++i) batch.remember(memory());
    const Batch copy = batch;
    const auto ack = commit(std::move(batch));
    for (std::size_t i = 0; i < count; ++i) {
      const auto& made = std::get<NewMemory>(copy.operations()[i]);
      all_.emplace(ack.ids[i], Kept{made.tenant, made.session, made.kind, made.metadata,
                                    !made.content.empty(), ack.commit});
    }
  }
  void forget_some(std::size_t count) {
    Batch batch;
    std::vector<MemoryId> ids;
    for (const auto& [id, kept] : all_) {
      if (kept.ended == Kept::kNever && random_() % 4 == 0 && ids.size() < count) ids.push_back(id);
    }
    for (const MemoryId id : ids) batch.forget(id);
    if (ids.empty()) return;
    const auto ack = commit(std::move(batch));
    for (const MemoryId id : ids) all_[id].ended = ack.commit;
  }

  // New versions keep their session without naming it.
  void revise_some(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = std::next(all_.begin(), static_cast<long>(random_() % all_.size()));
      if (at->second.ended != Kept::kNever) continue;
      Batch batch;
      NewMemory next = memory();
      next.session.clear();
      next.tenant = at->second.tenant;
      const Kept old = at->second;
      const MemoryId id = at->first;
      batch.supersede(id, next);
      const auto ack = commit(std::move(batch));
      older_.emplace_back(id, old);
      older_.back().second.ended = ack.commit;
      at->second = {old.tenant,    old.session,           next.kind,
                    next.metadata, !next.content.empty(), ack.commit};
    }
  }

  void check(const Snapshot& snapshot, const std::string& text) {
    const std::string tenant = random_() % 4 == 0 ? "t" : "";
    const std::string session = random_() % 3 == 0 ? session_name() : "";
    const std::string kind = random_() % 4 == 0 ? kind_name() : "";
    std::set<MemoryId> expected;
    const auto filter = engine::Filter::parse(text).value();
    std::set<MemoryId> with_text;
    const auto look = [&](MemoryId id, const Kept& kept) {
      if (kept.born > snapshot.commit() || kept.ended <= snapshot.commit()) return;
      if (kept.tenant != tenant || (!session.empty() && kept.session != session)) return;
      if (!kind.empty() && kept.kind != kind) return;
      if (!filter->matches(kept.metadata)) return;
      expected.insert(id);
      if (kept.has_text) with_text.insert(id);
    };
    for (const auto& [id, kept] : all_) look(id, kept);
    for (const auto& [id, kept] : older_) look(id, kept);
    INFO("filter " << text << ", session \"" << session << "\", tenant \"" << tenant
                   << "\", commit " << snapshot.commit());
    Query query;
    query.tenant = tenant;
    query.session = session;
    query.kind = kind;
    query.space = "v";
    query.filter = text;
    query.k = kMaxK;
    const std::vector<float> vector = vectors_.next();
    query.vector = vector;
    Answer answer;
    REQUIRE(snapshot.recall(query, answer).has_value());
    REQUIRE_FALSE(answer.partial);
    REQUIRE(ids_of(answer) == expected);
    // By words: every text has one word in common.
    query.vector = {};
    query.space = {};
    query.text = "common";
    query.preset = kWordsPreset;
    REQUIRE(snapshot.recall(query, answer).has_value());
    REQUIRE(ids_of(answer) == with_text);
  }

  [[nodiscard]] Palace& palace() { return palace_; }
  [[nodiscard]] std::mt19937_64& random() { return random_; }

 private:
  static OpenOptions quiet() {
    OpenOptions options;
    options.background = false;
    return options;
  }
  static std::set<MemoryId> ids_of(const Answer& answer) {
    std::set<MemoryId> ids;
    for (const Hit& hit : answer.hits) ids.insert(hit.id);
    return ids;
  }
  Ack commit(Batch batch) {
    auto ack = palace_.commit(std::move(batch), Durability::none);
    REQUIRE(ack.has_value());
    return *ack;
  }
  std::string session_name() {
    const std::size_t n = random_() % 6;
    return n == 5 ? std::string(70, 's') : fmt::format("s{}", n);
  }
  std::string kind_name() {
    static const std::vector<std::string> kinds = {"fact", "event", std::string(80, 'k')};
    return kinds[random_() % kinds.size()];
  }
  NewMemory memory() {
    NewMemory made;
    made.kind = kind_name();
    made.tenant = random_() % 4 == 0 ? "t" : "";
    if (random_() % 3 == 0) made.session = session_name();
    if (random_() % 3 != 0) made.content = fmt::format("common w{}", random_() % 50);
    made.metadata = random_metadata(random_);
    made.embed = false;
    if (random_() % 8 == 0)
      made.vectors.push_back({.space = "other", .values = {1, 2, 3, 4}, .model = ""});
    made.vectors.push_back({.space = "v", .values = vectors_.next(), .model = ""});
    return made;
  }

  std::mt19937_64 random_;
  test::VectorSource vectors_;
  Palace palace_;
  std::map<MemoryId, Kept> all_;
  std::vector<std::pair<MemoryId, Kept>> older_;
};

}  // namespace

TEST_CASE("a filter leaves exactly the memories that it holds for, whoever tells") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    INFO("seed " << seed);
    const test::TempDirectory scratch;
    Store store(scratch / "palace", seed);
    std::vector<Snapshot> snapshots;
    for (int round = 0; round < 8; ++round) {
      store.add(60);
      if (round % 3 == 2) REQUIRE(store.palace().checkpoint().has_value());
      if (round % 2 == 1) store.forget_some(25);
      store.revise_some(8);
      if (round == 5) REQUIRE(store.palace().compact().has_value());
      if (round == 3) snapshots.push_back(store.palace().snapshot());
      for (int i = 0; i < 40; ++i) {
        store.check(store.palace().snapshot(), random_filter(store.random(), 2));
        if (!snapshots.empty()) store.check(snapshots[0], random_filter(store.random(), 2));
      }
    }
    REQUIRE(store.palace().verify().value().damage.empty());
  }
}

TEST_CASE("a walk among rows that match finds the nearest of them") {
  const test::TempDirectory scratch;
  constexpr std::uint32_t kRows = 30'000;
  constexpr std::uint32_t kWide = 64;
  OpenOptions options;
  options.background = false;
  auto palace = Palace::create(
                    scratch / "palace",
                    std::vector<SpaceSpec>{{.name = "v", .dimension = kWide, .model = ""}}, options)
                    .value();
  test::VectorSource rows(test::Layout::clustered, kWide, 7);
  for (std::uint32_t first = 0; first < kRows; first += 1000) {
    Batch batch;
    for (std::uint32_t i = first; i < first + 1000; ++i) {
      NewMemory memory;
      memory.embed = false;
      std::vector<float> values = rows.next();
      // One field that has nothing to do with the vector, and one that follows from it.
      memory.metadata = fmt::format("{{\"n\":{},\"side\":{:.3f}}}", i % 1000, values[0]);
      memory.vectors.push_back({.space = "v", .values = std::move(values), .model = ""});
      batch.remember(std::move(memory));
    }
    REQUIRE(palace.commit(std::move(batch), Durability::none).has_value());
    if (first == 20'000) REQUIRE(palace.checkpoint().has_value());
  }
  std::set<SearchPlan> plans;
  const Snapshot snapshot = palace.snapshot();
  for (const char* filter : {R"({"n":{"<":1}})", R"({"n":{"<":10}})", R"({"n":{"<":100}})",
                             R"({"n":{"<":500}})", R"({"n":{">=":250}})", R"({"side":{">":0.9}})",
                             R"({"side":{">":0}})", R"({"not":{"n":{"<":400}}})"}) {
    INFO(filter);
    double found = 0;
    double wanted = 0;
    for (int i = 0; i < 40; ++i) {
      const std::vector<float> vector = rows.next();
      Query query;
      query.space = "v";
      query.vector = vector;
      query.filter = filter;
      query.k = 10;
      Answer answer;
      REQUIRE(snapshot.recall(query, answer).has_value());
      plans.insert(answer.plan);
      query.target_recall = 1.0F;
      Answer exact;
      REQUIRE(snapshot.recall(query, exact).has_value());
      REQUIRE(exact.exact);
      REQUIRE(exact.hits.size() == 10);
      for (const Hit& hit : exact.hits) {
        wanted += 1;
        found +=
            std::ranges::any_of(answer.hits, [&](const Hit& h) { return h.id == hit.id; }) ? 1 : 0;
      }
    }
    CHECK(found / wanted >= 0.95);
  }
  CHECK(plans.contains(SearchPlan::matches));
  CHECK(plans.contains(SearchPlan::graph));
}

namespace {

// Of each page of the file in turn, one byte is changed while `check` runs.
template <typename Check>
void at_each_damaged_page(const std::string& path, Check&& check) {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t bytes = std::filesystem::file_size(path);
  for (std::uint64_t page = 1; page + 1 < bytes / kPage; ++page) {
    INFO("page " << page);
    test::flip(path, page * kPage + 99, 0x10);
    check();
    test::flip(path, page * kPage + 99, 0x10);
  }
}

std::string only_segment(const std::string& directory) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with("seg-")) found = entry.path();
  }
  REQUIRE(!found.empty());
  return found;
}

}  // namespace

TEST_CASE("a filter that says what is not there lies on no damaged page") {
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  constexpr TimeNs kLongAgo = 1;
  const std::vector<float> vector = {1, 2, 3, 4};
  {
    Palace palace =
        Palace::create(directory, {{.name = "v", .dimension = 4}}, {.background = false}).value();
    for (int first = 0; first < 3000; first += 1000) {
      Batch batch;
      for (int i = first; i < first + 1000; ++i) {
        NewMemory memory;
        memory.embed = false;
        memory.metadata = fmt::format(R"({{"n":{},"lang":"{}"}})", i % 10, i % 2 ? "en" : "de");
        memory.vectors.push_back({"v", {1, 2, 3, static_cast<float>(i) / 100}, ""});
        if (i == 7) memory.expires = kLongAgo;
        batch.remember(std::move(memory));
      }
      REQUIRE(palace.commit(std::move(batch), Durability::process));
    }
    REQUIRE(palace.compact());
  }
  std::uint64_t partial = 0;
  std::uint64_t answered = 0;
  at_each_damaged_page(only_segment(directory), [&] {
    const auto palace = Palace::open(directory, {.read_only = true, .background = false});
    if (!palace) return;  // what an opening needs is damaged, and named
    for (const std::string_view wanted :
         {R"({"not":{"n":{"<":5}},"lang":"en"})", R"({"n":{"!=":3}})",
          R"({"not":{"n":{"exists":true}}})"}) {
      const auto filter = engine::Filter::parse(wanted).value();
      Query query;
      query.space = "v";
      query.vector = vector;
      query.k = 1000;
      query.target_recall = 1;
      query.filter = wanted;
      Answer answer;
      const Status status = palace->recall(query, answer);
      if (!status) FAIL(wanted << ": " << status.error().message);
      ++answered;
      partial += answer.partial ? 1 : 0;
      Memory memory;
      for (const Hit& hit : answer.hits) {
        if (!palace->snapshot().get(hit.id, memory)) continue;
        if (!filter->matches(memory.metadata)) FAIL(wanted << " holds for " << memory.metadata);
      }
    }
  });
  CHECK(answered > 100);
  CHECK(partial > 0);
}
