#include "engine/text_recall.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>
#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/confidence.hpp"
#include "engine/filter.hpp"
#include "engine/graph_channel.hpp"
#include "engine/node_filter.hpp"
#include "engine/prepare.hpp"
#include "engine/words/neighbours.hpp"
#include "engine/words/session_scores.hpp"

namespace aeon::engine {

namespace {

constexpr std::uint32_t kNoDocument = UINT32_MAX;
// What the factors of words and graph are lifted by, so that neither rules out what it does not
// bring: of the common scale, and of a walker's rank.
constexpr float kWordsFloor = 0.2F;
constexpr float kGraphFloor = 1e-4F;

struct Candidate {
  MemoryId id = 0;
  CommitNumber born = 0;
  std::uint32_t document = kNoDocument;
  std::uint32_t session = 0;
  TimeNs time = 0;
  float base = 0;  // of words and vector, on the scale that neighbours share in
  float total = 0;
  bool checked = true;  // it passed the query's filters
  std::array<ChannelMark, kChannels> marks{};

  [[nodiscard]] ChannelMark& mark(Channel channel) {
    return marks[static_cast<std::size_t>(channel)];
  }
};

// Buffers of one thread, kept warm between recalls.
struct Scratch {
  // Room for a usual recall, so that a warm thread seldom meets one that needs more.
  Scratch() {
    constexpr std::size_t kUsual = 2048;
    candidates.reserve(kUsual);
    places.reserve(kUsual);
    order.reserve(kUsual);
    words.hits.reserve(kMaxK);
    walked.hits.reserve(kUsual);
    vectors.hits.reserve(kMaxK);
    version.record.rows.reserve(kMaxSpaces + 1);
  }
  WordQuery query;
  WordTerms terms;
  WordAnswer words;
  Answer vectors;
  SessionScores sessions;
  GraphChannel graph;
  GraphAnswer walked;
  std::vector<Candidate> candidates;
  boost::unordered_flat_map<MemoryId, std::uint32_t> places;  // id -> candidate
  std::vector<std::uint32_t> order;
  Reading::Version version;
};
Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

class Recall {
 public:
  Recall(const Reading& reading, const TextRecall& recall, Scratch& scratch)
      : reading_(reading), recall_(recall), preset_(*recall.preset), scratch_(scratch) {
    scratch_.candidates.clear();
    scratch_.places.clear();
  }

  Status run(Answer& answer) {
    parse_word_query(recall_.text, recall_.language, scratch_.query);
    scratch_.walked.hits.clear();
    scratch_.walked.edges = 0;
    scratch_.walked.complete = true;
    if (preset_.graph > 0) {
      const Result<bool> walks = GraphChannel::has_concepts(reading_);
      if (!walks && walks.error().code != Errc::damaged) return std::unexpected(walks.error());
      partial_ = partial_ || !walks;
      walks_ = walks && *walks;
    }
    if (plain()) {
      AEON_TRY(by_words_alone(answer));
      return judge(answer);
    }
    nominated_ = std::max(recall_.words.k, std::min(preset_.candidates, kMaxK));
    AEON_TRY(ask_words(nominated_));
    AEON_TRY(ask_vector());
    AEON_TRY(ask_graph());
    if (needs_lines()) add_neighbours();
    rate_sessions();
    rate_recency();
    fuse();
    // Before the vectors' hits are replaced by what fills up the answer.
    AEON_TRY(judge(answer));
    AEON_TRY(fill(answer));
    return fill_up(answer);
  }

 private:
  // By whichever of words and vector has more to say for it.
  Status judge(Answer& answer) {
    if (!recall_.confidence) return {};
    AEON_ASSIGN(const WordCounts counts, reading_.word_counts(recall_.words.tenant));
    answer.confidence = covered_share(scratch_.terms, scratch_.query, counts.documents,
                                      scratch_.words.hits, partial_);
    if (recall_.vector == nullptr || preset_.vector == 0) return {};
    const auto near = conformal_nearness(reading_, *recall_.vector->space, recall_.words.tenant,
                                         recall_.vector->vector, scratch_.vectors.hits);
    answer.confidence = std::max(answer.confidence, near);  // nothing is below any
    return {};
  }
  [[nodiscard]] bool gains() const {
    return preset_.before > 0 || preset_.after > 0 || preset_.second_before > 0 ||
           preset_.second_after > 0;
  }
  [[nodiscard]] bool needs_lines() const { return gains(); }
  // One channel needs no fusion: its scores are the answer's.
  [[nodiscard]] bool plain() const {
    const bool vector = recall_.vector != nullptr && preset_.vector > 0;
    return !vector && !walks_ && !gains() && preset_.session == 0 && preset_.recency == 0 &&
           preset_.fusion == Fusion::weighted;
  }

  Status ask_words(std::uint32_t k) {
    WordSearch search = recall_.words;
    search.query = &scratch_.query;
    search.k = k;
    search.k1 = preset_.k1;
    search.b = preset_.b;
    scratch_.words.hits.clear();
    scratch_.words.postings = 0;
    scratch_.words.partial = false;
    // The terms are needed by the other channels even where words weigh nothing.
    AEON_TRY(search_words(reading_, search, scratch_.terms, scratch_.words));
    partial_ = partial_ || scratch_.words.partial;
    if (preset_.words == 0) return {};
    std::uint32_t rank = 0;
    const float best = scratch_.words.hits.empty() ? 1 : scratch_.words.hits.front().score;
    for (const WordHit& hit : scratch_.words.hits) {
      Candidate& candidate = candidate_of(hit.id, hit.born);
      candidate.document = hit.document;
      candidate.session = hit.session;
      candidate.time = hit.time;
      candidate.base += preset_.words * hit.score / best;
      candidate.mark(Channel::words) = {++rank, hit.score};
    }
    return {};
  }

  Status by_words_alone(Answer& answer) {
    AEON_TRY(ask_words(recall_.words.k));
    answer.hits.clear();
    answer.marks.clear();
    if (preset_.words > 0) {
      for (const WordHit& hit : scratch_.words.hits) {
        answer.hits.push_back({hit.id, hit.born, hit.score});
      }
    }
    if (recall_.explain) {
      for (const Candidate& candidate : scratch_.candidates) {
        answer.marks.push_back(candidate.marks);
      }
    }
    answer.exact = !partial_;
    finish(answer);
    return {};
  }

  // The worst of what the vector nominates is 0 on the common scale, the best is 1.
  Status ask_vector() {
    scratch_.vectors.rows_scanned = 0;
    if (recall_.vector == nullptr || preset_.vector == 0) return {};
    VectorSearch search = *recall_.vector;
    search.k = nominated_;
    AEON_TRY(search_rows(reading_, search, scratch_.vectors));
    partial_ = partial_ || scratch_.vectors.partial;
    const auto& hits = scratch_.vectors.hits;
    if (hits.empty()) return {};
    const float best = hits.front().score;
    const float span = std::max(best - hits.back().score, 1e-6F);
    std::uint32_t rank = 0;
    for (const Hit& hit : hits) {
      Candidate& candidate = candidate_of(hit.id, hit.version);
      candidate.base += preset_.vector * (1 - (best - hit.score) / span);
      candidate.mark(Channel::vector) = {++rank, hit.score};
      // Rows of memories that have expired are met until these are forgotten.
      if (reading_.now != kBeginningOfTime) candidate.checked = false;
      AEON_TRY(place(candidate));
    }
    return {};
  }

  // What came by words or vector is rated as well where it is not among the best of the graph.
  Status ask_graph() {
    if (!walks_) return {};
    const GraphQuery query{.text = recall_.text,
                           .query = &scratch_.query,
                           .terms = &scratch_.terms,
                           .best = scratch_.words.hits,
                           .tenant = recall_.words.tenant};
    AEON_TRY(scratch_.graph.walk(reading_, query, scratch_.walked));
    partial_ = partial_ || scratch_.walked.partial;
    const bool only_known = has_demands();
    std::uint32_t rank = 0;
    for (const GraphHit& hit : scratch_.walked.hits) {
      const bool is_new = !scratch_.places.contains(hit.id);
      if (is_new && (only_known || rank >= nominated_ || !matches(hit.node))) continue;
      Candidate& candidate = candidate_of(hit.id, hit.node.born);
      candidate.mark(Channel::graph) = {++rank, hit.score};
      candidate.document = hit.node.document;
      candidate.session = hit.node.session;
      candidate.time = hit.node.time;
      if (is_new) candidate.checked = recall_.words.filter == nullptr;
    }
    return {};
  }

  // Where the vector brought a memory, its document, session and time are looked up.
  Status place(Candidate& candidate) {
    if (candidate.document != kNoDocument) return {};
    if (!gains() && preset_.session == 0 && preset_.recency == 0) return {};
    const Result<bool> visible = reading_.try_version(candidate.id, scratch_.version);
    if (!visible && visible.error().code != Errc::damaged) {
      return std::unexpected(visible.error());
    }
    if (!visible) partial_ = true;
    if (!visible || !*visible) return {};
    const VersionRecord& record = scratch_.version.record;
    if (record.document) candidate.document = record.document->number;
    candidate.session = record.session;
    candidate.time = record.event_time;
    return {};
  }

  Candidate& candidate_of(MemoryId id, CommitNumber born) {
    const auto next = static_cast<std::uint32_t>(scratch_.candidates.size());
    const auto [at, added] = scratch_.places.try_emplace(id, next);
    if (added) {
      scratch_.candidates.emplace_back();
      scratch_.candidates.back().id = id;
      scratch_.candidates.back().born = born;
    }
    return scratch_.candidates[at->second];
  }

  // What words demand of an answer holds for neighbours too, so none comes in by another's score.
  [[nodiscard]] bool has_demands() const {
    return !scratch_.query.phrases.empty() ||
           std::ranges::any_of(scratch_.query.clauses, [](const WordQuery::Clause& clause) {
             return clause.demand != Demand::may;
           });
  }

  void add_neighbours() {
    const bool only_known = has_demands();
    const std::size_t count = scratch_.candidates.size();
    for (std::size_t i = 0; i < count; ++i) {
      const Candidate from = scratch_.candidates[i];
      if (from.document == kNoDocument || from.session == 0 || from.base == 0) continue;
      const Neighbours near = neighbours_of(scratch_.terms, from.document, from.session, partial_);
      gain(near.after[0], preset_.before * from.base, only_known);
      gain(near.after[1], preset_.second_before * from.base, only_known);
      gain(near.before[0], preset_.after * from.base, only_known);
      gain(near.before[1], preset_.second_after * from.base, only_known);
    }
  }

  void gain(const Neighbour& to, float amount, bool only_known) {
    if (to.document == nullptr || amount <= 0 || !matches(*to.document)) return;
    const Document& document = *to.document;
    const bool is_new = !scratch_.places.contains(document.id);
    if (is_new && only_known) return;
    Candidate& candidate = candidate_of(document.id, document.born);
    if (is_new) {
      candidate.document = to.number;
      candidate.session = document.session;
      candidate.time = document.time;
      candidate.checked = recall_.words.filter == nullptr && reading_.now == kBeginningOfTime;
    }
    candidate.mark(Channel::neighbours).score += amount;
  }

  [[nodiscard]] bool matches(const auto& document) const {
    const WordSearch& search = recall_.words;
    return (search.session == 0 || document.session == search.session) &&
           (search.kind == 0 || document.kind == search.kind) && document.time >= search.since &&
           (document.time < search.until || search.until == kEndOfTime);
  }

  void rate_sessions() {
    if (preset_.session == 0) return;
    SessionScores& sessions = scratch_.sessions;
    if (!sessions.score(scratch_.terms, recall_.words.tenant, preset_.k1)) partial_ = true;
    for (Candidate& candidate : scratch_.candidates) {
      if (candidate.session != 0) {
        candidate.mark(Channel::session).score = sessions.of(candidate.session);
      }
    }
  }

  void rate_recency() {
    if (preset_.recency == 0 || scratch_.candidates.empty()) return;
    TimeNs newest = kBeginningOfTime;
    for (const Candidate& candidate : scratch_.candidates) {
      newest = std::max(newest, candidate.time);
    }
    for (Candidate& candidate : scratch_.candidates) {
      const double age = static_cast<double>(newest) - static_cast<double>(candidate.time);
      candidate.mark(Channel::recency).score =
          static_cast<float>(std::exp2(-age / static_cast<double>(preset_.half_life)));
    }
  }

  // Ranks of a channel by its own score; equal scores share the better rank.
  void rank(Channel channel) {
    auto& order = scratch_.order;
    order.clear();
    for (std::uint32_t i = 0; i < scratch_.candidates.size(); ++i) {
      if (scratch_.candidates[i].mark(channel).score > 0) order.push_back(i);
    }
    const auto score = [&](std::uint32_t i) { return scratch_.candidates[i].mark(channel).score; };
    std::ranges::sort(order, std::greater{}, score);
    for (std::uint32_t i = 0; i < order.size(); ++i) {
      ChannelMark& mark = scratch_.candidates[order[i]].mark(channel);
      const bool tie = i > 0 && score(order[i - 1]) == mark.score;
      mark.rank = tie ? scratch_.candidates[order[i - 1]].mark(channel).rank : i + 1;
    }
  }

  void fuse() {
    rank(Channel::neighbours);
    rank(Channel::session);
    rank(Channel::recency);
    const float best_session = std::max(scratch_.sessions.best(), 1e-6F);
    const float graph = preset_.graph * scratch_.walked.trust;
    const float best_rank = scratch_.walked.hits.empty() ? 0 : scratch_.walked.hits.front().score;
    for (Candidate& candidate : scratch_.candidates) {
      if (preset_.fusion == Fusion::weighted) {
        candidate.total = candidate.base + candidate.mark(Channel::neighbours).score +
                          preset_.recency * candidate.mark(Channel::recency).score;
        if (preset_.session > 0) {
          candidate.total +=
              preset_.session * candidate.mark(Channel::session).score / best_session;
        }
        if (best_rank > 0) {
          const float share =
              (candidate.mark(Channel::graph).score + kGraphFloor) / (best_rank + kGraphFloor);
          candidate.total = (candidate.total + kWordsFloor) * std::pow(share, graph);
        }
        continue;
      }
      const auto add = [&](Channel channel, float weight) {
        const std::uint32_t rank = candidate.mark(channel).rank;
        if (rank != 0) {
          candidate.total += weight / (preset_.rank_constant + static_cast<float>(rank));
        }
      };
      add(Channel::words, preset_.words);
      add(Channel::vector, preset_.vector);
      add(Channel::session, preset_.session);
      add(Channel::neighbours, preset_.before);
      add(Channel::recency, preset_.recency);
      add(Channel::graph, graph);
    }
  }

  // The best k that pass; what came in by its neighbours is checked only here.
  Status fill(Answer& answer) {
    auto& order = scratch_.order;
    order.resize(scratch_.candidates.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::sort(order, [this](std::uint32_t a, std::uint32_t b) {
      const Candidate& left = scratch_.candidates[a];
      const Candidate& right = scratch_.candidates[b];
      return left.total != right.total ? left.total > right.total : left.id < right.id;
    });
    answer.hits.clear();
    answer.marks.clear();
    for (const std::uint32_t i : order) {
      if (answer.hits.size() == recall_.words.k) break;
      const Candidate& candidate = scratch_.candidates[i];
      if (candidate.total <= 0) break;
      if (!candidate.checked) {
        AEON_ASSIGN(const bool kept, passes(candidate.id));
        if (!kept) continue;
      }
      answer.hits.push_back({candidate.id, candidate.born, candidate.total});
      if (recall_.explain) answer.marks.push_back(candidate.marks);
    }
    answer.exact = !partial_ && scratch_.walked.complete &&
                   (recall_.vector == nullptr || scratch_.vectors.exact);
    finish(answer);
    return {};
  }

  // Behind the last one found, at its score times the cosine.
  Status fill_up(Answer& answer) {
    const std::size_t found = answer.hits.size();
    if (recall_.rest == nullptr || found >= recall_.words.k || has_demands()) return {};
    VectorSearch search = *recall_.restrictions;
    search.space = recall_.rest;
    search.vector = embed_lexically(recall_.text);
    search.k = recall_.words.k;
    search.recall = recall_.target_recall;
    if (search.vector.empty()) return {};
    if (recall_.words.indexed) search.nodes = find_nodes(reading_, search);
    AEON_TRY(search_rows(reading_, search, scratch_.vectors));
    const float last = found == 0 ? 1 : answer.hits.back().score;
    for (const Hit& hit : scratch_.vectors.hits) {
      if (answer.hits.size() == recall_.words.k) break;
      const auto same = [&hit](const Hit& other) { return other.id == hit.id; };
      if (std::ranges::any_of(std::span(answer.hits).first(found), same)) continue;
      const Result<bool> visible = reading_.try_version(hit.id, scratch_.version);
      if (!visible && visible.error().code != Errc::damaged) {
        return std::unexpected(visible.error());
      }
      answer.partial = answer.partial || !visible;
      if (!visible || !*visible) continue;
      const float score = found == 0 ? hit.score : last * std::clamp(hit.score, 0.0F, 1.0F);
      answer.hits.push_back({hit.id, hit.version, score});
      if (!recall_.explain) continue;
      answer.marks.emplace_back()[static_cast<std::size_t>(Channel::vector)] = {
          static_cast<std::uint32_t>(answer.hits.size() - found), hit.score};
    }
    answer.partial = answer.partial || scratch_.vectors.partial;
    answer.exact = answer.exact && scratch_.vectors.exact && !answer.partial;
    answer.rows_scanned += scratch_.vectors.rows_scanned;
    answer.plan = scratch_.vectors.plan;
    answer.rows_left = scratch_.vectors.rows_left;
    return {};
  }

  Result<bool> passes(MemoryId id) {
    const Result<bool> visible = reading_.try_version(id, scratch_.version);
    if (!visible && visible.error().code == Errc::damaged) {
      partial_ = true;
      return false;
    }
    if (!visible) return std::unexpected(visible.error());
    const Filter* filter = recall_.words.filter;
    return *visible && (filter == nullptr || filter->matches(scratch_.version.record.metadata));
  }

  void finish(Answer& answer) const {
    answer.commit = reading_.commit;
    answer.partial = partial_;
    const bool vector = recall_.vector != nullptr;
    answer.plan = vector ? scratch_.vectors.plan : SearchPlan::none;
    answer.rows_scanned = vector ? scratch_.vectors.rows_scanned : 0;
    answer.rows_left = vector ? scratch_.vectors.rows_left : 0;
    answer.postings_scanned = scratch_.words.postings;
    answer.edges_walked = scratch_.walked.edges;
  }

  const Reading& reading_;
  const TextRecall& recall_;
  const Preset& preset_;
  Scratch& scratch_;
  std::uint32_t nominated_ = 0;
  bool partial_ = false;
  bool walks_ = false;  // over the graph
};

}  // namespace

Status recall_text(const Reading& reading, const TextRecall& recall, Answer& answer) {
  return Recall(reading, recall, scratch()).run(answer);
}

Status check_preset(const Preset& preset) {
  const auto within = [](float value, float most) { return value >= 0 && value <= most; };
  constexpr float kMost = 1e6F;
  const bool weights = within(preset.words, kMost) && within(preset.vector, kMost) &&
                       within(preset.session, kMost) && within(preset.recency, kMost) &&
                       within(preset.before, kMost) && within(preset.after, kMost) &&
                       within(preset.second_before, kMost) && within(preset.second_after, kMost);
  if (!weights) {
    return fail(Errc::invalid_argument,
                fmt::format("preset \"{}\": a weight is not within 0..1000000", preset.name));
  }
  if (!within(preset.k1, 100) || !within(preset.b, 1) || !within(preset.rank_constant, kMost) ||
      !within(preset.graph, 16) || preset.half_life <= 0) {
    return fail(Errc::invalid_argument,
                fmt::format("preset \"{}\": k1 must be within 0..100, b within 0..1, graph within "
                            "0..16, the rank constant within 0..1000000 and the half-life above 0",
                            preset.name));
  }
  if (preset.fusion != Fusion::weighted && preset.fusion != Fusion::reciprocal_rank) {
    return fail(Errc::invalid_argument, fmt::format("preset \"{}\": unknown fusion", preset.name));
  }
  return {};
}

}  // namespace aeon::engine
