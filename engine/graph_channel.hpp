// What a text brings over the graph: memories that are linked, over the concepts that they mention,
// with the concepts that the text names and with what it finds by words. No model is asked.
//
// A walker starts at one of
//
//   - the concepts whose name stands in the text, word by word; a name inside a longer one that was
//     found does not count. A concept's weight is the cube of the sum of its words' idf, each as a
//     part of ln(1 + documents), divided by the memories with words that are linked with it: 1 for
//     one word of one memory. A name that the text does not write as one, with capitals, is divided
//     by the memories that hold the rarest of its words, where those are more: what a capital made
//     a name of once may be common words. What weighs less than kLeastWeight is left out; those of
//     all concepts together have a share of 1;
//   - the kGraphPassages best by words, at kPassageShare times their score over the best one's;
//
// and walks over all edges but `next`, both ways, in proportion to their weights
// (graph/page_rank.hpp, restart 0.15). A memory's score is the rank that arrives over edges:
// that a walk sets out from it says nothing new. How far the walk is to be trusted follows from
// w, the weights of its concepts times the share of the text's idf that their names hold:
// w^2 / (w^2 + kHalfTrust^2). So a name that is a small part of the question says little, no
// concept is no walk, and names that are
// everywhere (who speaks in every turn) lead everywhere. After Gutierrez et al., "HippoRAG:
// Neurobiologically Inspired Long-Term Memory for Large Language Models", NeurIPS 2024.
//
// Work is bounded: kMostSeedWords * kMostNameWords lookups of keys, and kMostGraphEdges edges, each
// with a lookup of the memory behind it that is made once. Where the edges end a walk before it is
// done, ranks are lower bounds and the answer counts as approximate.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/text/mentions.hpp"
#include "engine/view.hpp"
#include "engine/words/word_search.hpp"
#include "engine/words/word_terms.hpp"
#include "graph/page_rank.hpp"
#include "graph/trace.hpp"

namespace aeon::engine {

inline constexpr std::size_t kMostSeedWords = 64;
inline constexpr std::uint64_t kMostGraphEdges = 32'768;
inline constexpr std::uint64_t kCountedEdges = 1024;  // of a concept, to divide its share by
inline constexpr std::size_t kGraphPassages = 5;
inline constexpr double kPassageShare = 0.05;
inline constexpr double kLeastWeight = 0.07;
inline constexpr double kHalfTrust = 0.25;
inline constexpr double kGraphRestart = 0.15;
inline constexpr double kGraphError = 5e-5;

// The memories of one instant as a walk sees them; each is looked up once. Keeps its buffers.
class ConceptGraph final : public graph::Adjacency {
 public:
  struct Node {
    bool visible = false;
    bool has_document = false;
    std::uint32_t document = 0;
    std::uint32_t session = 0;
    std::uint32_t kind = 0;
    CommitNumber born = 0;
    TimeNs time = 0;
  };

  ConceptGraph();
  void begin(const Reading& reading);
  [[nodiscard]] Result<bool> leaving(std::uint64_t node, std::uint64_t most,
                                     std::vector<graph::WalkEdge>& edges,
                                     std::uint64_t& touched) override;
  // Valid until the next call.
  [[nodiscard]] const Node& node(MemoryId id);
  // A damaged place was left out.
  [[nodiscard]] bool damaged() const noexcept { return damaged_; }
  void note_damage() noexcept { damaged_ = true; }

 private:
  bool add_edges(std::uint64_t node, graph::Way way, std::uint64_t& most,
                 std::vector<graph::WalkEdge>& edges, std::uint64_t& touched);

  const Reading* reading_ = nullptr;
  boost::unordered_flat_map<MemoryId, Node> nodes_;
  graph::EdgeCursor cursor_;
  Reading::Version version_;
  bool damaged_ = false;
};

struct GraphHit {
  MemoryId id = 0;
  float score = 0;
  ConceptGraph::Node node;
};

struct GraphAnswer {
  std::vector<GraphHit> hits{};  // all that have words, the best first; equal ones by id
  float trust = 0;               // within [0, 1)
  std::uint64_t edges = 0;       // looked at
  bool complete = true;
  bool partial = false;  // a damaged place was left out
};

// What a search by words has found and left behind.
struct GraphQuery {
  std::string_view text;
  const WordQuery* query = nullptr;
  const WordTerms* terms = nullptr;
  std::span<const WordHit> best;
  std::uint32_t tenant = 0;
};

// Holds scratch: warm it allocates nothing. Not thread-safe.
class GraphChannel {
 public:
  GraphChannel();
  // Whether the palace ever had a concept; without one there is nothing to walk from by name.
  [[nodiscard]] static Result<bool> has_concepts(const Reading& reading);
  // Errors: damaged (the counts of the tenant).
  [[nodiscard]] Status walk(const Reading& reading, const GraphQuery& query, GraphAnswer& answer);

 private:
  struct Word {
    std::uint32_t begin = 0;  // in names_
    std::uint32_t end = 0;
    double idf = 0;
    double documents = 0;  // that hold it
    bool named = false;    // part of a name that the walk sets out from
  };
  struct Span {
    std::size_t first = 0;
    std::size_t last = 0;
  };
  void find_words(const GraphQuery& query, double documents);
  void weigh(const GraphQuery& query, std::string_view text, double documents, Word& word);
  [[nodiscard]] Status find_names(const Reading& reading, const GraphQuery& query);
  [[nodiscard]] bool add_name(MemoryId id, double idf, double holding);
  void find_capitals(std::string_view text);
  [[nodiscard]] double holding(std::size_t first, std::size_t last);
  [[nodiscard]] double named_share() const;
  void add_passages(const GraphQuery& query);

  WordAnalyzer analyzer_;
  WordList list_;
  WordList stem_;
  std::string names_;  // the words of the text, one space between two
  std::vector<Word> words_;
  std::vector<Span> found_;
  std::vector<std::string_view> mentions_;
  std::string folded_;
  std::string capitals_;  // the names that the text writes as such, folded, a line each
  std::string pattern_;
  std::string key_;
  std::vector<graph::RankSeed> seeds_;
  std::vector<graph::WalkEdge> edges_;
  ConceptGraph graph_;
  graph::PageRank rank_;
  std::uint64_t counted_ = 0;
};

}  // namespace aeon::engine
