#include "engine/grouping.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "simd/kernels.hpp"
#include "simd/quantize.hpp"

namespace aeon::engine {

namespace {

constexpr std::uint32_t kBranches = 64;
constexpr std::uint32_t kSamplesPerBranch = 48;
constexpr std::size_t kSampleBytes = std::size_t{32} << 20;
constexpr int kRounds = 5;
constexpr std::uint32_t kStep = 256;

// Rows that lie one behind another.
struct Piece {
  const std::int8_t* codes = nullptr;
  std::uint32_t count = 0;
  const float* factors = nullptr;
  const RowPlace* places = nullptr;
};

// The rows of a node, and what holds them where they were gathered for it.
struct Node {
  std::vector<Piece> pieces;
  std::uint32_t count = 0;
  std::vector<std::int8_t> codes;
  std::vector<float> factors;
  std::vector<RowPlace> places;
};

class Centroids {
 public:
  Centroids(std::uint32_t dimension, std::uint32_t count)
      : dimension_(dimension), values_(std::size_t{count} * dimension) {}

  [[nodiscard]] std::uint32_t count() const {
    return static_cast<std::uint32_t>(values_.size() / dimension_);
  }
  [[nodiscard]] std::span<float> at(std::uint32_t index) {
    return std::span(values_).subspan(std::size_t{index} * dimension_, dimension_);
  }

  // The nearest centroid of each row of `piece`: the one with the largest x.c - |c|^2 / 2.
  void assign(const Piece& piece, std::size_t stride, std::uint32_t* nearest) {
    best_.assign(piece.count, -std::numeric_limits<float>::infinity());
    codes_.resize(dimension_);
    for (std::uint32_t c = 0; c < count(); ++c) {
      const auto values = at(c);
      const simd::Quantized code = simd::quantize_int8(values.data(), dimension_, codes_.data());
      const float half = code.scale * code.scale * static_cast<float>(code.sum_of_squares) / 2;
      query_.assign(codes_.data(), codes_.size());
      for (std::uint32_t first = 0; first < piece.count; first += kStep) {
        const std::uint32_t rows = std::min(kStep, piece.count - first);
        simd::kernels().dot_i8_rows(query_, {piece.codes + first * stride, stride, rows}, nullptr,
                                    dots_);
        for (std::uint32_t i = 0; i < rows; ++i) {
          const float score =
              piece.factors[first + i] * code.scale * static_cast<float>(dots_[i]) - half;
          if (score > best_[first + i]) {
            best_[first + i] = score;
            nearest[first + i] = c;
          }
        }
      }
    }
  }

 private:
  std::uint32_t dimension_;
  std::vector<float> values_;
  std::vector<float> best_;
  std::vector<std::int8_t> codes_;
  simd::Int8Query query_;
  std::int32_t dots_[kStep] = {};
};

class Tree {
 public:
  Tree(std::span<const RowBlock> blocks, Metric metric, Grouping& out)
      : blocks_(blocks),
        metric_(metric),
        dimension_(blocks.front().dimension),
        stride_(blocks.front().stride),
        out_(out) {}

  void run() {
    Node root;
    for (const RowBlock& block : blocks_) root.count += block.count;
    root.factors.reserve(root.count);
    root.places.reserve(root.count);
    for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
      const RowBlock& block = blocks_[b];
      root.pieces.push_back({block.codes, block.count, root.factors.data() + root.factors.size(),
                             root.places.data() + root.places.size()});
      for (std::uint32_t row = 0; row < block.count; ++row) {
        root.factors.push_back(grouping_factor(block, row, metric_));
        root.places.push_back({b, row});
      }
    }
    out_.order.reserve(root.count);
    wanted_ = wanted_group_rows(root.count);
    if (root.count / blocks_.size() >= kStep) return split(root, false);
    // Many short runs cost more than bringing the rows together.
    std::vector<std::uint32_t> all(root.count);
    std::iota(all.begin(), all.end(), 0U);
    Node together = gather(root, all);
    split(together, false);
  }

 private:
  // `divided`: the node lies in a district already, or the whole tree is too small for any.
  void split(Node& node, bool divided) {
    if (node.count <= wanted_ + wanted_ / 2) {
      emit(node.places);
      return;
    }
    const std::uint32_t branches = std::clamp((node.count + wanted_ - 1) / wanted_, 2U, kBranches);
    Centroids centroids = train(node, branches);
    std::vector<std::uint32_t> nearest(node.count);
    std::uint32_t at = 0;
    for (const Piece& piece : node.pieces) {
      centroids.assign(piece, stride_, nearest.data() + at);
      at += piece.count;
    }
    std::vector<std::uint32_t> counts(branches);
    for (const std::uint32_t branch : nearest) ++counts[branch];
    if (std::ranges::max(counts) == node.count) {
      if (!divided && node.count > kDistrictRows) {
        out_.districts.push_back(static_cast<std::uint32_t>(out_.groups()));
      }
      cut(node.places);
      return;
    }
    std::vector<std::uint32_t> starts(branches + 1);
    std::partial_sum(counts.begin(), counts.end(), starts.begin() + 1);
    std::vector<std::uint32_t> members(node.count);
    auto next = starts;
    for (std::uint32_t i = 0; i < node.count; ++i) members[next[nearest[i]]++] = i;
    nearest = {};
    for (std::uint32_t branch = 0; branch < branches; ++branch) {
      if (counts[branch] == 0) continue;
      Node child = gather(node, std::span(members).subspan(starts[branch], counts[branch]));
      const bool begins = !divided && node.count > kDistrictRows && child.count <= kDistrictRows;
      if (begins) out_.districts.push_back(static_cast<std::uint32_t>(out_.groups()));
      split(child, divided || begins);
    }
  }

  // The rows at ascending positions of `node`, copied together.
  Node gather(const Node& node, std::span<const std::uint32_t> members) const {
    Node child;
    child.count = static_cast<std::uint32_t>(members.size());
    child.codes.resize(members.size() * stride_);
    std::size_t piece = 0;
    std::uint32_t before = 0;
    std::int8_t* to = child.codes.data();
    for (const std::uint32_t member : members) {
      while (member - before >= node.pieces[piece].count) before += node.pieces[piece++].count;
      const Piece& from = node.pieces[piece];
      const std::uint32_t row = member - before;
      std::memcpy(to, from.codes + row * stride_, stride_);
      to += stride_;
      child.factors.push_back(from.factors[row]);
      child.places.push_back(from.places[row]);
    }
    child.pieces.push_back(
        {child.codes.data(), child.count, child.factors.data(), child.places.data()});
    return child;
  }

  // Lloyd's rounds over a sample that is spread over the node.
  Centroids train(const Node& node, std::uint32_t branches) {
    const std::uint64_t most =
        std::max<std::uint64_t>(kSampleBytes / (sizeof(float) * dimension_), branches);
    const auto samples = static_cast<std::uint32_t>(
        std::min<std::uint64_t>({node.count, std::uint64_t{branches} * kSamplesPerBranch, most}));
    std::vector<std::uint32_t> picks(samples);
    for (std::uint32_t i = 0; i < samples; ++i) {
      picks[i] = static_cast<std::uint32_t>(std::uint64_t{i} * node.count / samples);
    }
    const Node sample = gather(node, picks);
    std::mt19937_64 random(node.count);
    Centroids centroids(dimension_, branches);
    for (std::uint32_t c = 0; c < branches; ++c) {
      centroids.at(c)[0] = 0;
      add_row(sample, static_cast<std::uint32_t>(random() % samples), centroids.at(c), 1);
    }
    std::vector<std::uint32_t> nearest(samples);
    for (int round = 0; round < kRounds; ++round) {
      centroids.assign(sample.pieces.front(), stride_, nearest.data());
      Centroids sums(dimension_, branches);
      std::vector<std::uint32_t> counts(branches);
      for (std::uint32_t i = 0; i < samples; ++i) {
        add_row(sample, i, sums.at(nearest[i]), 1);
        ++counts[nearest[i]];
      }
      for (std::uint32_t c = 0; c < branches; ++c) {
        if (counts[c] == 0) {
          // Nobody's: begins again at some row.
          std::ranges::fill(sums.at(c), 0.0F);
          add_row(sample, static_cast<std::uint32_t>(random() % samples), sums.at(c), 1);
          continue;
        }
        const float share = 1 / static_cast<float>(counts[c]);
        for (float& value : sums.at(c)) value *= share;
      }
      centroids = std::move(sums);
    }
    return centroids;
  }

  void add_row(const Node& node, std::uint32_t row, std::span<float> sum, float weight) const {
    const std::int8_t* codes = node.codes.data() + row * stride_;
    const float factor = node.factors[row] * weight;
    for (std::uint32_t i = 0; i < dimension_; ++i) sum[i] += factor * static_cast<float>(codes[i]);
  }

  // Copies of one row, or rows as good as that.
  void cut(std::span<const RowPlace> places) {
    while (!places.empty()) {
      const std::size_t count = std::min<std::size_t>(places.size(), wanted_);
      emit(places.first(count));
      places = places.subspan(count);
    }
  }

  void emit(std::span<const RowPlace> places) {
    const std::size_t at = out_.order.size();
    out_.order.insert(out_.order.end(), places.begin(), places.end());
    std::ranges::sort(std::span(out_.order).subspan(at), {},
                      [this](RowPlace place) { return blocks_[place.block].nodes[place.row]; });
    const auto count = static_cast<std::uint32_t>(places.size());
    out_.rows.push_back(count);
    std::vector<double> sum(dimension_);
    double squares = 0;
    for (const RowPlace place : places) {
      const RowBlock& block = blocks_[place.block];
      const double factor = grouping_factor(block, place.row, metric_);
      const std::int8_t* codes = block.codes + place.row * stride_;
      for (std::uint32_t i = 0; i < dimension_; ++i) {
        const double value = factor * codes[i];
        sum[i] += value;
        squares += value * value;
      }
    }
    double length = 0;
    for (double& value : sum) {
      value /= count;
      length += value * value;
      out_.centroids.push_back(static_cast<float>(value));
    }
    out_.radii.push_back(static_cast<float>(std::sqrt(std::max(0.0, squares / count - length))));
  }

  std::span<const RowBlock> blocks_;
  const Metric metric_;
  const std::uint32_t dimension_;
  const std::size_t stride_;
  std::uint32_t wanted_ = 0;  // rows of a group
  Grouping& out_;
};

}  // namespace

Grouping group_rows(std::span<const RowBlock> blocks, Metric metric) {
  assert(!blocks.empty());
  Grouping grouping;
  Tree(blocks, metric, grouping).run();
  return grouping;
}

}  // namespace aeon::engine
