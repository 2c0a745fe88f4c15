// Recall over the graph beside its definition: PageRank by iterating over the whole graph, the
// names of a text by looking for every concept in it, and the formula of docs/graph_recall.md.
#include <catch2/catch.hpp>

#include <cmath>
#include <map>
#include <random>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/engine/word_oracle.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

struct Passage {
  std::string text;
  std::vector<std::string> names;
  std::vector<Triple> triples;
};

struct Shelf {
  Shelf() : palace(Palace::create(scratch / "palace", {}, {.background = false}).value()) {}
  MemoryId put(const Passage& passage, std::string session = {}) {
    NewMemory memory;
    memory.content = passage.text;
    memory.mentions = passage.names;
    memory.triples = passage.triples;
    memory.session = std::move(session);
    memory.metadata = passage.names.empty() ? R"({"bare":true})" : "";
    Batch batch;
    batch.remember(std::move(memory));
    return palace.commit(std::move(batch), Durability::none).value().ids[0];
  }
  Answer ask(const Query& query) {
    Answer answer;
    const Status got = palace.recall(query, answer);
    INFO((got ? std::string{} : got.error().message));
    REQUIRE(got);
    return answer;
  }
  test::TempDirectory scratch;
  Palace palace;
};

Query graph_query(std::string_view text, std::uint32_t k = 10) {
  return {.text = text, .preset = kPassagesPreset, .explain = true, .k = k};
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (c == ' ') {
      words.emplace_back();
    } else {
      words.back().push_back(c);
    }
  }
  return words;
}

std::string joined(const std::string& a, const std::string& b) {
  return a.empty() ? b : fmt::format("{} {}", a, b);
}

// Names are of lower-case words apart by one space, so a name is its own key, and no question
// writes one with capitals.
class Oracle {
 public:
  void add(MemoryId id, const Passage& passage) {
    documents_.push_back({.id = id, .order = id, .words = split(passage.text), .extra = {}});
    for (const std::string& name : passage.names) link(fmt::format("p{}", id), name);
    for (const Triple& triple : passage.triples) {
      link(fmt::format("p{}", id), triple.subject);
      link(fmt::format("p{}", id), triple.object);
      if (triple.subject != triple.object) relations_.insert({triple.subject, triple.object});
    }
  }

  // Score by id, of everything that words or the graph bring.
  std::map<MemoryId, double> scores(const std::string& question) {
    const auto words = split(question);
    const auto hits = test::oracle_scores(documents_, words, 0.9, 0.4);
    std::set<std::size_t> places;
    auto seeds = named(words, places);
    double sum = 0;
    for (const auto& [name, share] : seeds) sum += share;
    for (auto& [name, share] : seeds) share /= sum;
    double part = 0;
    double whole = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
      whole += idf_of(words[i]);
      part += places.contains(i) ? idf_of(words[i]) : 0;
    }
    const double strength = sum * part / whole;
    const double trust = strength * strength / (strength * strength + 0.25 * 0.25);
    for (std::size_t i = 0; sum > 0 && i < std::min<std::size_t>(5, hits.size()); ++i) {
      seeds[fmt::format("p{}", hits[i].id)] += 0.05 * hits[i].score / hits[0].score;
    }
    const auto arrived = walk(seeds);
    double best = 0;
    for (const auto& [node, rank] : arrived) best = std::max(best, is_passage(node) ? rank : 0);
    std::map<MemoryId, double> base;
    for (const auto& hit : hits) base[hit.id] = hit.score / hits[0].score;
    for (const auto& [node, rank] : arrived) {
      if (is_passage(node) && rank > 0) base.try_emplace(std::stoull(node.substr(1)), 0);
    }
    if (best == 0) return base;
    for (auto& [id, score] : base) {
      const auto at = arrived.find(fmt::format("p{}", id));
      const double rank = at == arrived.end() ? 0 : at->second;
      score = (score + 0.2) * std::pow((rank + 1e-4) / (best + 1e-4), 0.5 * trust);
    }
    return base;
  }

 private:
  static bool is_passage(const std::string& node) { return node.starts_with('p'); }

  void link(const std::string& passage, const std::string& name) {
    mentions_.insert({passage, name});
  }

  std::map<std::string, std::multimap<std::string, double>> edges() const {
    std::map<std::string, std::multimap<std::string, double>> out;
    for (const auto* set : {&mentions_, &relations_}) {
      for (const auto& [from, to] : *set) {
        out[from].insert({to, 1});
        out[to].insert({from, 1});
      }
    }
    return out;
  }

  double holding_word(const std::string& word) const {
    double with = 0;
    for (const auto& document : documents_) with += document.times(word) > 0 ? 1 : 0;
    return with;
  }

  // As a part of what a word of one document has.
  double idf_of(const std::string& word) const {
    const auto all = static_cast<double>(documents_.size());
    const double with = holding_word(word);
    return std::log(1 + (all - with + 0.5) / (with + 0.5)) / std::log(1 + all);
  }

  // `places` of the words that stand in the name of a seed.
  std::map<std::string, double> named(const std::vector<std::string>& words,
                                      std::set<std::size_t>& places) const {
    std::map<std::string, double> seeds;
    std::set<std::pair<std::size_t, std::size_t>> found;
    const auto graph = edges();
    for (std::size_t length = words.size(); length > 0; --length) {
      for (std::size_t first = 0; first + length <= words.size(); ++first) {
        std::string name;
        double idf = 0;
        for (std::size_t i = first; i < first + length; ++i) {
          name = joined(name, words[i]);
          idf += idf_of(words[i]);
        }
        const bool inside = std::ranges::any_of(found, [&](const auto& span) {
          return span.first <= first && first + length <= span.second;
        });
        if (inside || idf <= 0 || !graph.contains(name)) continue;
        found.insert({first, first + length});
        double holding = 0;
        for (const auto& [passage, mentioned] : mentions_) holding += mentioned == name ? 1 : 0;
        double fewest = holding_word(words[first]);
        for (std::size_t i = first; i < first + length; ++i) {
          fewest = std::min(fewest, holding_word(words[i]));
        }
        holding = std::max(holding, fewest);
        const double weight = idf * idf * idf / holding;
        if (weight < 0.07) continue;
        seeds.try_emplace(name, weight);
        for (std::size_t i = first; i < first + length; ++i) places.insert(i);
      }
    }
    return seeds;
  }

  // What arrives over edges at the end of 400 rounds.
  std::map<std::string, double> walk(std::map<std::string, double> seeds) const {
    std::map<std::string, double> rank;
    double sum = 0;
    for (const auto& [node, share] : seeds) sum += share;
    if (sum == 0) return rank;
    for (auto& [node, share] : seeds) share /= sum;
    const auto graph = edges();
    rank = seeds;
    for (int round = 0; round < 400; ++round) {
      std::map<std::string, double> next;
      for (const auto& [node, share] : seeds) next[node] += 0.15 * share;
      for (const auto& [node, value] : rank) {
        const auto at = graph.find(node);
        if (at == graph.end()) {
          for (const auto& [seed, share] : seeds) next[seed] += 0.85 * value * share;
          continue;
        }
        const auto count = static_cast<double>(at->second.size());
        for (const auto& [to, weight] : at->second) next[to] += 0.85 * value / count;
      }
      rank = next;
    }
    for (auto& [node, value] : rank) {
      const auto at = seeds.find(node);
      if (at != seeds.end()) value = std::max(0.0, value - 0.15 * at->second);
    }
    return rank;
  }

  std::vector<test::OracleDocument> documents_;
  std::set<std::pair<std::string, std::string>> mentions_;
  std::set<std::pair<std::string, std::string>> relations_;
};

std::size_t place_of(const Answer& answer, MemoryId id) {
  for (std::size_t i = 0; i < answer.hits.size(); ++i) {
    if (answer.hits[i].id == id) return i + 1;
  }
  return 0;
}

}  // namespace

TEST_CASE("Scores are those of the definition") {
  std::mt19937_64 random(7);
  const auto any = [&](std::size_t below) { return random() % below; };
  // Words that stemming leaves alone.
  const auto word = [&] { return fmt::format("w{}", any(6) * any(6)); };
  for (int history = 0; history < 12; ++history) {
    Shelf shelf;
    Oracle oracle;
    for (std::size_t i = 0; i < 30; ++i) {
      Passage passage;
      for (std::size_t w = 0; w < 6; ++w) passage.text = joined(passage.text, word());
      const auto name = [&] { return any(2) == 0 ? word() : joined(word(), word()); };
      for (std::size_t n = any(3); n > 0; --n) passage.names.push_back(name());
      for (std::size_t n = any(3); n > 0; --n) passage.triples.push_back({name(), "r", name()});
      oracle.add(shelf.put(passage), passage);
      if (i == 15) REQUIRE(shelf.palace.checkpoint());
    }
    const std::string question = joined(joined(word(), word()), word());
    const auto wanted = oracle.scores(question);
    const Answer answer = shelf.ask(graph_query(question, 100));
    INFO(history << ": " << question);
    CHECK(answer.hits.size() == wanted.size());
    for (const Hit& hit : answer.hits) {
      REQUIRE(wanted.contains(hit.id));
      CHECK(hit.score == Approx(wanted.at(hit.id)).epsilon(0.03).margin(0.005));
    }
  }
}

TEST_CASE("A palace whose passages have no edges answers as words do") {
  Shelf shelf;
  shelf.put({"the red mill by the river", {}, {}});
  shelf.put({"a mill of stone", {}, {}});
  shelf.put({"red stone and red sand", {}, {}});
  Query plain = graph_query("red stone mill");
  plain.preset.graph = 0;
  const Answer before = shelf.ask(plain);
  CHECK(shelf.ask(graph_query("red stone mill")).hits.size() == before.hits.size());
  // Concepts that have nothing to do with the question leave the order as it is.
  shelf.put({"something else", {"Elsewhere"}, {}});
  const Answer with = shelf.ask(graph_query("red stone mill"));
  const Answer without = shelf.ask(plain);
  REQUIRE(with.hits.size() == without.hits.size());
  for (std::size_t i = 0; i < with.hits.size(); ++i) {
    CHECK(with.hits[i].id == without.hits[i].id);
  }
}

TEST_CASE("A name that is everywhere leaves the order to the words") {
  Shelf shelf;
  for (int i = 0; i < 60; ++i) {
    shelf.put({fmt::format("carol says thing {} of {}", i, i % 7), {"Carol"}, {}});
  }
  Query plain = graph_query("what says carol of 3", 60);
  const Answer with = shelf.ask(plain);
  plain.preset.graph = 0;
  const Answer without = shelf.ask(plain);
  REQUIRE(with.hits.size() == without.hits.size());
  for (std::size_t i = 0; i < with.hits.size(); ++i) {
    CHECK(with.hits[i].id == without.hits[i].id);
  }
}

TEST_CASE("A common word that a capital made a name of once leaves the order to the words") {
  constexpr auto kGraph = static_cast<std::size_t>(Channel::graph);
  Shelf shelf;
  for (int i = 0; i < 60; ++i) {
    const char* what = i % 10 == 0 ? "dairy" : "sour";
    shelf.put({fmt::format("a {} treat {} of kind {}", what, i, i % 7), {}, {}});
  }
  const MemoryId must = shelf.put({"Dairy is a must", {"Dairy"}, {}});
  const MemoryId wanted = shelf.put({"instead of butter in dairy baking take oil", {}, {}});
  Query plain = graph_query("what to take for butter in dairy baking", 60);
  const Answer with = shelf.ask(plain);
  plain.preset.graph = 0;
  const Answer without = shelf.ask(plain);
  CHECK(place_of(with, wanted) == 1);
  CHECK(with.marks[place_of(with, must) - 1][kGraph].rank == 0);
  REQUIRE(with.hits.size() == without.hits.size());
  for (std::size_t i = 0; i < with.hits.size(); ++i) {
    CHECK(with.hits[i].id == without.hits[i].id);
  }
  // Where the question writes it as a name it is one.
  const Answer named = shelf.ask(graph_query("who is Dairy", 60));
  CHECK(place_of(named, must) == 1);
  CHECK(named.marks[0][kGraph].rank == 1);
}

TEST_CASE("What a question needs second is found over the name in the first") {
  Shelf shelf;
  const MemoryId film = shelf.put({"Silent Harbor is a drama that Ilse Brandt directed.",
                                   {"Silent Harbor", "Ilse Brandt"},
                                   {}});
  const MemoryId woman =
      shelf.put({"Ilse Brandt grew up in Tallinn.", {"Ilse Brandt", "Tallinn"}, {}});
  for (int i = 0; i < 30; ++i) {
    shelf.put({fmt::format("Director number {} of a film was born in a town.", i),
               {fmt::format("Person {}", i), fmt::format("Town {}", i)},
               {}});
  }
  const std::string_view question = "Where was the director of the film Silent Harbor born?";
  Query words = graph_query(question);
  words.preset.graph = 0;
  CHECK(place_of(shelf.ask(words), woman) == 0);
  const Answer answer = shelf.ask(graph_query(question));
  CHECK(place_of(answer, film) == 1);
  CHECK(place_of(answer, woman) == 2);
  const ChannelMark mark = answer.marks[1][static_cast<std::size_t>(Channel::graph)];
  CHECK(mark.rank > 0);
  CHECK(mark.score > 0);
  CHECK(answer.edges_walked > 0);

  SECTION("not over what was forgotten, but as of before") {
    const CommitNumber then = shelf.palace.snapshot().commit();
    Batch batch;
    batch.forget(film);
    REQUIRE(shelf.palace.commit(std::move(batch), Durability::none));
    CHECK(place_of(shelf.ask(graph_query(question)), woman) == 0);
    Answer earlier;
    REQUIRE(shelf.palace.snapshot_at(then).value().recall(graph_query(question), earlier));
    CHECK(place_of(earlier, woman) == 2);
  }
  SECTION("the same after a checkpoint and a reopen") {
    REQUIRE(shelf.palace.checkpoint());
    REQUIRE(shelf.palace.close());
    shelf.palace = Palace::open(shelf.scratch / "palace", {.background = false}).value();
    const Answer again = shelf.ask(graph_query(question));
    REQUIRE(again.hits.size() == answer.hits.size());
    for (std::size_t i = 0; i < again.hits.size(); ++i) {
      CHECK(again.hits[i].id == answer.hits[i].id);
      CHECK(again.hits[i].score == answer.hits[i].score);
    }
  }
  SECTION("filters and demands hold for what the graph brings") {
    Query filtered = graph_query(question);
    filtered.filter = R"({"bare":true})";
    CHECK(shelf.ask(filtered).hits.empty());
    filtered.filter = {};
    filtered.kind = "nothing";
    CHECK(shelf.ask(filtered).hits.empty());
    const std::string demanding = fmt::format("+harbor {}", question);
    CHECK(place_of(shelf.ask(graph_query(demanding)), woman) == 0);
  }
  SECTION("ranks can be fused as well") {
    Query ranks = graph_query(question);
    ranks.preset.fusion = Fusion::reciprocal_rank;
    ranks.preset.graph = 2;
    CHECK(place_of(shelf.ask(ranks), woman) != 0);
  }
  SECTION("another tenant's graph is not walked") {
    Batch batch;
    batch.create_tenant("other");
    REQUIRE(shelf.palace.commit(std::move(batch), Durability::none));
    Query other = graph_query(question);
    other.tenant = "other";
    CHECK(shelf.ask(other).hits.empty());
  }
}
