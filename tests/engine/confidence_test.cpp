// The no-answer score beside its definition, and what it is for: questions that a palace can answer
// get more than those that it can't.
#include <catch2/catch.hpp>

#include <array>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/engine/word_oracle.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

constexpr std::uint32_t kDimension = 48;

struct Shelf {
  explicit Shelf(Metric metric = Metric::cosine)
      : palace(Palace::create(scratch / "palace",
                              {{.name = "v",
                                .dimension = kDimension,
                                .metric = metric,
                                .precision = Precision::float16,
                                .model = ""}},
                              {.background = false})
                   .value()) {}
  void put(std::string text, std::vector<float> values = {}) {
    NewMemory memory;
    memory.content = std::move(text);
    if (!values.empty()) memory.vectors.push_back({"v", std::move(values), ""});
    Batch batch;
    batch.remember(std::move(memory));
    ids.push_back(palace.commit(std::move(batch), Durability::none).value().ids[0]);
  }
  std::optional<float> confidence(Query query) {
    query.confidence = true;
    Answer answer;
    const Status got = palace.recall(query, answer);
    INFO((got ? std::string{} : got.error().message));
    REQUIRE(got);
    return answer.confidence;
  }
  test::TempDirectory scratch;
  Palace palace;
  std::vector<MemoryId> ids;
};

// How often a good one is above a bad one; ties count half.
double area(const std::vector<float>& good, const std::vector<float>& bad) {
  double sum = 0;
  for (const float a : good) {
    for (const float b : bad) sum += a > b ? 1 : a == b ? 0.5 : 0;
  }
  return sum / static_cast<double>(good.size() * bad.size());
}

class Cloud {
 public:
  explicit Cloud(std::uint64_t seed) : random_(seed) {
    for (int i = 0; i < 60; ++i) centres_.push_back(any());
  }
  std::vector<float> any() {
    std::normal_distribution<float> normal;
    std::vector<float> values(kDimension);
    for (float& value : values) value = normal(random_);
    return values;
  }
  std::vector<float> like_rows() {
    std::vector<float> values = any();
    const auto& centre = centres_[random_() % centres_.size()];
    const float width = 0.2F + 0.1F * static_cast<float>(random_() % 4);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = centre[i] + width * values[i];
    return values;
  }

 private:
  std::mt19937_64 random_;
  std::vector<std::vector<float>> centres_;
};

constexpr std::array kNotes = {
    "Nora moved to Trondheim in March and rents a flat above a bakery.",
    "The boiler in the cellar was serviced by Mr. Okafor, who replaced the pump.",
    "Elias is allergic to walnuts and carries an adrenaline pen.",
    "Our deploy script reads the token from the file secrets.env at start.",
    "The choir rehearses every Thursday evening in the old fire station.",
    "Grandmother's recipe for plum dumplings needs curd cheese and semolina.",
    "The staging database was migrated to version 15 on the second of May.",
    "Tariq lent his telescope to the school for the lunar eclipse.",
    "The orchard lost two pear trees in the February storm.",
    "Ingrid passed her sailing exam and wants to cross to Gotland.",
    "The library card expires in November unless it is renewed online.",
    "The cat, Pixel, was vaccinated by the vet in Lindenstrasse.",
    "Backups are kept for ninety days and tested on the first Monday.",
    "Yusuf plays the oboe and teaches beginners at the music school.",
    "The kitchen tiles came from a factory near Valencia.",
    "Maren's bicycle was stolen at the railway station in July.",
    "The lawyer advised to sign the lease before the rent rises.",
    "A heron nests by the mill pond behind the paper works.",
    "The printer on the third floor jams with recycled paper.",
    "Dr. Amsel recommended physiotherapy for the knee after the marathon.",
};
constexpr std::array kAnswerable = {
    "Where did Nora move to?",
    "Who serviced the boiler and replaced the pump?",
    "What is Elias allergic to?",
    "Which file does the deploy script read the token from?",
    "When does the choir rehearse?",
    "What goes into the plum dumplings?",
    "Which version was the staging database migrated to?",
    "Who lent a telescope for the eclipse?",
    "How many pear trees did the orchard lose in the storm?",
    "Which exam did Ingrid pass?",
    "When does the library card expire?",
    "Where was Pixel the cat vaccinated?",
    "How long are backups kept?",
    "What instrument does Yusuf play?",
    "Where were the kitchen tiles from?",
    "Where was Maren's bicycle stolen?",
    "What did the lawyer say about the lease?",
    "Where does the heron nest?",
    "Which printer jams with recycled paper?",
    "What did Dr. Amsel recommend for the knee?",
};
constexpr std::array kUnanswerable = {
    "Where did Oskar spend his honeymoon?",
    "Who painted the garage door green?",
    "What is Nora's blood type?",
    "Which port does the metrics exporter listen on?",
    "When does the swimming pool close in winter?",
    "What goes into the lentil curry?",
    "Which colour was the rental car in Lisbon?",
    "Who wrote the eulogy for uncle Benedikt?",
    "How many chickens did the neighbours buy?",
    "Which university did Leonie apply to?",
    "When does the passport need stamping?",
    "Where was the wedding ring engraved?",
    "How long is the warranty of the dishwasher?",
    "What language does Priya speak with her parents?",
    "Where were the curtains sewn?",
    "Where did Tomas break his wrist?",
    "What did the accountant say about depreciation?",
    "Where do the bats hibernate?",
    "Which scanner supports duplex?",
    "What did the dentist recommend for the molar?",
};

}  // namespace

TEST_CASE("by words it is the share of the query's idf that one memory covers") {
  std::mt19937_64 random(5);
  const auto word = [&] {
    const double u = std::uniform_real_distribution<double>(0, 1)(random);
    return fmt::format("w{}", static_cast<int>(60 * u * u));
  };
  Shelf shelf;
  std::vector<test::OracleDocument> documents;
  for (int i = 0; i < 300; ++i) {
    test::OracleDocument document;
    std::string text;
    for (std::size_t n = 1 + random() % 12; n > 0; --n) {
      document.words.push_back(word());
      text += document.words.back() + " ";
    }
    shelf.put(text);
    document.id = shelf.ids.back();
    document.order = document.id;
    documents.push_back(std::move(document));
    if (i == 150) REQUIRE(shelf.palace.checkpoint());
  }
  for (int i = 0; i < 40; ++i) {
    const std::size_t at = random() % documents.size();
    Batch batch;
    batch.forget(documents[at].id);
    REQUIRE(shelf.palace.commit(std::move(batch), Durability::none));
    documents.erase(documents.begin() + static_cast<std::ptrdiff_t>(at));
  }
  const auto all = static_cast<double>(documents.size());
  for (int round = 0; round < 60; ++round) {
    std::set<std::string> asked;
    for (std::size_t n = 1 + random() % 5; n > 0; --n) asked.insert(word());
    if (round % 3 == 0) asked.insert(fmt::format("nowhere{}", round));
    const std::vector<std::string> words(asked.begin(), asked.end());
    std::string text;
    double whole = 0;
    std::map<std::string, double> idf;
    for (const std::string& one : words) {
      text += one + " ";
      double with = 0;
      for (const auto& document : documents) with += document.times(one) > 0 ? 1 : 0;
      whole += idf[one] = std::log(1 + (all - with + 0.5) / (with + 0.5));
    }
    const auto hits = test::oracle_scores(documents, words, 0.9, 0);
    const std::size_t looked_at = std::min<std::size_t>(10, hits.size());
    // Which of equal scores are among the ten is decided by rounding.
    if (hits.size() > 10 && hits[9].score - hits[10].score < 1e-3) continue;
    double best = 0;
    for (std::size_t i = 0; i < looked_at; ++i) {
      const auto document = std::ranges::find(documents, hits[i].id, &test::OracleDocument::id);
      double covered = 0;
      for (const std::string& one : words) covered += document->times(one) > 0 ? idf[one] : 0;
      best = std::max(best, covered / whole);
    }
    INFO(text);
    for (const Preset& preset : {kWordsPreset, kDialoguePreset}) {
      const auto got = shelf.confidence({.text = text, .preset = preset});
      REQUIRE(got);
      CHECK(*got == Approx(best).margin(1e-4));
    }
  }
}

TEST_CASE("by words it is 1 where one memory has them all, 0 where none has any") {
  Shelf shelf;
  shelf.put("the red boat lies in the harbour");
  shelf.put("a red bicycle");
  CHECK(shelf.confidence({.text = "harbour boats"}).value() == Approx(1));
  CHECK(shelf.confidence({.text = "zeppelin"}).value() == 0);
  CHECK(shelf.confidence({.text = "red -boat"}).value() == Approx(1));
  CHECK(shelf.confidence({.text = "har*"}).value() == Approx(1));
  CHECK(!shelf.confidence({.text = "..."}));
  CHECK(shelf.confidence({.text = "red", .session = "nobody's"}).value() == 0);
  const float both = shelf.confidence({.text = "harbour zeppelin"}).value();
  CHECK(both > 0.2F);
  CHECK(both < 0.5F);
  Answer answer;
  answer.confidence = 1.0F;
  REQUIRE(shelf.palace.recall({.text = "red"}, answer));
  CHECK(!answer.confidence);
  Query shaped{.text = "harbour boats", .shape = {.diversity = 0.5F}};
  CHECK(shelf.confidence(shaped).value() == Approx(1));
}

TEST_CASE("questions that notes answer are told from questions that they don't") {
  Shelf shelf;
  for (const char* note : kNotes) shelf.put(note);
  for (const bool settled : {false, true}) {
    if (settled) REQUIRE(shelf.palace.checkpoint());
    for (const Preset& preset : {kWordsPreset, kDialoguePreset}) {
      std::vector<float> good;
      std::vector<float> bad;
      for (const char* question : kAnswerable) {
        good.push_back(shelf.confidence({.text = question, .preset = preset}).value());
      }
      for (const char* question : kUnanswerable) {
        bad.push_back(shelf.confidence({.text = question, .preset = preset}).value());
      }
      CHECK(area(good, bad) >= 0.93);
    }
  }
}

TEST_CASE("by vector it is small for what is unlike the rows, and even for what is like them") {
  const Metric metric = GENERATE(Metric::cosine, Metric::dot, Metric::l2);
  Shelf shelf(metric);
  Cloud cloud(9);
  for (int i = 0; i < 2500; ++i) {
    shelf.put("row", cloud.like_rows());
    if (i == 1200) REQUIRE(shelf.palace.checkpoint());
  }
  for (const bool settled : {false, true}) {
    if (settled) REQUIRE(shelf.palace.checkpoint());
    std::vector<float> good;
    std::vector<float> bad;
    double sum = 0;
    int small = 0;
    constexpr int kQueries = 300;
    for (int i = 0; i < kQueries; ++i) {
      const auto like = cloud.like_rows();
      const auto unlike = cloud.any();
      good.push_back(shelf.confidence({.space = "v", .vector = like}).value());
      bad.push_back(shelf.confidence({.space = "v", .vector = unlike}).value());
      sum += double{good.back()};
      small += good.back() <= 0.1F ? 1 : 0;
    }
    INFO("metric " << static_cast<int>(metric));
    CHECK(area(good, bad) >= 0.97);
    // By an inner product longer rows stand before nearer ones.
    if (metric == Metric::dot) continue;
    // Of queries like the rows at most a share of about p gets p or less.
    CHECK(small <= 0.2 * kQueries);
    CHECK(sum / kQueries > 0.35);
  }
  const Snapshot snapshot = shelf.palace.snapshot();
  Memory memory;
  for (std::size_t i = 0; metric != Metric::dot && i < 50; ++i) {
    REQUIRE(snapshot.get(shelf.ids[i * 50], memory, true));
    const auto own = std::ranges::find(memory.vectors, "v", &Memory::Vector::space);
    CHECK(shelf.confidence({.space = "v", .vector = own->values}).value() >= 0.99F);
  }
}

TEST_CASE("a palace of few rows or of copies has no reason to doubt what it finds") {
  Shelf shelf;
  Cloud cloud(4);
  const auto one = cloud.like_rows();
  CHECK(shelf.confidence({.space = "v", .vector = one}).value() == 0);
  shelf.put("row", one);
  CHECK(!shelf.confidence({.space = "v", .vector = one}));
  for (int i = 0; i < 40; ++i) shelf.put("row", one);
  CHECK(shelf.confidence({.space = "v", .vector = one}).value() == 1);
  CHECK(shelf.confidence({.space = "v", .vector = cloud.any()}).value() < 0.05F);
  // Words and vector: whoever has more to say for it.
  const auto other = cloud.any();
  CHECK(shelf.confidence({.space = "v", .vector = other, .text = "row"}).value() == Approx(1));
  CHECK(shelf.confidence({.space = "v", .vector = one, .text = "zeppelin"}).value() == 1);
}
