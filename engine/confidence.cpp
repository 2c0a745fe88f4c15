#include "engine/confidence.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/distance.hpp"
#include "engine/node_map.hpp"
#include "engine/seeds.hpp"
#include "engine/words/word_terms.hpp"
#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

// Whether the posting list of a term holds a document.
bool holds(WordTerms& terms, std::size_t term, std::uint32_t document, bool& damaged) {
  for (std::size_t s = 0; s < terms.sources().size(); ++s) {
    const WordSource& source = terms.sources()[s];
    if (document < source.first || document >= source.limit || !terms.opened(s, term)) continue;
    PostingCursor& cursor = terms.cursor(s, term);
    std::uint32_t low = 0;
    std::uint32_t high = cursor.blocks();
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (cursor.bound(middle).last < document) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low == cursor.blocks()) return false;
    const UnpackedBlock* data = cursor.unpack(low, damaged);
    return data != nullptr && std::binary_search(data->documents.begin(),
                                                 data->documents.begin() + data->size, document);
  }
  return false;
}

// Buffers of one thread.
struct Scratch {
  Scratch() {
    clauses.reserve(kMostClauses);
    sample.reserve(kNearnessSample);
    version.record.rows.reserve(256);
  }
  std::vector<double> clauses;  // what each clause weighs; 0: nothing
  std::vector<std::uint8_t> covered;
  std::vector<std::uint32_t> sample;  // nodes
  QuantisedRow row;
  NodeMap map;
  Reading::Version version;
};
Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

// A row's image, and how far it is off.
struct Image {
  RowHead head;
  const std::int8_t* codes = nullptr;
};

Image image_of(const std::byte* packed) { return {head_of(packed), codes_of(packed)}; }

// By distance, else by cosine; a row without length is far from all.
float between(Metric metric, const Image& a, const Image& b, std::uint32_t dimension) {
  const bool cosine = metric != Metric::l2;
  if (cosine && !(a.head.norm > 0 && b.head.norm > 0)) return 1;
  const std::int32_t dot = simd::kernels().dot_i8(a.codes, b.codes, dimension);
  return distance_between(cosine ? Metric::cosine : Metric::l2, a.head, b.head, dot, 0);
}

// What such a distance may be off by, see blur.hpp.
float blur_of(Metric metric, const Image& a, const Image& b) {
  const auto square = [metric](const RowHead& head) {
    const float unit = metric == Metric::l2 ? 1 : 2 * head.norm * head.norm;
    return unit > 0 ? head.error * head.error / unit : 0;
  };
  return square(a.head) + square(b.head);
}

// Nodes of the space at even distances over all rows that were ever written.
void take_sample(const Reading& reading, std::uint32_t space, std::uint32_t tenant,
                 std::vector<std::uint32_t>& nodes) {
  nodes.clear();
  const std::uint64_t rows = partition_figures(reading, space, tenant).rows;
  const std::uint64_t step = std::max<std::uint64_t>(1, rows / kNearnessSample);
  std::uint64_t skip = step / 2;  // rows until the next one that is taken
  bool damaged = false;
  for (const auto& segment : reading.view.segments()) {
    const PartitionView* partition = segment->partition(space, tenant);
    if (partition == nullptr) continue;
    for (; skip < partition->rows(); skip += step) {
      const RowBlock block = partition->block(static_cast<std::uint32_t>(skip), 1, damaged);
      if (block.count != 0 && nodes.size() < kNearnessSample) nodes.push_back(block.nodes[0]);
    }
    skip -= partition->rows();
  }
  for (const auto& tail : reading.view.tails()) {
    const RowTail* own = tail->rows(space, tenant);
    if (own == nullptr) continue;
    own->for_each_block([&](const RowBlock& block) {
      for (; skip < block.count; skip += step) {
        if (nodes.size() < kNearnessSample) nodes.push_back(block.nodes[skip]);
      }
      skip -= block.count;
    });
  }
}

// Of the visible rows that a row links to; infinite where there is none.
float nearest_linked(NodeMap& map, Metric metric, std::uint32_t node, const Image& row,
                     std::uint32_t dimension) {
  std::uint32_t links[kMaxLinks];
  const std::size_t count = map.links(node, links);
  float nearest = std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* packed = map.packed(links[i]);
    if (packed == nullptr) continue;
    const Image other = image_of(packed);
    if (!map.is_visible(other.head, links[i])) continue;
    nearest = std::min(nearest, between(metric, row, other, dimension));
  }
  return nearest;
}

}  // namespace

std::optional<float> covered_share(WordTerms& terms, const WordQuery& query,
                                   std::uint64_t documents, std::span<const WordHit> hits,
                                   bool& damaged) {
  Scratch& own = scratch();
  // Where a query has more terms than score, those without one are not known to be absent.
  const bool all_known = terms.terms().size() < kMostTerms;
  own.clauses.assign(query.clauses.size(), all_known ? 0.0 : -1.0);
  for (const WordTerms::Term& term : terms.terms()) {
    own.clauses[term.clause] =
        std::max(0.0, own.clauses[term.clause]) + static_cast<double>(term.documents);
  }
  const auto all = static_cast<double>(documents);
  double whole = 0;
  for (std::size_t i = 0; i < own.clauses.size(); ++i) {
    double& clause = own.clauses[i];
    const bool counts = clause >= 0 && query.clauses[i].demand != Demand::must_not;
    const double with = std::min(all, clause);
    clause = counts ? std::log1p((all - with + 0.5) / (with + 0.5)) : 0;
    whole += clause;
  }
  if (whole <= 0) return std::nullopt;
  double best = 0;
  for (const WordHit& hit : hits.first(std::min(hits.size(), kCoveringHits))) {
    own.covered.assign(query.clauses.size(), 0);
    double sum = 0;
    for (std::size_t i = 0; i < terms.terms().size(); ++i) {
      const std::uint32_t clause = terms.terms()[i].clause;
      if (own.covered[clause] != 0 || own.clauses[clause] <= 0) continue;
      if (!holds(terms, i, hit.document, damaged)) continue;
      own.covered[clause] = 1;
      sum += own.clauses[clause];
    }
    best = std::max(best, sum);
  }
  return static_cast<float>(std::min(1.0, best / whole));
}

std::optional<float> conformal_nearness(const Reading& reading, const SpaceInfo& space,
                                        std::uint32_t tenant, std::span<const float> query,
                                        std::span<const Hit> hits) {
  if (hits.empty()) return 0.0F;
  Scratch& own = scratch();
  const Metric metric = space.spec.metric;
  const std::uint32_t dimension = space.spec.dimension;
  own.map.open(reading, space.number);
  quantise_row(query, space.spec.precision, own.row);
  const Image asked{{own.row.scale, own.row.norm, own.row.error, own.row.sum, 0, 0},
                    own.row.codes.data()};
  float distance = std::numeric_limits<float>::infinity();
  for (const Hit& hit : hits.first(std::min(hits.size(), kNearestHits))) {
    const Result<bool> visible = reading.try_version(hit.id, own.version);
    if (!visible || !*visible) continue;
    const auto& rows = own.version.record.rows;
    const auto name = std::ranges::find(rows, space.number, &RowName::space);
    const std::byte* packed = name == rows.end() ? nullptr : own.map.packed(name->node);
    if (packed == nullptr) continue;
    const Image found = image_of(packed);
    distance = std::min(distance,
                        between(metric, asked, found, dimension) - blur_of(metric, asked, found));
  }
  if (!std::isfinite(distance)) return std::nullopt;
  take_sample(reading, space.number, tenant, own.sample);
  std::uint32_t all = 0;
  std::uint32_t farther = 0;
  for (const std::uint32_t node : own.sample) {
    const std::byte* row = own.map.packed(node);
    if (row == nullptr) continue;
    const Image image = image_of(row);
    if (!own.map.is_visible(image.head, node)) continue;
    const float nearest = nearest_linked(own.map, metric, node, image, dimension);
    if (!std::isfinite(nearest)) continue;
    ++all;
    if (nearest >= distance) ++farther;
  }
  if (all == 0) return std::nullopt;
  return static_cast<float>(1 + farther) / static_cast<float>(1 + all);
}

}  // namespace aeon::engine
