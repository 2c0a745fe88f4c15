// aeon bench passages: questions that need several passages, in the shape of HippoRAG's files:
//
//   {"passages": [{"title", "text"}, ..],
//    "openie": [{"idx", "triples": [[subject, relation, object], ..]}, ..],
//    "questions": [{"question", "gold_titles": [..], "gold_texts": [..]}, ..]}
//
// A passage is a memory with its title. What a question needs is looked up by title and text.
// Passages are linked over the names that they mention, and over the triples of "openie", which
// may be missing; "idx" is a place in "passages".
#include <algorithm>
#include <cctype>
#include <chrono>
#include <iterator>
#include <map>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "api/cli/bench_recall.hpp"
#include "api/cli/files.hpp"
#include "api/json_line.hpp"

namespace aeon::cli {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostBytes = std::size_t{1} << 30;
constexpr std::size_t kBatch = 256;

std::unexpected<Error> malformed(const std::string& file, std::string_view what) {
  return fail(Errc::invalid_json, fmt::format("{}: {}; docs/words.md has the shape", file, what));
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

const json::array* list_of(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found != nullptr && found->is_array() ? &found->as_array() : nullptr;
}

// The triples of each passage. What is no triple of three strings is left out.
using Triples = std::map<std::size_t, std::vector<Triple>>;

Triples triples_of(const json::object& file) {
  Triples triples;
  const json::array* entries = list_of(file, "openie");
  if (entries == nullptr) return triples;
  for (const json::value& entry : *entries) {
    if (!entry.is_object()) continue;
    const json::value* place = entry.as_object().if_contains("idx");
    const json::array* parts = list_of(entry.as_object(), "triples");
    if (place == nullptr || !place->is_int64() || place->as_int64() < 0 || parts == nullptr) {
      continue;
    }
    std::vector<Triple>& own = triples[static_cast<std::size_t>(place->as_int64())];
    for (const json::value& part : *parts) {
      const auto is_text = [](const json::value& value) { return value.is_string(); };
      if (!part.is_array() || part.as_array().size() != 3) continue;
      const json::array& texts = part.as_array();
      if (!std::ranges::all_of(texts, is_text)) continue;
      own.push_back({std::string(texts[0].as_string()), std::string(texts[1].as_string()),
                     std::string(texts[2].as_string())});
    }
  }
  return triples;
}

// Sentences that were taken for names are none.
bool can_be_concept(const Triple& triple) {
  const auto fits = [](const std::string& text) {
    return text.size() <= kMaxNameBytes &&
           std::ranges::any_of(text, [](unsigned char c) { return std::isalnum(c) || c >= 0x80; });
  };
  return fits(triple.subject) && fits(triple.object) && !triple.relation.empty() &&
         triple.relation.size() <= kMaxNameBytes && triple.relation != "next";
}

using Places = std::map<std::pair<std::string, std::string>, MemoryId>;  // title, text

Status load(Palace& palace, const RecallBench& bench, const json::array& passages,
            const Triples& triples, Places& places) {
  Batch batch;
  std::vector<std::pair<std::string, std::string>> names;
  std::size_t index = 0;
  const auto commit = [&]() -> Status {
    if (names.empty()) return {};
    AEON_ASSIGN(const Ack ack, palace.commit(std::move(batch), Durability::none));
    for (std::size_t i = 0; i < names.size(); ++i) places[names[i]] = ack.ids[i];
    batch = Batch();
    names.clear();
    return {};
  };
  for (const json::value& entry : passages) {
    if (!entry.is_object()) return malformed(bench.file, "a passage is no object");
    NewMemory memory;
    memory.content = text_of(entry.as_object(), "text");
    const std::string title = text_of(entry.as_object(), "title");
    names.emplace_back(title, memory.content);
    api::JsonLine metadata;
    metadata.add("title", title);
    memory.metadata = std::move(metadata).finish();
    memory.find_mentions = bench.graph != "none";
    if (const auto own = triples.find(index++); own != triples.end()) {
      std::ranges::copy_if(own->second, std::back_inserter(memory.triples), can_be_concept);
    }
    batch.remember(std::move(memory));
    if (names.size() == kBatch) AEON_TRY(commit());
  }
  return commit();
}

void add_questions(const json::array& entries, const Places& places, RecallQuestions& out) {
  for (const json::value& entry : entries) {
    if (!entry.is_object()) continue;
    Question question;
    question.text = text_of(entry.as_object(), "question");
    // "2hop__..": the number of passages that the question needs.
    const std::string id = text_of(entry.as_object(), "id");
    question.category = id.substr(0, id.find('_'));
    const json::array* titles = list_of(entry.as_object(), "gold_titles");
    const json::array* texts = list_of(entry.as_object(), "gold_texts");
    if (titles == nullptr || texts == nullptr) continue;
    for (std::size_t i = 0; i < std::min(titles->size(), texts->size()); ++i) {
      if (!(*titles)[i].is_string() || !(*texts)[i].is_string()) continue;
      const auto at = places.find(
          {std::string((*titles)[i].as_string()), std::string((*texts)[i].as_string())});
      if (at != places.end()) question.evidence.push_back(at->second);
    }
    if (!question.evidence.empty()) out.questions.push_back(std::move(question));
  }
}

Status run(Palace& palace, const RecallBench& bench, const json::object& file, const Print& print) {
  const json::array* passages = list_of(file, "passages");
  const json::array* entries = list_of(file, "questions");
  if (passages == nullptr || entries == nullptr) {
    return malformed(bench.file, "\"passages\" or \"questions\" are missing");
  }
  RecallQuestions questions{.bench = "passages", .file = bench.file, .questions = {}};
  Places places;
  const auto start = Clock::now();
  const Triples triples = bench.graph == "triples" ? triples_of(file) : Triples();
  AEON_TRY(load(palace, bench, *passages, triples, places));
  questions.memories = passages->size();
  questions.load_us = std::chrono::duration<double, std::micro>(Clock::now() - start).count() /
                      static_cast<double>(std::max<std::size_t>(1, passages->size()));
  add_questions(*entries, places, questions);
  if (questions.questions.empty()) {
    return malformed(bench.file, "no question needs a passage that is there");
  }
  if (bench.settle) AEON_TRY(palace.checkpoint());
  Preset no_graph = kPassagesPreset;
  no_graph.graph = 0;
  Preset only_graph = kPassagesPreset;
  only_graph.words = 0;
  Preset ranks = kPassagesPreset;
  ranks.fusion = Fusion::reciprocal_rank;
  const auto with_vector = [](std::string name, const Preset& preset) {
    return Way{.name = std::move(name), .preset = preset, .space = "text", .with_vector = true};
  };
  return ask_all(palace, questions,
                 {{.name = "words", .preset = kWordsPreset, .space = {}},
                  {.name = "vector", .preset = kWordsPreset, .space = "text"},
                  {.name = "passages without graph", .preset = no_graph, .space = {}},
                  {.name = "graph", .preset = only_graph, .space = {}},
                  {.name = "passages", .preset = kPassagesPreset, .space = {}},
                  with_vector("passages+vector", kPassagesPreset),
                  with_vector("passages+vector, ranks", ranks)},
                 print);
}

}  // namespace

Status bench_passages(const RecallBench& bench, const Print& print) {
  AEON_ASSIGN(const std::string text, read_file(bench.file, kMostBytes));
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error) return malformed(bench.file, "it is not JSON: " + error.message());
  if (!value.is_object()) return malformed(bench.file, "it is no object with passages");
  return with_palace(bench,
                     [&](Palace& palace) { return run(palace, bench, value.as_object(), print); });
}

}  // namespace aeon::cli
