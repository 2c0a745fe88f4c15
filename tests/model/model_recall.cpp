// Recall against a loop over all memories.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

#include <fmt/format.h>

#include "tests/model/model_check.hpp"

namespace aeon::test {

namespace {

// Filters and what they mean, over metadata {"page": P, "tag": "T"} (BatchMaker writes it).
struct Meta {
  bool any = false;
  int page = 0;
  char tag = 0;
  static Meta of(const std::string& text) {
    Meta meta;
    meta.any =
        std::sscanf(text.c_str(), R"({"page": %d, "tag": "%c"})", &meta.page, &meta.tag) == 2;
    return meta;
  }
};
struct FilterCase {
  const char* text;
  bool (*keeps)(const Meta&);
};
constexpr FilterCase kFilters[] = {
    {R"({"page": 3})", [](const Meta& m) { return m.any && m.page == 3; }},
    {R"({"page": {">": 2, "<=": 6}})",
     [](const Meta& m) { return m.any && m.page > 2 && m.page <= 6; }},
    {R"({"tag": {"in": ["a", "c"]}})",
     [](const Meta& m) { return m.any && (m.tag == 'a' || m.tag == 'c'); }},
    {R"({"page": {"exists": false}})", [](const Meta& m) { return !m.any; }},
    {R"({"not": {"tag": "b"}})", [](const Meta& m) { return !(m.any && m.tag == 'b'); }},
    {R"({"or": [{"page": {"<": 2}}, {"tag": "a"}]})",
     [](const Meta& m) { return m.any && (m.page < 2 || m.tag == 'a'); }},
};

struct Question {
  const SpaceSpec* space = nullptr;
  Query query{};
  std::vector<float> vector{};  // what is compared; the query may name a text in its place
  std::string text{};
  std::string tenant{};
  std::string session{};
  std::string kind{};
  const FilterCase* filter = nullptr;
  double tolerance = 2e-5;
};

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

struct Score {
  double score = 0;
  double margin = 0;  // what float arithmetic may be off
};

Score score_of(const Question& question, const std::vector<float>& kept) {
  const double a = dot(question.vector, question.vector);
  const double b = dot(kept, kept);
  const double product = dot(question.vector, kept);
  switch (question.space->metric) {
    case Metric::cosine: return {product / std::sqrt(a * b), question.tolerance};
    case Metric::dot: return {product, question.tolerance * std::sqrt(a * b)};
    case Metric::l2: return {2 * product - a - b, question.tolerance * (a + b)};
  }
  return {};
}

class RecallCheck {
 public:
  RecallCheck(const Snapshot& snapshot, const Model& model, std::uint64_t seed, Reads reads)
      : snapshot_(snapshot), model_(model), reads_(reads), random_(seed) {}

  std::string run(int queries) {
    for (int i = 0; i < queries && !model_.spaces.empty(); ++i) {
      Question question;
      if (!make(question)) continue;
      if (std::string found = ask(question); !found.empty()) return found;
      if (reads_ == Reads::damaged) continue;
      if (std::string found = ask_shaped(question); !found.empty()) return found;
    }
    return {};
  }

 private:
  unsigned pick(std::size_t below) { return static_cast<unsigned>(random_() % below); }

  bool make(Question& question) {
    question.space = &model_.spaces[pick(model_.spaces.size())];
    if (!choose_vector(question)) return false;
    Query& query = question.query;
    query.space = question.space->name;
    const bool named = !question.text.empty();  // a text alone would be asked by words
    if (question.space == model_.lexical() && !named && pick(2) == 0) query.space = {};
    query.target_recall = 1;
    constexpr std::uint32_t kCounts[] = {1, 3, 10, 1000};
    query.k = kCounts[pick(4)];
    if (pick(3) == 0 && !model_.tenants.empty()) {
      auto at = model_.tenants.begin();
      std::advance(at, pick(model_.tenants.size()));
      question.tenant = *at;
    }
    if (pick(4) == 0) question.session.assign(1, static_cast<char>('p' + pick(4)));
    if (pick(4) == 0) question.kind = pick(2) == 0 ? "event" : "note";
    if (pick(4) == 0) query.since = pick(1000);
    if (pick(4) == 0) query.until = pick(1000);
    if (pick(4) == 0) question.filter = &kFilters[pick(std::size(kFilters))];
    query.tenant = question.tenant;
    query.session = question.session;
    query.kind = question.kind;
    if (question.filter != nullptr) query.filter = question.filter->text;
    return true;
  }

  // A vector at random, one that is kept, or the text of a memory in place of its vector.
  bool choose_vector(Question& question) {
    std::normal_distribution<float> normal;
    if (pick(2) == 0) {
      question.vector.resize(question.space->dimension);
      for (float& value : question.vector) value = normal(random_);
    } else {
      if (model_.memories.empty()) return false;
      auto at = model_.memories.begin();
      std::advance(at, pick(model_.memories.size()));
      const auto found = at->second->vectors.find(question.space->name);
      if (found == at->second->vectors.end()) return false;
      question.vector = found->second->kept;
      if (found->second->given.empty() && pick(2) == 0) {
        question.text = at->second->memory.content;
        question.tolerance = 4e-3;  // the memory keeps float16 of what the text gives
      }
      const bool zero = std::ranges::all_of(question.vector, [](float x) { return x == 0; });
      if (zero && question.space->metric == Metric::cosine) return false;
    }
    if (question.text.empty()) {
      question.query.vector = question.vector;
      question.query.model = question.space->model;
    } else {
      question.query.text = question.text;
    }
    return true;
  }

  [[nodiscard]] bool matches(const Question& question, const Memory& is) const {
    const Query& query = question.query;
    return is.tenant == question.tenant &&
           (question.session.empty() || is.session == question.session) &&
           (question.kind.empty() || is.kind == question.kind) && is.event_time >= query.since &&
           (is.event_time < query.until || query.until == kEndOfTime) &&
           (question.filter == nullptr || question.filter->keeps(Meta::of(is.metadata)));
  }

  std::string ask(const Question& question) {
    std::map<MemoryId, Score> expected;
    std::vector<double> scores;
    for (const auto& [id, is] : model_.memories) {
      const auto at = is->vectors.find(question.space->name);
      if (at == is->vectors.end() || !matches(question, is->memory)) continue;
      expected[id] = score_of(question, at->second->kept);
      scores.push_back(expected[id].score);
    }
    if (const Status got = snapshot_.recall(question.query, answer_); !got) {
      const bool damaged = reads_ == Reads::damaged && got.error().code == Errc::damaged;
      return damaged ? std::string{} : differs(question, got.error().message);
    }
    if (reads_ == Reads::damaged && answer_.partial) {
      return answer_.exact ? differs(question, "the answer is partial and exact")
                           : compare(question, expected, -std::numeric_limits<double>::infinity());
    }
    const std::size_t count = std::min<std::size_t>(question.query.k, expected.size());
    if (answer_.hits.size() != count) {
      return differs(question, fmt::format("{} hits, not {}", answer_.hits.size(), count));
    }
    if (!answer_.exact || answer_.partial || answer_.commit != snapshot_.commit()) {
      return differs(question, "the answer is not exact, or of another commit");
    }
    std::ranges::sort(scores, std::greater{});
    return count == 0 ? std::string{} : compare(question, expected, scores[count - 1]);
  }

  // The hits are distinct, in order, as good as they say, and none is left out that is better than
  // `last`; where that is said to be minus infinity, any may be.
  std::string compare(const Question& question, std::map<MemoryId, Score>& expected, double last) {
    const Hit* before = nullptr;
    for (const Hit& hit : answer_.hits) {
      const auto at = expected.find(hit.id);
      if (at == expected.end()) {
        return differs(question, fmt::format("memory {} does not belong here", hit.id));
      }
      const auto [score, margin] = at->second;
      if (!(std::fabs(double{hit.score} - score) <= margin) || score < last - 2 * margin ||
          hit.version != model_.find(hit.id)->memory.version) {
        return differs(question, fmt::format("memory {} at {} should have {}, the last {}", hit.id,
                                             hit.score, score, last));
      }
      if (before != nullptr &&
          (hit.score > before->score || (hit.score == before->score && hit.id < before->id))) {
        return differs(question, fmt::format("memory {} is out of order", hit.id));
      }
      before = &hit;
      expected.erase(at);
    }
    for (const auto& [id, score] : expected) {
      if (std::isfinite(last) && score.score > last + 2 * score.margin) {
        return differs(question, fmt::format("memory {} at {} is better than the last, {}", id,
                                             score.score, last));
      }
    }
    return {};
  }

  // What a shape without diversity leaves of all that matches, where a first pool holds that.
  std::string ask_shaped(const Question& question) {
    constexpr std::uint32_t kPool = 50;
    Query query = question.query;
    query.k = kPool;
    if (const Status got = snapshot_.recall(query, answer_); !got) {
      return differs(question, got.error().message);
    }
    if (answer_.hits.size() == kPool) return {};
    query.k = question.query.k;
    query.shape.per_session = pick(4);
    query.shape.token_budget = pick(3) * (1 + pick(40));
    std::vector<MemoryId> expected;
    std::map<std::string, std::uint32_t> taken;
    std::uint64_t tokens = 0;
    for (const Hit& hit : answer_.hits) {
      const Memory& is = model_.find(hit.id)->memory;
      const std::uint64_t own = (is.content.size() + 3) / 4;
      const Shape& shape = query.shape;
      if (expected.size() == query.k) break;
      if (shape.token_budget != 0 && tokens + own > shape.token_budget) continue;
      if (shape.per_session != 0 && !is.session.empty() && taken[is.session] == shape.per_session) {
        continue;
      }
      ++taken[is.session];
      tokens += own;
      expected.push_back(hit.id);
    }
    if (const Status got = snapshot_.recall(query, answer_); !got) {
      return differs(question, got.error().message);
    }
    const auto same = [](const Hit& hit, MemoryId id) { return hit.id == id; };
    if (!std::ranges::equal(answer_.hits, expected, same) ||
        answer_.tokens != (query.shape.token_budget == 0 ? 0 : tokens)) {
      return differs(question,
                     fmt::format("shaped by {} a session and {} tokens: {} hits of {} "
                                 "tokens, not {} of {}",
                                 query.shape.per_session, query.shape.token_budget,
                                 answer_.hits.size(), answer_.tokens, expected.size(), tokens));
    }
    return {};
  }

  std::string differs(const Question& question, const std::string& what) const {
    const Query& query = question.query;
    return fmt::format(
        "at commit {}: recall in space {} of tenant \"{}\" (text \"{}\", k {}, session {}, kind "
        "{}, since {}, until {}, filter {}): {}",
        snapshot_.commit(), question.space->name, question.tenant, question.text, query.k,
        question.session, question.kind, query.since, query.until, query.filter, what);
  }

  const Snapshot& snapshot_;
  const Model& model_;
  const Reads reads_;
  std::mt19937_64 random_;
  Answer answer_;
};

}  // namespace

std::string recall_difference(const Snapshot& snapshot, const Model& model, std::uint64_t seed,
                              int queries, Reads reads) {
  std::string found = RecallCheck(snapshot, model, seed, reads).run(queries);
  return found.empty() ? words_difference(snapshot, model, seed, queries, reads) : found;
}

}  // namespace aeon::test
