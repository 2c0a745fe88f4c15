#include "api/cli/bench_recall.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "api/cli/bench_machine.hpp"
#include "api/cli/histogram.hpp"
#include "api/json_line.hpp"
#include "engine/text/embedder.hpp"
#include "storage/os.hpp"

namespace aeon::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<std::uint32_t, 7> kCounts = {1, 2, 5, 10, 20, 25, 50};

struct Score {
  std::array<double, kCounts.size()> found{};  // sums over questions
  std::uint64_t questions = 0;
  Histogram latency;  // ns

  void add(const Question& question, const std::vector<Hit>& hits, std::uint64_t ns) {
    std::size_t met = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < kCounts.size(); ++i) {
      for (; at < hits.size() && at < kCounts[i]; ++at) {
        met += std::ranges::count(question.evidence, hits[at].id) > 0 ? 1 : 0;
      }
      found[i] += static_cast<double>(met) / static_cast<double>(question.evidence.size());
    }
    ++questions;
    latency.add(ns);
  }
};

std::string line_of(const RecallQuestions& all, const Way& way, const std::string& category,
                    const Score& score) {
  api::JsonLine line;
  line.add("bench", all.bench).add("file", all.file).add("way", way.name);
  line.add("category", category).add("questions", score.questions).add("memories", all.memories);
  for (std::size_t i = 0; i < kCounts.size(); ++i) {
    const double percent = 100 * score.found[i] / static_cast<double>(score.questions);
    line.add(fmt::format("recall_at_{}", kCounts[i]), percent);
  }
  line.add("p50_us", static_cast<double>(score.latency.quantile(0.5)) / 1000);
  line.add("p99_us", static_cast<double>(score.latency.quantile(0.99)) / 1000);
  line.add("load_us_a_memory", all.load_us);
  return std::move(line).finish();
}

Status ask(const Snapshot& snapshot, const Question& question, const Way& way, Answer& answer,
           std::uint64_t& ns) {
  Query query{.tenant = question.tenant,
              .space = way.space,
              .text = question.text,
              .preset = way.preset,
              .k = kCounts.back()};
  engine::LexicalVector vector;
  if (way.with_vector) {
    thread_local engine::LexicalEmbedder embedder;
    const auto made = embedder.embed(question.text);
    if (made) {
      vector = *made;
      query.vector = vector;
      query.model = kLexicalModel;
    }
  }
  const auto start = Clock::now();
  AEON_TRY(snapshot.recall(query, answer));
  ns = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
  return {};
}

}  // namespace

Status ask_all(const Palace& palace, const RecallQuestions& questions, const std::vector<Way>& ways,
               const Print& print) {
  const Snapshot snapshot = palace.snapshot();
  Answer answer;
  for (const Way& way : ways) {
    std::map<std::string, Score> scores;
    for (const bool timed : {false, true}) {
      for (const Question& question : questions.questions) {
        std::uint64_t ns = 0;
        AEON_TRY(ask(snapshot, question, way, answer, ns));
        if (!timed) continue;
        scores["all"].add(question, answer.hits, ns);
        if (!question.category.empty()) scores[question.category].add(question, answer.hits, ns);
      }
    }
    for (const auto& [category, score] : scores) print(line_of(questions, way, category, score));
  }
  return {};
}

Status with_palace(const RecallBench& bench, const std::function<Status(Palace&)>& use) {
  std::error_code code;
  const std::string parent = bench.directory.empty()
                                 ? std::filesystem::temp_directory_path(code).string()
                                 : bench.directory;
  const Scratch scratch(fmt::format("{}/aeon-recall-{}", parent, storage::real_os().process_id()));
  const SpaceSpec space{
      .name = "text", .dimension = kLexicalDimension, .model = std::string(kLexicalModel)};
  AEON_ASSIGN(Palace palace, Palace::create(scratch.path(), {space}));
  AEON_TRY(use(palace));
  return palace.close();
}

}  // namespace aeon::cli
