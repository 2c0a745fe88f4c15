// aeon recall: what is nearest to a text or a vector.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/files.hpp"
#include "api/cli/options.hpp"
#include "api/cli/show.hpp"
#include "api/export_line.hpp"
#include "api/json_line.hpp"
#include "api/time_text.hpp"

namespace aeon::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMaxTokenBudget = std::uint64_t{1} << 40;

struct Options {
  std::string directory;
  std::string text;
  std::string vector;
  std::string model;
  std::string space;
  std::string tenant;
  std::string session;
  std::string kind;
  std::string since;
  std::string until;
  std::string filter;
  std::string language;
  std::string preset = std::string(Query{}.preset.name);
  std::optional<CommitNumber> as_of;
  std::uint32_t k = 10;
  std::optional<float> target_recall;
  std::optional<float> effort;
  Shape shape;
  bool confidence = false;
  bool explain = false;
};

// What a recall found, and what it cost.
struct Outcome {
  std::size_t query = 0;  // from 1, where several were asked together
  Answer answer;
  std::string space;
  double open_us = 0;
  double recall_us = 0;
};

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// A vector without a space means the only one that is not the built-in embedder's; a vector
// without a model is taken for one of the space's own.
Status choose_space(const Snapshot& snapshot, const Options& options, NewVector& vector) {
  vector.space = options.space;
  vector.model = options.model;
  if (vector.values.empty()) return {};
  NewMemory carrier;
  carrier.vectors.push_back(std::move(vector));
  AEON_ASSIGN(const auto spaces, snapshot.spaces());
  AEON_TRY(api::fill_vectors(carrier, spaces));
  vector = std::move(carrier.vectors.front());
  return {};
}

const std::map<std::string, Preset>& presets() {
  static const std::map<std::string, Preset> all = [] {
    std::map<std::string, Preset> made;
    for (const Preset& preset : {kDialoguePreset, kPassagesPreset, kCodePreset, kWordsPreset}) {
      made.emplace(preset.name, preset);
    }
    return made;
  }();
  return all;
}

Status read_times(const Options& options, Query& query) {
  if (!options.since.empty()) {
    AEON_ASSIGN(query.since, api::parse_time(options.since));
  }
  if (!options.until.empty()) {
    AEON_ASSIGN(query.until, api::parse_time(options.until));
  }
  return {};
}

// One vector, or several: [...] on a line of its own each.
Result<std::vector<NewVector>> read_vectors(const std::string& path) {
  AEON_ASSIGN(const std::string text, read_file(path, LineReader::kMaxLine));
  std::vector<std::string_view> parts;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) parts.push_back(line);
  }
  const bool several = parts.size() > 1 && std::ranges::all_of(parts, [](std::string_view line) {
                         return line.find('[') != line.npos && line.find(']') != line.npos;
                       });
  if (!several) parts.assign(1, text);
  std::vector<NewVector> vectors;
  for (const std::string_view part : parts) {
    NewVector& vector = vectors.emplace_back();
    AEON_ASSIGN(vector.values, api::parse_floats(part));
    if (vector.values.empty()) {
      return fail(Errc::invalid_argument,
                  fmt::format("{} holds no numbers; write them as [0.1, 0.2]", path));
    }
  }
  return vectors;
}

Result<std::vector<Outcome>> recall(const Snapshot& snapshot, const Options& options) {
  std::vector<NewVector> vectors(1);
  if (!options.vector.empty()) {
    AEON_ASSIGN(vectors, read_vectors(options.vector));
  }
  std::vector<Query> queries;
  for (NewVector& vector : vectors) {
    AEON_TRY(choose_space(snapshot, options, vector));
    queries.push_back({.tenant = options.tenant,
                       .space = vector.space,
                       .vector = vector.values,
                       .model = vector.model,
                       .text = options.text,
                       .language = options.language,
                       .preset = presets().at(options.preset),
                       .explain = options.explain,
                       .k = options.k,
                       .target_recall = options.target_recall,
                       .effort = options.effort,
                       .session = options.session,
                       .kind = options.kind,
                       .filter = options.filter,
                       .shape = options.shape,
                       .confidence = options.confidence});
    AEON_TRY(read_times(options, queries.back()));
  }
  std::vector<Answer> answers(queries.size());
  const auto start = Clock::now();
  if (queries.size() == 1) {
    AEON_TRY(snapshot.recall(queries.front(), answers.front()));
  } else {
    AEON_TRY(snapshot.recall_batch(queries, answers));
  }
  const double took = us_since(start) / static_cast<double>(queries.size());
  std::vector<Outcome> outcomes;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    Outcome& outcome = outcomes.emplace_back();
    if (queries.size() > 1) outcome.query = i + 1;
    outcome.answer = std::move(answers[i]);
    outcome.space = vectors[i].space;
    outcome.recall_us = took;
  }
  return outcomes;
}

// By Channel.
constexpr std::array<const char*, kChannels> kChannelNames = {"words",      "vector",  "session",
                                                              "neighbours", "recency", "graph"};

// What each channel said of a hit; empty where nobody asked.
std::string marks_json(const Answer& answer, std::size_t i) {
  api::JsonLine line;
  for (std::size_t channel = 0; channel < kChannels; ++channel) {
    const ChannelMark& mark = answer.marks[i][channel];
    if (mark.rank == 0) continue;
    api::JsonLine said;
    said.add("rank", mark.rank).add("score", mark.score);
    line.add_raw(kChannelNames[channel], std::move(said).finish());
  }
  return std::move(line).finish();
}

std::string marks_text(const Answer& answer, std::size_t i) {
  std::string text;
  for (std::size_t channel = 0; channel < kChannels; ++channel) {
    const ChannelMark& mark = answer.marks[i][channel];
    if (mark.rank == 0) continue;
    text += fmt::format("{}{} {:.3f} (rank {})", text.empty() ? "" : ", ", kChannelNames[channel],
                        mark.score, mark.rank);
  }
  return text;
}

std::string hit_json(const Outcome& outcome, std::size_t i, const Memory& memory) {
  const Answer& answer = outcome.answer;
  api::JsonLine line;
  if (outcome.query != 0) line.add("query", outcome.query);
  line.add("rank", i + 1).add("score", answer.hits[i].score);
  if (i < answer.marks.size()) line.add_raw("channels", marks_json(answer, i));
  line.add_raw("memory", api::memory_json(memory));
  return std::move(line).finish();
}

std::string summary_json(const Options& options, const Outcome& outcome) {
  const Answer& answer = outcome.answer;
  api::JsonLine line;
  if (outcome.query != 0) line.add("query", outcome.query);
  line.add("hits", answer.hits.size()).add("commit", answer.commit);
  line.add("exact", answer.exact).add("partial", answer.partial);
  line.add("plan", name_of(answer.plan)).add("rows_left", answer.rows_left);
  line.add("rows_scanned", answer.rows_scanned).add("postings_scanned", answer.postings_scanned);
  if (options.shape.token_budget != 0) line.add("tokens", answer.tokens);
  if (answer.confidence) line.add("confidence", *answer.confidence);
  line.add("recall_us", outcome.recall_us);
  return std::move(line).finish();
}

std::string summary_text(const Options& options, const Outcome& outcome) {
  const Answer& answer = outcome.answer;
  const std::string query = outcome.query == 0 ? "" : fmt::format("query {}: ", outcome.query);
  std::string text =
      fmt::format("{}{} memories in {:.0f} us ({}, {} rows and {} postings looked at{})", query,
                  answer.hits.size(), outcome.recall_us, answer.exact ? "exact" : "approximate",
                  answer.rows_scanned, answer.postings_scanned,
                  answer.partial ? "; partial: a damaged place was left out" : "");
  if (options.shape.token_budget != 0) text += fmt::format("; {} tokens", answer.tokens);
  if (answer.confidence) text += fmt::format("; confidence {:.2f}", *answer.confidence);
  return text;
}

void explain(const Chosen& chosen, const Options& options, const Outcome& outcome,
             const std::vector<SpaceSpec>& spaces) {
  const auto space = std::ranges::find(spaces, outcome.space, &SpaceSpec::name);
  if (chosen.json) {
    api::JsonLine line;
    line.add("explain", true).add("open_us", outcome.open_us).add("k", options.k);
    if (space != spaces.end()) line.add_raw("space", api::space_json(*space));
    return print(std::move(line).finish());
  }
  if (outcome.answer.plan != SearchPlan::none) {
    print(fmt::format(
        "  vectors searched by plan {}{}", name_of(outcome.answer.plan),
        outcome.answer.rows_left == 0
            ? ""
            : fmt::format("; the restrictions leave {} rows", outcome.answer.rows_left)));
  }
  print(fmt::format("  as of commit {}; opening the palace took {:.0f} us; asked for {} by {}",
                    outcome.answer.commit, outcome.open_us, options.k,
                    options.vector.empty() ? "text" : "vector"));
  if (space != spaces.end()) {
    print(fmt::format("  space {}: {} dimensions, score is {}", space->name, space->dimension,
                      space->metric == Metric::l2 ? "minus the squared distance"
                                                  : api::metric_name(space->metric)));
  }
}

int show(const Chosen& chosen, const Snapshot& snapshot, const Options& options,
         const Outcome& outcome) {
  Memory memory;
  int code = kDone;
  for (std::size_t i = 0; i < outcome.answer.hits.size(); ++i) {
    const Hit& hit = outcome.answer.hits[i];
    if (auto got = snapshot.get(hit.id, memory); !got) {
      code = report(chosen, got.error());
    } else if (chosen.json) {
      print(hit_json(outcome, i, memory));
    } else {
      print(
          fmt::format("{:>3}. {:.4f}  id {}  [{}]", i + 1, hit.score, hit.id, origin_text(memory)));
      print(fmt::format("     {}", content_text(memory, 155)));
      if (i < outcome.answer.marks.size()) {
        print(fmt::format("     {}", marks_text(outcome.answer, i)));
      }
    }
  }
  print(chosen.json ? summary_json(options, outcome) : summary_text(options, outcome));
  if (options.explain) explain(chosen, options, outcome, snapshot.spaces().value());
  return code != kDone ? code : outcome.answer.hits.empty() ? kNegative : kDone;
}

int run(const Chosen& chosen, const Options& options) {
  if (options.text.empty() && options.vector.empty()) {
    return report(chosen, {Errc::invalid_argument, 0,
                           "say what to recall by: --text TEXT, --vector FILE, or both"});
  }
  const auto start = Clock::now();
  auto palace = Palace::open(options.directory, look_only());
  if (!palace) return report(chosen, palace.error());
  const double open_us = us_since(start);
  auto snapshot =
      options.as_of ? palace->snapshot_at(*options.as_of) : Result<Snapshot>(palace->snapshot());
  if (!snapshot) return report(chosen, snapshot.error());
  auto outcomes = recall(*snapshot, options);
  if (!outcomes) return report(chosen, outcomes.error());
  int code = kNegative;  // unless one of the queries found something
  for (Outcome& outcome : *outcomes) {
    outcome.open_us = open_us;
    const int shown = show(chosen, *snapshot, options, outcome);
    if (shown != kNegative) code = code == kNegative ? shown : std::max(code, shown);
  }
  return code;
}

}  // namespace

void add_recall(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, chosen, "recall", "find what is nearest");
  add_directory(*command, options->directory);
  command->add_option("--text", options->text,
                      "by the words of this text, which may hold +must -not prefix* \"a phrase\"");
  command->add_option("--language", options->language, "of the text; default: english");
  command->add_option("--preset", options->preset, "how channels join, see docs/words.md")
      ->check(CLI::IsMember(presets()))
      ->option_text("dialogue|passages|code|words");
  command->add_option("--vector", options->vector,
                      "by the vector in FILE, or - for stdin; or by several, [...] on a line each");
  command->add_option("--model", options->model, "who made the vector; default: the space's own");
  command->add_option("-k", options->k, "how many")->check(CLI::Range(1U, kMaxK));
  command->add_option("--target-recall", options->target_recall,
                      "the share of the true nearest that is wanted, above 0 and up to 1: exact");
  command->add_option("--effort", options->effort,
                      "how hard to try, from 0 to 1: exact; another scale for the same");
  command->add_option("--space", options->space, "in this space");
  command->add_option("--tenant", options->tenant, "of this tenant");
  command->add_option("--session", options->session, "only this session");
  command->add_option("--kind", options->kind, "only this kind");
  command->add_option("--since", options->since, "only events at or after this time");
  command->add_option("--until", options->until, "only events before this time");
  command->add_option("--as-of", options->as_of, "as it was after this commit");
  command->add_option("--filter", options->filter, "a JSON filter over metadata");
  command->add_option("--diversity", options->shape.diversity,
                      "how much memories are to differ from each other, from 0 to 1");
  command->add_option("--per-session", options->shape.per_session, "at most so many of one session")
      ->check(CLI::Range(1U, kMaxK));
  command
      ->add_option("--token-budget", options->shape.token_budget,
                   "as many as fit: four bytes of content are a token")
      ->check(CLI::Range(std::uint64_t{1}, kMaxTokenBudget));
  command->add_flag("--confidence", options->confidence,
                    "say how far the palace seems to hold an answer at all, from 0 to 1");
  command->add_flag("--explain", options->explain, "say how the answer came about");
  command->callback(
      [&chosen, options] { chosen.run = [&chosen, options] { return run(chosen, *options); }; });
}

}  // namespace aeon::cli
