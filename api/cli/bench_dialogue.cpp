// aeon bench dialogue: conversations in the shape of LoCoMo. A list of
//
//   {"conversation": {"session_1": [{"speaker", "dia_id", "text", "blip_caption"?}, ..],
//                     "session_1_date_time": "1:56 pm on 8 May, 2023", ..},
//    "qa": [{"question", "evidence": ["D1:3", ..], "category"}, ..]}
//
// (Maharana et al. 2024, "Evaluating very long-term conversational memory of LLM agents"). A turn
// is a memory: its text and the caption of its picture, its speaker, its session, and the session's
// date. Evidence that names no turn is left out, and a question without any.
#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <map>
#include <optional>
#include <regex>

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

std::unexpected<Error> malformed(const std::string& file, std::string_view what) {
  return fail(Errc::invalid_json, fmt::format("{}: {}; docs/words.md has the shape", file, what));
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

// "... 8 May, 2023" as the start of that day.
std::optional<TimeNs> day_of(const std::string& text) {
  static const std::regex pattern(R"((\d{1,2}) ([A-Za-z]+),? (\d{4}))");
  constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                        "jul", "aug", "sep", "oct", "nov", "dec"};
  std::smatch match;
  if (!std::regex_search(text, match, pattern)) return std::nullopt;
  std::string name = match[2].str().substr(0, 3);
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto* const month = std::ranges::find(kMonths, name);
  if (month == kMonths.end()) return std::nullopt;
  const std::chrono::year_month_day date{
      std::chrono::year(std::stoi(match[3])),
      std::chrono::month(static_cast<unsigned>(month - kMonths.begin() + 1)),
      std::chrono::day(static_cast<unsigned>(std::stoi(match[1])))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::nanoseconds(std::chrono::sys_days(date).time_since_epoch()).count();
}

// One conversation on its way into the palace.
class Loader {
 public:
  Loader(Palace& palace, const RecallBench& bench, RecallQuestions& out)
      : palace_(palace), bench_(bench), out_(out) {}

  Status add(const json::object& sample, std::size_t number) {
    const json::value* conversation = sample.if_contains("conversation");
    if (conversation == nullptr || !conversation->is_object()) {
      return malformed(bench_.file, "a conversation is missing");
    }
    name_ = fmt::format("conversation {}", number);
    turns_.clear();
    if (!bench_.one_store) {
      Batch batch;
      batch.create_tenant(name_);
      AEON_TRY(commit(std::move(batch)));
    }
    // Members come in any order; sessions are numbered.
    for (std::size_t session = 1; session <= conversation->as_object().size(); ++session) {
      const std::string name = fmt::format("session_{}", session);
      const json::value* turns = conversation->as_object().if_contains(name);
      if (turns == nullptr || !turns->is_array()) continue;
      AEON_TRY(add_session(turns->as_array(), name,
                           day_of(text_of(conversation->as_object(), name + "_date_time"))));
    }
    return add_questions(sample);
  }

 private:
  Status commit(Batch batch) {
    AEON_ASSIGN([[maybe_unused]] const Ack ack, palace_.commit(std::move(batch), Durability::none));
    ids_ = ack.ids;
    return {};
  }

  Status add_session(const json::array& turns, const std::string& session,
                     std::optional<TimeNs> day) {
    Batch batch;
    std::vector<std::string> names;
    for (const json::value& turn : turns) {
      if (!turn.is_object()) return malformed(bench_.file, "a turn is no object");
      const json::object& object = turn.as_object();
      NewMemory memory;
      if (!bench_.one_store) memory.tenant = name_;
      memory.session = bench_.one_store ? name_ + " " + session : session;
      memory.kind = "event";
      memory.content = text_of(object, "text");
      const std::string caption = text_of(object, "blip_caption");
      if (!caption.empty()) memory.content += "\n" + caption;
      if (day) memory.event_time = *day + static_cast<TimeNs>(names.size());
      api::JsonLine metadata;
      metadata.add("speaker", text_of(object, "speaker"));
      memory.metadata = std::move(metadata).finish();
      names.push_back(text_of(object, "dia_id"));
      batch.remember(std::move(memory));
    }
    if (names.empty()) return {};
    AEON_TRY(commit(std::move(batch)));
    for (std::size_t i = 0; i < names.size(); ++i) turns_[names[i]] = ids_[i];
    out_.memories += names.size();
    return {};
  }

  Status add_questions(const json::object& sample) {
    static const std::regex pattern(R"(D:?(\d+):0*(\d+))");
    const json::value* questions = sample.if_contains("qa");
    if (questions == nullptr || !questions->is_array()) {
      return malformed(bench_.file, "questions (\"qa\") are missing");
    }
    for (const json::value& entry : questions->as_array()) {
      if (!entry.is_object()) return malformed(bench_.file, "a question is no object");
      const json::object& object = entry.as_object();
      Question question{.text = text_of(object, "question"),
                        .tenant = bench_.one_store ? "" : name_,
                        .category = {},
                        .evidence = {}};
      if (const json::value* category = object.if_contains("category")) {
        question.category = json::serialize(*category);
      }
      const json::value* evidence = object.if_contains("evidence");
      if (evidence == nullptr || !evidence->is_array()) continue;
      for (const json::value& part : evidence->as_array()) {
        if (!part.is_string()) continue;
        const std::string text(part.as_string());
        for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
          const auto turn = turns_.find(fmt::format("D{}:{}", (*at)[1].str(), (*at)[2].str()));
          if (turn == turns_.end()) continue;
          if (std::ranges::count(question.evidence, turn->second) == 0) {
            question.evidence.push_back(turn->second);
          }
        }
      }
      if (!question.evidence.empty()) out_.questions.push_back(std::move(question));
    }
    return {};
  }

  Palace& palace_;
  const RecallBench& bench_;
  RecallQuestions& out_;
  std::string name_;
  std::vector<MemoryId> ids_;
  std::map<std::string, MemoryId> turns_;  // of the conversation
};

Status run(Palace& palace, const RecallBench& bench, const json::array& samples,
           const Print& print) {
  RecallQuestions questions{.bench = "dialogue", .file = bench.file, .questions = {}};
  Loader loader(palace, bench, questions);
  const auto start = Clock::now();
  std::size_t number = 0;
  for (const json::value& sample : samples) {
    if (!sample.is_object()) return malformed(bench.file, "a sample is no object");
    AEON_TRY(loader.add(sample.as_object(), ++number));
  }
  if (questions.questions.empty()) return malformed(bench.file, "no question has evidence");
  questions.load_us = std::chrono::duration<double, std::micro>(Clock::now() - start).count() /
                      static_cast<double>(std::max<std::uint64_t>(1, questions.memories));
  if (bench.settle) AEON_TRY(palace.checkpoint());
  Preset ranks = kDialoguePreset;
  ranks.fusion = Fusion::reciprocal_rank;
  Preset lines = kDialoguePreset;
  lines.session = 0;
  Preset sessions = kWordsPreset;
  sessions.session = kDialoguePreset.session;
  return ask_all(palace, questions,
                 {{.name = "words", .preset = kWordsPreset, .space = {}},
                  {.name = "vector", .preset = kWordsPreset, .space = "text"},
                  {.name = "words+neighbours", .preset = lines, .space = {}},
                  {.name = "words+session", .preset = sessions, .space = {}},
                  {.name = "dialogue", .preset = kDialoguePreset, .space = {}},
                  {.name = "dialogue, ranks", .preset = ranks, .space = {}},
                  {.name = "dialogue+vector",
                   .preset = kDialoguePreset,
                   .space = "text",
                   .with_vector = true}},
                 print);
}

}  // namespace

Status bench_dialogue(const RecallBench& bench, const Print& print) {
  AEON_ASSIGN(const std::string text, read_file(bench.file, kMostBytes));
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error) return malformed(bench.file, "it is not JSON: " + error.message());
  if (!value.is_array()) return malformed(bench.file, "it is no list of conversations");
  return with_palace(bench,
                     [&](Palace& palace) { return run(palace, bench, value.as_array(), print); });
}

}  // namespace aeon::cli
