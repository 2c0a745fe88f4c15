#include "engine/relink.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/distance.hpp"
#include "engine/link_choice.hpp"
#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

// A row that lost so many looks for new ones by itself.
constexpr std::size_t kManyLost = 4;
constexpr std::size_t kOtherClusters = 2;
// Rows that went which are passed through for one row.
constexpr std::size_t kMostPassed = 128;

std::size_t read_list(const std::byte* list, std::uint32_t* nodes) {
  LinkList copy;
  std::memcpy(&copy, list, sizeof copy);
  std::size_t count = 0;
  for (; count < kMaxLinks && copy.nodes[count] != kNoNode; ++count)
    nodes[count] = copy.nodes[count];
  return count;
}

class Relinker {
 public:
  Relinker(bool whole, std::vector<NodeLinks>& links, std::span<const NodeLinks> gone,
           std::deque<LinkList>& lists)
      : whole_(whole), links_(links), lists_(lists) {
    for (const NodeLinks& one : gone) gone_.emplace(one.node, one.list);
  }

  void run(std::span<const LinkedRows> partitions) {
    std::size_t count = 0;
    for (const LinkedRows& partition : partitions) count += partition.order.size();
    rows_.reserve(count);
    index_.reserve(count);
    for (const LinkedRows& partition : partitions) add(partition);
    for (const NodeLinks& one : links_) {
      if (const auto at = index_.find(one.node); at != index_.end()) {
        rows_[at->second].list = one.list;
      }
    }
    stamps_.assign(rows_.size(), 0);
    for (const Part& part : parts_) relink(part);
    take_in_lonely();
    write_back();
  }

 private:
  struct Row {
    const RowBlock* block = nullptr;
    std::uint32_t row = 0;
    std::uint32_t node = 0;
    const std::byte* list = nullptr;  // null: none
    LinkList* fresh = nullptr;        // where it changed
    bool was_led_to = false;          // by a row that went
  };
  struct Candidate {
    float distance = 0;
    std::uint32_t index = 0;  // of rows_
  };
  // A partition's part of rows_ and its clusters, in rows_.
  struct Part {
    const LinkedRows* partition = nullptr;
    std::uint32_t first = 0;
    std::vector<std::uint32_t> starts;  // of each cluster, and the end
    float largest_norm = 0;
  };

  void add(const LinkedRows& partition) {
    Part part;
    part.partition = &partition;
    part.first = static_cast<std::uint32_t>(rows_.size());
    for (const RowPlace place : partition.order) {
      const RowBlock& block = partition.rows->blocks[place.block];
      part.largest_norm = std::max(part.largest_norm, block.norms[place.row]);
      index_.emplace(block.nodes[place.row], static_cast<std::uint32_t>(rows_.size()));
      rows_.push_back({&block, place.row, block.nodes[place.row]});
    }
    part.starts.push_back(part.first);
    if (partition.grouping != nullptr) {
      for (const std::uint32_t rows : partition.grouping->rows) {
        part.starts.push_back(part.starts.back() + rows);
      }
    } else {
      part.starts.push_back(static_cast<std::uint32_t>(rows_.size()));
    }
    parts_.push_back(std::move(part));
  }

  [[nodiscard]] bool is_gone(std::uint32_t node) const {
    return whole_ ? !index_.contains(node) : gone_.contains(node);
  }
  [[nodiscard]] const std::int8_t* codes(const Row& row) const {
    return row.block->codes + row.row * row.block->stride;
  }
  [[nodiscard]] RowHead head(const Row& row) const {
    return {row.block->scales[row.row], row.block->norms[row.row], 0, 0, 0, 0};
  }
  [[nodiscard]] std::size_t list_of(const Row& row, std::uint32_t* nodes) const {
    if (row.fresh != nullptr) {
      return read_list(reinterpret_cast<const std::byte*>(row.fresh), nodes);
    }
    return row.list == nullptr ? 0 : read_list(row.list, nodes);
  }
  LinkList& edit(Row& row) {
    if (row.fresh == nullptr) {
      row.fresh = &lists_.emplace_back();
      if (row.list != nullptr) {
        std::memcpy(row.fresh, row.list, sizeof *row.fresh);
      } else {
        std::ranges::fill(row.fresh->nodes, kNoNode);
      }
    }
    return *row.fresh;
  }

  void relink(const Part& part) {
    metric_ = part.partition->rows->metric;
    dimension_ = part.partition->rows->dimension;
    largest_norm_ = part.largest_norm;
    for (std::size_t cluster = 0; cluster + 1 < part.starts.size(); ++cluster) {
      nearest_known_ = false;
      for (std::uint32_t i = part.starts[cluster]; i < part.starts[cluster + 1]; ++i) {
        relink(part, cluster, i);
      }
    }
  }

  void relink(const Part& part, std::size_t cluster, std::uint32_t index) {
    Row& row = rows_[index];
    std::uint32_t nodes[kMaxLinks];
    const std::size_t count = list_of(row, nodes);
    left_.clear();
    lost_.clear();
    for (std::size_t i = 0; i < count; ++i) (is_gone(nodes[i]) ? lost_ : left_).push_back(nodes[i]);
    if (count != 0 && lost_.empty()) return;
    begin_candidates(index);
    for (const std::uint32_t node : left_) add_candidate(node);
    pass_through_gone();
    if (lost_.size() >= kManyLost || near_.size() < kChosenLinks) add_clusters(part, cluster);
    measure(row);
    keep_nearest(near_);
    choose_links(near_, chosen_, hidden_, [this](const Candidate& a, const Candidate& b) {
      return between(rows_[a.index], rows_[b.index]);
    });
    set_links(index);
  }

  void begin_candidates(std::uint32_t index) {
    near_.clear();
    if (++stamp_ == 0) {
      std::ranges::fill(stamps_, 0U);
      stamp_ = 1;
    }
    stamps_[index] = stamp_;
  }

  void add_index(std::uint32_t index) {
    if (stamps_[index] == stamp_) return;
    stamps_[index] = stamp_;
    near_.push_back({0, index});
  }

  void add_candidate(std::uint32_t node) {
    if (const auto at = index_.find(node); at != index_.end()) add_index(at->second);
  }

  // What lies behind the rows that went.
  void pass_through_gone() {
    queue_ = lost_;
    for (std::size_t at = 0; at < queue_.size() && at < kMostPassed; ++at) {
      const auto list = gone_.find(queue_[at]);
      if (list == gone_.end()) continue;
      std::uint32_t nodes[kMaxLinks];
      const std::size_t count = read_list(list->second, nodes);
      for (std::size_t i = 0; i < count; ++i) {
        if (const auto live = index_.find(nodes[i]); live != index_.end()) {
          rows_[live->second].was_led_to = true;
          add_index(live->second);
        } else if (gone_.contains(nodes[i]) &&
                   std::ranges::find(queue_, nodes[i]) == queue_.end()) {
          queue_.push_back(nodes[i]);
        }
      }
    }
  }

  void add_clusters(const Part& part, std::size_t cluster) {
    const auto add_cluster = [&](std::size_t one) {
      for (std::uint32_t i = part.starts[one]; i < part.starts[one + 1]; ++i) add_index(i);
    };
    add_cluster(cluster);
    if (part.partition->grouping == nullptr) return;
    if (!nearest_known_) find_nearest_clusters(*part.partition->grouping, cluster);
    for (const std::size_t one : nearest_clusters_) add_cluster(one);
  }

  // By centroid; the same for all rows of a cluster.
  void find_nearest_clusters(const Grouping& grouping, std::size_t cluster) {
    nearest_known_ = true;
    const std::size_t groups = grouping.groups();
    cluster_distances_.resize(groups);
    const auto own = grouping.centroid(cluster);
    simd::kernels().l2sq_f32_rows(own.data(), own.size(),
                                  {grouping.centroids.data(), own.size() * sizeof(float), groups},
                                  cluster_distances_.data());
    cluster_distances_[cluster] = std::numeric_limits<float>::infinity();
    nearest_clusters_.clear();
    for (std::size_t i = 0; i < std::min(kOtherClusters, groups - 1); ++i) {
      const auto nearest = std::ranges::min_element(cluster_distances_);
      nearest_clusters_.push_back(static_cast<std::size_t>(nearest - cluster_distances_.begin()));
      *nearest = std::numeric_limits<float>::infinity();
    }
  }

  void measure(const Row& row) {
    query_.assign(codes(row), dimension_);
    addresses_.clear();
    for (const Candidate& candidate : near_) addresses_.push_back(codes(rows_[candidate.index]));
    dots_.resize(near_.size());
    sums_.clear();
    for (const Candidate& candidate : near_) {
      const Row& other = rows_[candidate.index];
      sums_.push_back(other.block->sums[other.row]);
    }
    simd::kernels().dot_i8_at(query_, addresses_.data(), sums_.data(), near_.size(), dots_.data());
    const RowHead own = head(row);
    for (std::size_t i = 0; i < near_.size(); ++i) {
      near_[i].distance =
          distance_between(metric_, own, head(rows_[near_[i].index]), dots_[i], largest_norm_);
    }
  }

  [[nodiscard]] float between(const Row& a, const Row& b) const {
    return distance_between(metric_, head(a), head(b),
                            simd::kernels().dot_i8(codes(a), codes(b), dimension_), largest_norm_);
  }

  // The links that are left, then the chosen ones that are new.
  void set_links(std::uint32_t index) {
    Row& row = rows_[index];
    LinkList& list = edit(row);
    std::ranges::fill(list.nodes, kNoNode);
    std::size_t count = 0;
    for (const std::uint32_t node : left_) list.nodes[count++] = node;
    for (const Candidate& candidate : chosen_) {
      const std::uint32_t node = rows_[candidate.index].node;
      if (std::ranges::find(left_, node) != left_.end()) continue;
      if (count < kMaxLinks) list.nodes[count++] = node;
      append(rows_[candidate.index], row.node);
    }
  }

  // False when the list is full and does not have it.
  bool append(Row& row, std::uint32_t node) {
    std::uint32_t nodes[kMaxLinks];
    const std::size_t count = list_of(row, nodes);
    if (std::find(nodes, nodes + count, node) != nodes + count) return true;
    if (count == kMaxLinks) {
      // A place that leads nowhere any more is as good as a free one.
      const auto nowhere =
          std::find_if(nodes, nodes + count, [this](std::uint32_t one) { return is_gone(one); });
      if (nowhere == nodes + count) return false;
      edit(row).nodes[nowhere - nodes] = node;
      return true;
    }
    edit(row).nodes[count] = node;
    return true;
  }

  // Of the rows that others led to which went, those to which nobody leads now.
  void take_in_lonely() {
    std::vector<bool> led_to(rows_.size());
    std::uint32_t nodes[kMaxLinks];
    for (const Row& row : rows_) {
      const std::size_t count = list_of(row, nodes);
      for (std::size_t i = 0; i < count; ++i) {
        if (const auto at = index_.find(nodes[i]); at != index_.end()) led_to[at->second] = true;
      }
    }
    for (const Part& part : parts_) {
      metric_ = part.partition->rows->metric;
      dimension_ = part.partition->rows->dimension;
      largest_norm_ = part.largest_norm;
      for (std::uint32_t i = part.first; i < part.starts.back(); ++i) {
        if (rows_[i].was_led_to && !led_to[i]) take_in(i);
      }
    }
  }

  void take_in(std::uint32_t index) {
    Row& row = rows_[index];
    std::uint32_t nodes[kMaxLinks];
    const std::size_t count = list_of(row, nodes);
    Row* nearest = nullptr;
    float least = std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = index_.find(nodes[i]);
      if (at == index_.end()) continue;
      const float distance = between(row, rows_[at->second]);
      if (distance >= least) continue;
      nearest = &rows_[at->second];
      least = distance;
    }
    if (nearest == nullptr || append(*nearest, row.node)) return;
    LinkList& list = edit(*nearest);
    std::size_t victim = 0;
    float farthest = -1;
    for (std::size_t i = 0; i < kMaxLinks; ++i) {
      const auto at = index_.find(list.nodes[i]);
      if (at == index_.end()) continue;
      const float distance = between(*nearest, rows_[at->second]);
      if (distance <= farthest) continue;
      victim = i;
      farthest = distance;
    }
    // The row leads on to the one whose place it takes.
    (void)append(row, list.nodes[victim]);
    list.nodes[victim] = row.node;
  }

  void write_back() {
    for (NodeLinks& one : links_) {
      const auto at = index_.find(one.node);
      if (at == index_.end()) continue;
      Row& row = rows_[at->second];
      if (row.fresh != nullptr) one.list = reinterpret_cast<const std::byte*>(row.fresh);
      row.fresh = nullptr;
    }
    bool added = false;
    for (const Row& row : rows_) {
      if (row.fresh == nullptr || row.list != nullptr) continue;
      links_.push_back({space(), row.node, reinterpret_cast<const std::byte*>(row.fresh)});
      added = true;
    }
    if (added) std::ranges::sort(links_, {}, &NodeLinks::node);
  }

  [[nodiscard]] std::uint32_t space() const { return parts_.front().partition->rows->space; }

  const bool whole_;
  std::vector<NodeLinks>& links_;
  std::deque<LinkList>& lists_;
  boost::unordered_flat_map<std::uint32_t, const std::byte*> gone_;
  boost::unordered_flat_map<std::uint32_t, std::uint32_t> index_;  // of rows_, by node
  std::vector<Row> rows_;
  std::vector<Part> parts_;
  std::vector<std::uint32_t> stamps_;  // when a row was last a candidate
  std::uint32_t stamp_ = 0;

  Metric metric_ = Metric::cosine;
  std::uint32_t dimension_ = 0;
  float largest_norm_ = 0;
  bool nearest_known_ = false;
  std::vector<std::size_t> nearest_clusters_;
  std::vector<float> cluster_distances_;
  std::vector<std::uint32_t> left_;
  std::vector<std::uint32_t> lost_;
  std::vector<std::uint32_t> queue_;
  std::vector<Candidate> near_;
  std::vector<Candidate> chosen_;
  std::vector<Candidate> hidden_;
  simd::Int8Query query_;
  std::vector<const std::int8_t*> addresses_;
  std::vector<std::int32_t> sums_;
  std::vector<std::int32_t> dots_;
};

}  // namespace

void relink(std::span<const LinkedRows> partitions, bool whole, std::vector<NodeLinks>& links,
            std::span<const NodeLinks> gone, std::deque<LinkList>& lists) {
  if (!partitions.empty()) Relinker(whole, links, gone, lists).run(partitions);
}

}  // namespace aeon::engine
