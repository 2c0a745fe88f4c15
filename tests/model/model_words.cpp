// Recall by words against a loop over all memories. The words of test texts (batch_maker.cpp) have
// different stems, so that two of them are the same term exactly when they are the same word.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <random>

#include <fmt/format.h>

#include "tests/model/model_check.hpp"

namespace aeon::test {

namespace {

constexpr const char* kWords[] = {"key",  "flower", "pot",   "train", "lyon", "leaves",
                                  "nine", "blue",   "under", "spare", "ada",  "ten"};
constexpr double kMargin = 1e-3;

using Words = std::vector<std::string>;

Words words_of(const Memory& memory) {
  Words words;
  if (memory.content_type != ContentType::text) return words;
  bool within = false;
  for (const char c : memory.content) {
    const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (letter && !within) words.emplace_back();
    if (letter) words.back() += static_cast<char>(std::tolower(c));
    within = letter;
  }
  return words;
}

// A part of a question: one word, the start of one, or a few in a row.
struct Part {
  char sign = 0;
  bool prefix = false;
  Words words;
  [[nodiscard]] std::string text() const {
    std::string text = sign == 0 ? "" : std::string(1, sign);
    if (words.size() == 1) return text + words[0] + (prefix ? "*" : "");
    text += '"';
    for (const std::string& word : words) text += word + " ";
    return text + '"';
  }
  [[nodiscard]] bool holds(const Words& in, const std::string& word) const {
    return std::ranges::any_of(in, [&](const std::string& other) { return is(other, word); });
  }
  [[nodiscard]] bool is(const std::string& other, const std::string& word) const {
    return prefix ? other.starts_with(word) : other == word;
  }
  [[nodiscard]] bool in(const Words& text) const {
    if (words.size() == 1) return holds(text, words[0]);
    return std::search(text.begin(), text.end(), words.begin(), words.end()) != text.end();
  }
};

struct Question {
  std::vector<Part> parts;
  std::string text;
  std::string tenant;
  std::string session;
  std::string kind;
  Query query;
};

class WordCheck {
 public:
  WordCheck(const Snapshot& snapshot, const Model& model, std::uint64_t seed, Reads reads)
      : snapshot_(snapshot), model_(model), reads_(reads), random_(seed) {}

  std::string run(int queries) {
    for (int i = 0; i < queries; ++i) {
      Question question;
      make(question);
      if (std::string found = ask(question); !found.empty()) return found;
    }
    return {};
  }

 private:
  unsigned pick(std::size_t below) { return static_cast<unsigned>(random_() % below); }

  void make(Question& question) {
    bool plain = false;
    for (unsigned n = 1 + pick(4); n > 0; --n) {
      Part part;
      part.words = {kWords[pick(12)]};
      if (pick(4) == 0) part.sign = pick(2) == 0 ? '+' : '-';
      if (pick(5) == 0) {
        part.prefix = true;
        part.words[0].resize(2);  // no month begins so
      } else if (pick(6) == 0) {
        part.words.push_back(kWords[pick(12)]);
        if (part.sign == 0) part.sign = '+';
      }
      plain = plain || part.sign == 0;
      question.text += part.text() + " ";
      question.parts.push_back(std::move(part));
    }
    Query& query = question.query;
    query.preset = kWordsPreset;
    query.preset.b = static_cast<float>(pick(3)) / 2;
    constexpr std::uint32_t kCounts[] = {1, 3, 10, 1000};
    query.k = kCounts[pick(4)];
    if (pick(3) == 0 && !model_.tenants.empty()) {
      question.tenant = *std::next(model_.tenants.begin(), pick(model_.tenants.size()));
    }
    if (pick(4) == 0) question.session.assign(1, static_cast<char>('p' + pick(4)));
    if (pick(4) == 0) question.kind = pick(2) == 0 ? "event" : "note";
    if (pick(4) == 0) query.since = pick(1000);
    if (pick(4) == 0) query.until = pick(1000);
    if (pick(6) == 0) query.filter = R"({"page": 3})";
    query.text = question.text;
    query.tenant = question.tenant;
    query.session = question.session;
    query.kind = question.kind;
  }

  [[nodiscard]] bool matches(const Question& question, const Memory& is) const {
    const Query& query = question.query;
    return (question.session.empty() || is.session == question.session) &&
           (question.kind.empty() || is.kind == question.kind) && is.event_time >= query.since &&
           (is.event_time < query.until || query.until == kEndOfTime) &&
           (query.filter.empty() || is.metadata.starts_with(R"({"page": 3,)"));
  }

  // What is asked for, once each: the same word twice counts twice.
  struct Asked {
    const Part* part;
    std::string word;
    double times = 1;
    double weight = 0;
  };
  static std::vector<Asked> scoring(const Question& question) {
    std::vector<Asked> asked;
    for (const Part& part : question.parts) {
      if (part.sign == '-') continue;
      for (const std::string& word : part.words) {
        const auto same = [&](const Asked& other) {
          return other.word == word && other.part->prefix == part.prefix &&
                 other.part->sign == part.sign;
        };
        const auto at = std::ranges::find_if(asked, same);
        if (at == asked.end()) {
          asked.push_back({&part, word});
        } else {
          at->times = std::min(4.0, at->times + 1);
        }
      }
    }
    return asked;
  }

  std::map<MemoryId, double> expected(const Question& question) {
    std::map<MemoryId, Words> texts;
    double total = 0;
    for (const auto& [id, is] : model_.memories) {
      Words words = is->memory.tenant == question.tenant ? words_of(is->memory) : Words{};
      if (words.empty()) continue;
      total += static_cast<double>(words.size());
      texts[id] = std::move(words);
    }
    no_words_ = texts.empty();
    const double all = std::max(1.0, static_cast<double>(texts.size()));
    const double mean = std::max(1.0, total / all);
    std::vector<Asked> asked = scoring(question);
    for (Asked& a : asked) {
      double with = 0;
      for (const auto& [id, words] : texts) {
        std::set<std::string> distinct(words.begin(), words.end());
        with += static_cast<double>(std::ranges::count_if(
            distinct, [&](const std::string& other) { return a.part->is(other, a.word); }));
      }
      with = std::min(with, all);
      a.weight = a.times * std::log(1 + (all - with + 0.5) / (with + 0.5));
    }
    std::map<MemoryId, double> scores;
    for (const auto& [id, words] : texts) {
      const bool fits = std::ranges::all_of(question.parts, [&words](const Part& part) {
        return part.sign == 0 || part.in(words) == (part.sign == '+');
      });
      if (!fits || !matches(question, model_.find(id)->memory)) continue;
      const double score = score_of(question.query.preset, asked, words, mean);
      if (score > 0) scores[id] = score;
    }
    return scores;
  }

  static double score_of(const Preset& preset, const std::vector<Asked>& asked, const Words& words,
                         double mean) {
    std::size_t step = 1;
    while (words.size() / step >= 32) step *= 2;
    const auto length = static_cast<double>(words.size() / step * step);
    const double norm =
        double{preset.k1} * (1 - double{preset.b} + double{preset.b} * length / mean);
    double score = 0;
    for (const Asked& a : asked) {
      std::map<std::string, double> times;
      for (const std::string& word : words) {
        if (a.part->is(word, a.word)) ++times[word];
      }
      for (const auto& [word, count] : times) {
        const double counted = std::min(255.0, count);
        score += a.weight * counted * (double{preset.k1} + 1) / (counted + norm);
      }
    }
    return score;
  }

  std::string ask(const Question& question) {
    if (const Status got = snapshot_.recall(question.query, answer_); !got) {
      const bool damaged = reads_ == Reads::damaged && got.error().code == Errc::damaged;
      return damaged ? std::string{} : differs(question, got.error().message);
    }
    if (reads_ == Reads::damaged && answer_.partial) {
      return answer_.exact ? differs(question, "the answer is partial and exact") : std::string{};
    }
    std::map<MemoryId, double> scores = expected(question);
    // Where a tenant has no words at all, the text stands for the built-in embedder's vector.
    if (no_words_ && model_.lexical() != nullptr) return {};
    const std::size_t count = std::min<std::size_t>(question.query.k, scores.size());
    if (answer_.hits.size() != count) {
      std::string strangers;
      for (const Hit& hit : answer_.hits) {
        if (scores.contains(hit.id)) continue;
        const ModelMemory* is = model_.find(hit.id);
        strangers += fmt::format("; memory {} at version {} does not belong here: {}", hit.id,
                                 hit.version, is == nullptr ? "(gone)" : is->memory.content);
      }
      return differs(question,
                     fmt::format("{} hits, not {}{}", answer_.hits.size(), count, strangers));
    }
    if (!answer_.exact || answer_.partial || answer_.commit != snapshot_.commit()) {
      return differs(question, "the answer is not exact, or of another commit");
    }
    std::vector<double> order;
    for (const auto& [id, score] : scores) order.push_back(score);
    std::ranges::sort(order, std::greater{});
    for (std::size_t i = 0; i < count; ++i) {
      const Hit& hit = answer_.hits[i];
      const auto at = scores.find(hit.id);
      if (at == scores.end() || std::fabs(at->second - double{hit.score}) > kMargin ||
          std::fabs(order[i] - double{hit.score}) > kMargin ||
          hit.version != model_.find(hit.id)->memory.version) {
        return differs(question, fmt::format("hit {}: memory {} at {} should have {}, or be "
                                             "another with {}",
                                             i, hit.id, hit.score,
                                             at == scores.end() ? 0 : at->second, order[i]));
      }
      scores.erase(at);
    }
    return {};
  }

  std::string differs(const Question& question, const std::string& what) const {
    const Query& query = question.query;
    return fmt::format(
        "at commit {}: words \"{}\" of tenant \"{}\" (k {}, b {}, session {}, kind "
        "{}, since {}, until {}, filter {}): {}",
        snapshot_.commit(), question.text, question.tenant, query.k, query.preset.b,
        question.session, question.kind, query.since, query.until, query.filter, what);
  }

  const Snapshot& snapshot_;
  const Model& model_;
  const Reads reads_;
  std::mt19937_64 random_;
  Answer answer_;
  bool no_words_ = false;  // the tenant asked about last has none
};

}  // namespace

std::string words_difference(const Snapshot& snapshot, const Model& model, std::uint64_t seed,
                             int queries, Reads reads) {
  return WordCheck(snapshot, model, seed, reads).run(queries);
}

}  // namespace aeon::test
