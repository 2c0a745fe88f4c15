// Shaping an answer: out of a pool, the best P that a recall finds, as many as are wanted are
// chosen one after the other. Each choice is the hit with the highest
//
//   (1 - d) * relevance - d * (the largest similarity to a hit chosen before; 0 for the first)
//
// d being Shape::diversity and relevance the score on a scale from 0, the worst of the pool, to 1,
// the best (1 where all scores are equal). The earlier in the pool goes first among equals. A hit
// is passed over where its session has given Shape::per_session hits already, or its content does
// not fit into what is left of the token budget. (Carbonell and Goldstein 1998, "The use of MMR,
// diversity-based reranking for reordering documents and producing summaries", with
// d = 1 - lambda.)
//
// Similarity is the cosine of the INT8 images of two memories' rows in the query's space, from 0 to
// 1. Where one of the two has no row there, of what the built-in embedder makes of their texts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/model.hpp"
#include "engine/row_block.hpp"
#include "engine/view.hpp"

namespace aeon::engine {

// The first pool, and by how much a pool that did not suffice grows, up to kMaxK.
inline constexpr std::uint32_t kLeastPool = 50;
inline constexpr std::uint32_t kPoolShare = 5;  // a pool holds so many times k
inline constexpr std::uint32_t kPoolGrowth = 4;

// What choosing knows of a hit.
struct ShapeHit {
  float score = 0;
  std::uint32_t session = 0;  // 0: none, which counts for no session
  std::uint64_t tokens = 0;
};

// What was chosen. Keeps its buffers.
struct ShapeChoice {
  std::vector<std::uint32_t> places{};  // in the pool, in the order of choice
  std::uint64_t tokens = 0;
  bool session_refused = false;  // some hit was passed over for its session
  bool budget_refused = false;   // or for the budget
  // Scratch, by place.
  std::vector<float> relevance{};
  std::vector<float> nearest{};
  std::vector<std::uint8_t> gone{};
};

// Chooses up to k of the pool, which is in order. `similarity(i, j)` is asked only where diversity
// is above 0. Allocates nothing once `choice` is warm. O(k P), and as many similarities.
template <typename Similarity>
void choose_hits(std::span<const ShapeHit> pool, const Shape& shape, std::uint32_t k,
                 const Similarity& similarity, ShapeChoice& choice) {
  const auto size = static_cast<std::uint32_t>(pool.size());
  choice.places.clear();
  choice.tokens = 0;
  choice.session_refused = false;
  choice.budget_refused = false;
  choice.relevance.assign(size, 1);
  choice.nearest.assign(size, 0);
  choice.gone.assign(size, 0);
  if (size == 0) return;
  const auto [worst, best] = std::ranges::minmax(pool, {}, &ShapeHit::score);
  const float span = best.score - worst.score;
  for (std::uint32_t i = 0; i < size && span > 0; ++i) {
    choice.relevance[i] = (pool[i].score - worst.score) / span;
  }
  const auto of_session = [&](std::uint32_t session) {
    return std::ranges::count(choice.places, session,
                              [&](std::uint32_t place) { return pool[place].session; });
  };
  while (choice.places.size() < k) {
    std::optional<std::uint32_t> next;
    float most = 0;
    for (std::uint32_t i = 0; i < size; ++i) {
      if (choice.gone[i] != 0) continue;
      if (shape.token_budget != 0 && pool[i].tokens > shape.token_budget - choice.tokens) {
        choice.gone[i] = 1;
        choice.budget_refused = true;
        continue;
      }
      const float value =
          (1 - shape.diversity) * choice.relevance[i] - shape.diversity * choice.nearest[i];
      if (!next || value > most) {
        next = i;
        most = value;
      }
    }
    if (!next) break;
    choice.places.push_back(*next);
    choice.gone[*next] = 1;
    if (shape.token_budget != 0) choice.tokens += pool[*next].tokens;
    const std::uint32_t session = pool[*next].session;
    const bool full =
        shape.per_session != 0 && session != 0 && of_session(session) >= shape.per_session;
    for (std::uint32_t i = 0; i < size; ++i) {
      if (choice.gone[i] != 0) continue;
      if (full && pool[i].session == session) {
        choice.gone[i] = 1;
        choice.session_refused = true;
      } else if (shape.diversity > 0) {
        choice.nearest[i] = std::max(choice.nearest[i], similarity(i, *next));
      }
    }
  }
}

// Buffers of one thread, kept warm between recalls.
class Shaper {
 public:
  Shaper();
  // What the unshaped recall fills.
  [[nodiscard]] Answer& pool() noexcept { return pool_; }
  // Fills `answer` from the pool, the answer to the query with k = `asked` and no shape. False
  // where a larger pool may give more hits that are wanted: it was full, and without the limit of a
  // session there would be enough. Memories whose record is damaged are left out, and the answer is
  // partial. Errors: those of looking up a memory.
  [[nodiscard]] Result<bool> shape(const Reading& reading, const Query& query, std::uint32_t asked,
                                   Answer& answer);

 private:
  // A row's image: in the view, or in texts_.
  struct Image {
    const std::int8_t* codes = nullptr;  // null: there is none
    float length = 0;                    // |codes|
    std::uint32_t dimension = 0;
  };
  [[nodiscard]] Status look_up(const Reading& reading, const Query& query, Answer& answer);
  void find_image(const Reading& reading, const SpaceInfo* space);
  [[nodiscard]] Status embed_texts(const Reading& reading);
  [[nodiscard]] float similarity(std::uint32_t a, std::uint32_t b) const noexcept;

  Answer pool_;
  std::vector<std::uint32_t> known_;  // places in the pool of what can be chosen
  std::vector<ShapeHit> hits_;        // of those
  std::vector<Image> images_;         // in the query's space
  std::vector<Image> texts_;          // of their texts; empty where none is needed
  std::vector<std::int8_t> codes_;
  std::string content_;
  QuantisedRow row_;
  Reading::Version version_;
  ShapeChoice choice_;
};
[[nodiscard]] Shaper& shaper_of_thread();

// The answer to a query whose shape is set; `find(query, answer)` answers it without. Wait-free;
// allocates nothing once the calling thread and the answer are warm, where `find` does so. Errors:
// those of `find`.
template <typename Find>
[[nodiscard]] Status recall_shaped(const Reading& reading, const Query& query, const Find& find,
                                   Answer& answer) {
  Shaper& shaper = shaper_of_thread();
  Query wide = query;
  wide.shape = {};
  wide.k = std::min(kMaxK, std::max(kLeastPool, kPoolShare * query.k));
  for (;;) {
    AEON_TRY(find(wide, shaper.pool()));
    AEON_ASSIGN(const bool done, shaper.shape(reading, query, wide.k, answer));
    if (done || wide.k == kMaxK) return {};
    wide.k = std::min(kMaxK, kPoolGrowth * wide.k);
  }
}

}  // namespace aeon::engine
