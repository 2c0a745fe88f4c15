#include "engine/graph_channel.hpp"

#include <algorithm>
#include <cmath>

#include "engine/concepts.hpp"

namespace aeon::engine {

namespace {

constexpr std::size_t kUsualNodes = 4096;

}  // namespace

// The graph ------------------------------------------------------------------------------------

// Once: to reserve again would give a larger table back.
ConceptGraph::ConceptGraph() { nodes_.reserve(kUsualNodes); }

void ConceptGraph::begin(const Reading& reading) {
  reading_ = &reading;
  nodes_.clear();
  damaged_ = false;
}

const ConceptGraph::Node& ConceptGraph::node(MemoryId id) {
  const auto [at, added] = nodes_.try_emplace(id);
  Node& node = at->second;
  if (!added) return node;
  const Result<bool> visible = reading_->try_version(id, version_);
  if (!visible) {
    damaged_ = true;
    return node;
  }
  const VersionRecord& record = version_.record;
  node.visible = *visible;
  node.has_document = *visible && record.document && record.document->words != 0;
  node.document = node.has_document ? record.document->number : 0;
  node.session = record.session;
  node.kind = record.kind;
  node.born = version_.commit;
  node.time = record.event_time;
  return node;
}

Result<bool> ConceptGraph::leaving(std::uint64_t node, std::uint64_t most,
                                   std::vector<graph::WalkEdge>& edges, std::uint64_t& touched) {
  edges.clear();
  return add_edges(node, graph::Way::out, most, edges, touched) &&
         add_edges(node, graph::Way::in, most, edges, touched);
}

bool ConceptGraph::add_edges(std::uint64_t node, graph::Way way, std::uint64_t& most,
                             std::vector<graph::WalkEdge>& edges, std::uint64_t& touched) {
  // Edges that were ended cost as much as others until a merge leaves them out.
  cursor_.reset({reading_->view.runs(), reading_->commit}, node, way, 0, graph::Edges::all);
  for (; cursor_.valid(); cursor_.next()) {
    if (most == 0) return false;
    --most;
    ++touched;
    if (!cursor_.stands()) continue;
    const graph::FoundEdge& edge = cursor_.edge();
    if (edge.type == graph::kNextType || !(edge.record.weight > 0)) continue;
    const MemoryId end = cursor_.other_end();
    if (this->node(end).visible) edges.push_back({end, edge.record.weight});
  }
  if (!cursor_.status()) damaged_ = true;
  return true;
}

// The channel ----------------------------------------------------------------------------------

GraphChannel::GraphChannel() {
  words_.reserve(kMostSeedWords);
  found_.reserve(kMostSeedWords);
  seeds_.reserve(kMostSeedWords + kGraphPassages);
  edges_.reserve(kCountedEdges);
  key_.reserve(kMaxKeyBytes);
  mentions_.reserve(kMostSeedWords);
  capitals_.reserve(kMaxKeyBytes);
  pattern_.reserve(kMaxKeyBytes);
}

Result<bool> GraphChannel::has_concepts(const Reading& reading) {
  AEON_ASSIGN(const std::uint32_t type, reading.number_of(NameClass::edge_type, 0, kMentionsType));
  return type != 0;
}

Status GraphChannel::walk(const Reading& reading, const GraphQuery& query, GraphAnswer& answer) {
  answer.hits.clear();
  answer.edges = 0;
  answer.trust = 0;
  answer.complete = true;
  AEON_ASSIGN(const WordCounts counts, reading.word_counts(query.tenant));
  graph_.begin(reading);
  seeds_.clear();
  counted_ = 0;
  find_words(query, static_cast<double>(counts.documents));
  find_capitals(query.text);
  AEON_TRY(find_names(reading, query));
  answer.partial = graph_.damaged();
  answer.edges = counted_;
  if (seeds_.empty()) return {};
  double weights = 0;
  for (const graph::RankSeed& seed : seeds_) weights += seed.share;
  for (graph::RankSeed& seed : seeds_) seed.share /= weights;
  const double strength = weights * named_share();
  const double squared = strength * strength;
  answer.trust = static_cast<float>(squared / (squared + kHalfTrust * kHalfTrust));
  add_passages(query);
  graph::WalkBudget budget(kMostGraphEdges);
  AEON_TRY(rank_.run(graph_, seeds_, {kGraphRestart, kGraphError}, budget));
  for (std::size_t i = 0; i < rank_.size(); ++i) {
    const double arrived = rank_.arrived(i);
    if (arrived <= 0) continue;
    const ConceptGraph::Node& node = graph_.node(rank_.id(i));
    if (!node.has_document) continue;
    answer.hits.push_back({rank_.id(i), static_cast<float>(arrived), node});
  }
  std::ranges::sort(answer.hits, [](const GraphHit& a, const GraphHit& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
  answer.edges = counted_ + budget.touched();
  answer.complete = budget.complete();
  answer.partial = graph_.damaged();
  return {};
}

void GraphChannel::find_words(const GraphQuery& query, double documents) {
  list_.clear();
  names_.clear();
  words_.clear();
  analyzer_.analyse(query.text, Language::none, list_);
  for (const WordList::Word& word : list_.words) {
    if (!word.whole || word.single) continue;
    if (words_.size() == kMostSeedWords) break;
    if (!names_.empty()) names_.push_back(' ');
    Word& added = words_.emplace_back();
    added.begin = static_cast<std::uint32_t>(names_.size());
    names_.append(list_.term(word));
    added.end = static_cast<std::uint32_t>(names_.size());
    weigh(query, list_.term(word), documents, added);
  }
}

// The idf as a part of what a word of one document has at most; 0 for a word that the search did
// not look for.
void GraphChannel::weigh(const GraphQuery& query, std::string_view text, double documents,
                         Word& word) {
  stem_.clear();
  analyzer_.analyse(text, query.query->language, stem_);
  if (stem_.words.empty()) return;
  const std::string_view stem = stem_.term(stem_.words.front());
  for (const WordTerms::Term& term : query.terms->terms()) {
    const WordQuery::Clause& clause = query.query->clauses[term.clause];
    if (clause.prefix || query.query->text(clause.begin, clause.length) != stem) continue;
    word.documents = static_cast<double>(term.documents);
    const double rest = std::max(0.0, documents - word.documents + 0.5);
    word.idf = std::log1p(rest / (word.documents + 0.5)) / std::log1p(std::max(1.0, documents));
    return;
  }
}

// Longer names first, so that those inside them can be told.
Status GraphChannel::find_names(const Reading& reading, const GraphQuery& query) {
  found_.clear();
  for (std::size_t length = std::min(kMostNameWords, words_.size()); length > 0; --length) {
    for (std::size_t first = 0; first + length <= words_.size(); ++first) {
      const std::size_t last = first + length - 1;
      const bool inside = std::ranges::any_of(
          found_, [&](const Span& span) { return span.first <= first && last <= span.last; });
      if (inside) continue;
      double idf = 0;
      for (std::size_t i = first; i <= last; ++i) idf += words_[i].idf;
      if (idf <= 0) continue;
      key_.assign(kConceptKeyPrefix);
      key_.append(names_, words_[first].begin, words_[last].end - words_[first].begin);
      const Result<MemoryId> owner = reading.key_owner(query.tenant, key_);
      if (!owner && owner.error().code != Errc::damaged) return std::unexpected(owner.error());
      if (!owner) graph_.note_damage();  // the walk does without that name
      const MemoryId id = owner ? *owner : 0;
      if (id == 0 || !graph_.node(id).visible) continue;
      found_.push_back({first, last});
      if (!add_name(id, idf, holding(first, last))) continue;
      for (std::size_t i = first; i <= last; ++i) words_[i].named = true;
    }
  }
  return {};
}

// The first kMostSeedWords of them. Each line begins and ends with a space, so that a name within
// it is one of whole words.
void GraphChannel::find_capitals(std::string_view text) {
  mentions_.clear();
  capitals_.clear();
  find_mentions(text, mentions_);
  if (mentions_.size() > kMostSeedWords) mentions_.resize(kMostSeedWords);
  for (const std::string_view mention : mentions_) {
    fold_name(mention, folded_);
    capitals_.append(" ").append(folded_).append(" \n");
  }
}

// The memories that hold the rarest word of a name, where the text does not write it as one; else
// 0.
double GraphChannel::holding(std::size_t first, std::size_t last) {
  pattern_.clear();
  pattern_.push_back(' ');
  pattern_.append(names_, words_[first].begin, words_[last].end - words_[first].begin);
  pattern_.push_back(' ');
  if (capitals_.find(pattern_) != std::string::npos) return 0;
  double fewest = words_[first].documents;
  for (std::size_t i = first; i <= last; ++i) fewest = std::min(fewest, words_[i].documents);
  return fewest;
}

// Whether the walk sets out from it. `holding`: memories that seem to hold it.
bool GraphChannel::add_name(MemoryId id, double idf, double holding) {
  const auto same = [id](const graph::RankSeed& seed) { return seed.id == id; };
  if (std::ranges::any_of(seeds_, same)) return true;
  std::uint64_t edges = 0;
  (void)graph_.leaving(id, kCountedEdges, edges_, edges);
  counted_ += edges;
  const auto holds = [this](const graph::WalkEdge& edge) {
    return graph_.node(edge.to).has_document;
  };
  const auto linked = static_cast<double>(std::ranges::count_if(edges_, holds));
  const double weight = idf * idf * idf / std::max({1.0, linked, holding});
  if (weight < kLeastWeight) return false;
  seeds_.push_back({id, weight});
  return true;
}

double GraphChannel::named_share() const {
  double named = 0;
  double all = 0;
  for (const Word& word : words_) {
    all += word.idf;
    if (word.named) named += word.idf;
  }
  return all > 0 ? named / all : 0;
}

void GraphChannel::add_passages(const GraphQuery& query) {
  const std::size_t count = std::min(kGraphPassages, query.best.size());
  for (const WordHit& hit : query.best.first(count)) {
    if (hit.score <= 0) continue;
    // In old palaces a concept may have words, and stand for a name as well.
    const auto same = [&](const graph::RankSeed& seed) { return seed.id == hit.id; };
    if (std::ranges::any_of(seeds_, same)) continue;
    seeds_.push_back({hit.id, kPassageShare * hit.score / query.best.front().score});
  }
  double sum = 0;
  for (const graph::RankSeed& seed : seeds_) sum += seed.share;
  for (graph::RankSeed& seed : seeds_) seed.share /= sum;
}

}  // namespace aeon::engine
