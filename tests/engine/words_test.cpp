// Words in a palace: what is found, in which order and with which score, beside a loop over plain
// lists of words.
#include <catch2/catch.hpp>

#include <random>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/engine/word_oracle.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

constexpr double kTolerance = 1e-3;

std::vector<MemoryId> ids_of(const Answer& answer) {
  std::vector<MemoryId> ids;
  for (const Hit& hit : answer.hits) ids.push_back(hit.id);
  return ids;
}

struct Shelf {
  Shelf() : palace(Palace::create(scratch / "palace", {}, {.background = false}).value()) {}
  MemoryId put(std::string text, std::string metadata = {}, std::string language = {},
               std::string session = {}) {
    NewMemory memory;
    memory.content = std::move(text);
    memory.metadata = std::move(metadata);
    memory.language = std::move(language);
    memory.session = std::move(session);
    Batch batch;
    batch.remember(std::move(memory));
    const auto ack = palace.commit(std::move(batch), Durability::none);
    REQUIRE(ack);
    return ack->ids[0];
  }
  Answer ask(std::string_view text, std::string_view language = {}, std::uint32_t k = 10) {
    Answer answer;
    const Query query{.text = text, .language = language, .preset = kWordsPreset, .k = k};
    const Status got = palace.recall(query, answer);
    INFO((got ? std::string{} : got.error().message));
    REQUIRE(got);
    return answer;
  }
  std::vector<MemoryId> find(std::string_view text, std::string_view language = {}) {
    return ids_of(ask(text, language));
  }
  test::TempDirectory scratch;
  Palace palace;
};

using Ids = std::vector<MemoryId>;

// Random documents over words "w0", "w1", ... of falling frequency, changed and forgotten.
class Course {
 public:
  explicit Course(std::uint64_t seed) : random_(seed) {}

  void grow(std::size_t count) {
    Batch batch;
    std::vector<test::OracleDocument> made;
    for (std::size_t i = 0; i < count; ++i) {
      made.push_back({0, 0, words(), {}});
      batch.remember(memory(made.back()));
    }
    const auto ack = shelf_.palace.commit(std::move(batch), Durability::none);
    REQUIRE(ack);
    for (std::size_t i = 0; i < count; ++i) {
      made[i].id = ack->ids[i];
      made[i].order = ++order_;
      documents_.push_back(std::move(made[i]));
    }
  }
  void supersede_one() {
    test::OracleDocument& document = documents_[pick(documents_.size())];
    document.words = words();
    document.order = ++order_;
    Batch batch;
    batch.supersede(document.id, memory(document));
    REQUIRE(shelf_.palace.commit(std::move(batch), Durability::none));
  }
  void forget_one() {
    const std::size_t at = pick(documents_.size());
    Batch batch;
    batch.forget(documents_[at].id);
    REQUIRE(shelf_.palace.commit(std::move(batch), Durability::none));
    documents_[at] = documents_.back();
    documents_.pop_back();
  }
  void check(const Snapshot& snapshot, const std::vector<test::OracleDocument>& documents,
             int queries) {
    for (int i = 0; i < queries; ++i) {
      std::vector<std::string> query;
      std::string text;
      for (std::size_t n = 1 + pick(6); n > 0; --n) {
        query.push_back(word());
        text += query.back() + " ";
      }
      Preset preset = kWordsPreset;
      preset.b = pick(2) == 0 ? 0.0F : 0.6F;
      constexpr std::uint32_t kCounts[] = {1, 10, 100, 1000};
      const std::uint32_t k = kCounts[pick(4)];
      Answer answer;
      REQUIRE(snapshot.recall({.text = text, .preset = preset, .k = k}, answer));
      auto expected = test::oracle_scores(documents, query, double{preset.k1}, double{preset.b});
      INFO("commit " << snapshot.commit() << ", query " << text << ", k " << k << ", b "
                     << preset.b);
      REQUIRE(answer.hits.size() == std::min<std::size_t>(k, expected.size()));
      REQUIRE(answer.exact);
      std::map<MemoryId, double> scores;
      for (const test::OracleHit& hit : expected) scores[hit.id] = hit.score;
      for (std::size_t at = 0; at < answer.hits.size(); ++at) {
        const Hit& hit = answer.hits[at];
        INFO("hit " << at << ", id " << hit.id);
        REQUIRE(scores.contains(hit.id));
        REQUIRE(std::fabs(double{hit.score} - scores[hit.id]) < kTolerance);
        REQUIRE(std::fabs(double{hit.score} - expected[at].score) < kTolerance);
        scores.erase(hit.id);
      }
    }
  }
  [[nodiscard]] const std::vector<test::OracleDocument>& documents() const { return documents_; }
  Palace& palace() { return shelf_.palace; }

 private:
  std::size_t pick(std::size_t below) { return random_() % below; }
  std::string word() {
    const double u = std::uniform_real_distribution<double>(0, 1)(random_);
    return fmt::format("w{}", static_cast<int>(400 * u * u * u));
  }
  std::vector<std::string> words() {
    std::vector<std::string> made;
    for (std::size_t n = 1 + pick(pick(20) == 0 ? 300 : 20); n > 0; --n) made.push_back(word());
    return made;
  }
  static NewMemory memory(const test::OracleDocument& document) {
    NewMemory memory;
    for (const std::string& word : document.words) memory.content += word + " ";
    return memory;
  }

  std::mt19937_64 random_;
  Shelf shelf_;
  std::vector<test::OracleDocument> documents_;
  std::uint64_t order_ = 0;
};

}  // namespace

TEST_CASE("words are found as a loop over all texts finds them, with equal scores") {
  Course course(7);
  std::vector<std::pair<Snapshot, std::vector<test::OracleDocument>>> held;
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 3; ++i) course.grow(50);
    course.check(course.palace().snapshot(), course.documents(), 12);
    for (int i = 0; i < 20; ++i) course.supersede_one();
    for (int i = 0; i < 30; ++i) course.forget_one();
    held.emplace_back(course.palace().snapshot(), course.documents());
    if (round % 2 == 0) REQUIRE(course.palace().checkpoint());
    if (round == 3) REQUIRE(course.palace().compact());
    course.check(course.palace().snapshot(), course.documents(), 12);
  }
  REQUIRE(course.palace().compact());
  for (const auto& [snapshot, documents] : held) {
    course.check(snapshot, documents, 6);
    course.check(course.palace().snapshot_at(snapshot.commit()).value(), documents, 6);
  }
  const auto report = course.palace().verify();
  REQUIRE(report);
  for (const Damage& damage : report->damage) FAIL(damage.file << ": " << damage.what);
}

TEST_CASE("long lists pass by blocks that can't matter, and miss nothing") {
  Course course(11);
  for (int i = 0; i < 12; ++i) course.grow(1500);
  course.check(course.palace().snapshot(), course.documents(), 8);
  REQUIRE(course.palace().checkpoint());
  course.check(course.palace().snapshot(), course.documents(), 12);
}

TEST_CASE("where many postings ended, a word's documents are counted on a sample of them") {
  Course course(13);
  for (int i = 0; i < 4; ++i) course.grow(1500);
  for (int i = 0; i < 900; ++i) course.forget_one();
  Answer answer;
  REQUIRE(course.palace().recall({.text = "w0 w1", .preset = kWordsPreset}, answer));
  const auto expected = test::oracle_scores(course.documents(), {"w0", "w1"}, 0.9, 0);
  std::map<MemoryId, double> scores;
  for (const test::OracleHit& hit : expected) scores[hit.id] = hit.score;
  REQUIRE(answer.hits.size() == 10);
  for (const Hit& hit : answer.hits) {
    REQUIRE(scores.contains(hit.id));
    CHECK(std::fabs(double{hit.score} / scores[hit.id] - 1) < 0.1);
  }
}

TEST_CASE("a word is found by its stem, its case and its form do not matter") {
  Shelf shelf;
  const MemoryId running = shelf.put("She was RUNNING home");
  const MemoryId cafe = shelf.put("Ein Café in der Straße");
  CHECK(shelf.find("runs") == Ids{running});
  CHECK(shelf.find("CAFÉ") == Ids{cafe});
  CHECK(shelf.find("strasse") == Ids{cafe});
  CHECK(shelf.find("nothing here").empty());
  const MemoryId german = shelf.put("Die Häuser am Meer", {}, "german");
  CHECK(shelf.find("haus häuser", "german") == Ids{german});
  const MemoryId plain = shelf.put("running exactly", {}, "none");
  CHECK(shelf.find("running", "none") == Ids{plain});
}

TEST_CASE(
    "possessives, identifiers and scripts without spaces are cut as one would look for them") {
  Shelf shelf;
  const MemoryId kate = shelf.put("Kate\xe2\x80\x99s boat and Tom's");
  CHECK(shelf.find("kate") == Ids{kate});
  CHECK(shelf.find("tom") == Ids{kate});
  CHECK(shelf.find("s").empty());
  const MemoryId code = shelf.put("call parseHTTPRequest then read_all_bytes");
  CHECK(shelf.find("parsehttprequest") == Ids{code});
  CHECK(shelf.find("http") == Ids{code});
  CHECK(shelf.find("request") == Ids{code});
  CHECK(shelf.find("bytes") == Ids{code});
  CHECK(shelf.find("+read_all_bytes") == Ids{code});
  const MemoryId tokyo = shelf.put("私は東京都に住んでいます");
  CHECK(shelf.find("東京") == Ids{tokyo});
  CHECK(shelf.find("京") == Ids{tokyo});
  CHECK(shelf.find("す") == Ids{tokyo});
  CHECK(shelf.find("大阪").empty());
  const MemoryId joy = shelf.put("what a day \xf0\x9f\x8e\x89");
  CHECK(shelf.find("\xf0\x9f\x8e\x89") == Ids{joy});
}

TEST_CASE("title, speaker and date of a memory are words of it") {
  Shelf shelf;
  NewMemory memory;
  memory.content = "we met at the lake";
  memory.metadata = R"({"speaker": "Caroline", "title": "A summer", "other": "hidden"})";
  memory.event_time = TimeNs{1'683'554'160} * 1'000'000'000;  // 8 May 2023
  Batch batch;
  batch.remember(memory);
  const MemoryId id = shelf.palace.commit(std::move(batch), Durability::none).value().ids[0];
  for (const char* text : {"caroline", "summers", "May", "2023", "+8 +may"}) {
    INFO(text);
    CHECK(shelf.find(text) == Ids{id});
  }
  CHECK(shelf.find("hidden").empty());
}

TEST_CASE("operators demand, forbid and complete words, and phrases stand together") {
  Shelf shelf;
  const MemoryId red = shelf.put("a red boat on the green sea");
  const MemoryId blue = shelf.put("a blue boat on the sea of green weed");
  const MemoryId train = shelf.put("training a trainee by train");
  CHECK(shelf.find("boat -red") == Ids{blue});
  CHECK(shelf.find("+red boat sea") == Ids{red});
  CHECK(shelf.find("\"green sea\"") == Ids{red});
  CHECK(shelf.find("+\"green sea\" boat") == Ids{red});
  CHECK(shelf.find("boat -\"green sea\"") == Ids{blue});
  CHECK(shelf.find("\"sea green\"").empty());
  CHECK(shelf.find("the \"green sea\" boat").size() == 2);  // between words only words
  CHECK(shelf.find("trai*") == Ids{train});
  CHECK(shelf.find("+bl* boat") == Ids{blue});
  CHECK(shelf.find("boat -bl*") == Ids{red});
  CHECK(shelf.find("+purple boat").empty());
  CHECK(shelf.find("-boat").empty());
  CHECK(shelf.find("boats -5").size() == 2);  // a number, not a demand
  REQUIRE(shelf.palace.checkpoint());
  CHECK(shelf.find("\"green sea\"") == Ids{red});
  CHECK(shelf.find("trai*") == Ids{train});
  CHECK(shelf.find("+bl* boat") == Ids{blue});
}

TEST_CASE("what is no query finds nothing or is read as words, and says so in the error if not") {
  Shelf shelf;
  const MemoryId id = shelf.put("one two three");
  for (const char* text : {"+", "-", "*", "\"", "\"\"", "+ - *", "!?", "\x01\x02", "+\"\" -\"\""}) {
    INFO(text);
    CHECK(shelf.find(text).empty());
  }
  CHECK(shelf.find("\"two three") == Ids{id});
  CHECK(shelf.find("one\x01two") == Ids{id});
  CHECK(shelf.find("two\ttwo\ntwo two two two") == Ids{id});
  Answer answer;
  const auto code = [&](const Query& query) {
    const Status got = shelf.palace.recall(query, answer);
    return got ? Errc{} : got.error().code;
  };
  CHECK(code({.text = "one", .language = "klingon"}) == Errc::invalid_argument);
  CHECK(code({.text = "\xff"}) == Errc::invalid_utf8);
  const std::string huge(kMaxQueryBytes + 1, 'a');
  CHECK(code({.text = huge}) == Errc::too_large);
  std::string demands;
  for (int i = 0; i < 40; ++i) demands += fmt::format("+d{} ", i);
  CHECK(code({.text = demands}) == Errc::invalid_argument);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += fmt::format("x{} ", i);
  CHECK(shelf.find("one " + many) == Ids{id});
}

TEST_CASE("texts without words, of one endless word and of very many words are kept and found") {
  Shelf shelf;
  const MemoryId none = shelf.put("...");
  const MemoryId endless = shelf.put(std::string(kMaxInlineBytes, 'q'));
  std::string words;
  while (words.size() + 8 < kMaxInlineBytes) words += fmt::format("n{} ", words.size() % 50'000);
  const MemoryId many = shelf.put(words);
  CHECK(none != 0);
  CHECK(shelf.find(std::string(100, 'q')) == Ids{endless});
  CHECK(shelf.find("n0") == Ids{many});
  NewMemory unknown;
  unknown.content = "text";
  unknown.language = "klingon";
  Batch batch;
  batch.remember(std::move(unknown));
  const auto refused = shelf.palace.commit(std::move(batch));
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::invalid_argument);
  REQUIRE(shelf.palace.checkpoint());
  CHECK(shelf.find(std::string(100, 'q')) == Ids{endless});
  const auto report = shelf.palace.verify();
  REQUIRE(report);
  CHECK(report->damage.empty());
}
