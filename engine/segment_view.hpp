// An open segment as the engine reads it: its run, its rows with their links and ends, and its
// commit headers.
// Immutable and shared by the views that hold it; const calls are thread-safe and wait-free.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/cluster_v1.hpp"
#include "engine/ends.hpp"
#include "engine/links.hpp"
#include "engine/node_index.hpp"
#include "engine/partition.hpp"
#include "engine/partition_writer.hpp"
#include "engine/reclaim.hpp"
#include "engine/words/word_segment.hpp"
#include "storage/run.hpp"
#include "storage/segment.hpp"
#include "wal/commit_header.hpp"

namespace aeon::engine {

class SegmentView {
 public:
  // Errors: those of Segment::open, damaged (a directory does not hold).
  [[nodiscard]] static Result<std::shared_ptr<const SegmentView>> open(
      storage::Os& os, const std::string& directory, storage::PalaceUuid palace,
      const storage::SegmentInfo& info);

  // For salvage: whatever of the file can be told without a manifest. Where the directories of rows
  // don't hold there are none, and `trouble` says why. Errors: those of Segment::open_damaged,
  // damaged (the file holds no run).
  [[nodiscard]] static Result<std::shared_ptr<const SegmentView>> open_damaged(
      storage::Os& os, const std::string& directory, storage::PalaceUuid palace,
      std::uint64_t number, std::string& trouble);

  [[nodiscard]] const storage::Segment& segment() const noexcept { return *segment_; }
  [[nodiscard]] const storage::RunReader& run() const noexcept { return *run_; }
  // Look-ups by node number in one space.
  struct Nodes {
    std::uint32_t space = 0;
    NodeIndex rows;
    NodeIndex links;
    NodeIndex ends;
  };
  struct Row {
    const PartitionView* partition = nullptr;
    std::uint32_t row = 0;
  };

  [[nodiscard]] std::span<const PartitionView> partitions() const noexcept { return partitions_; }
  // Null when the segment has no such rows.
  [[nodiscard]] const PartitionView* partition(std::uint32_t space,
                                               std::uint32_t tenant) const noexcept;
  // What format version 1 settled; empty in later segments.
  [[nodiscard]] std::span<const ClusterEntry> clusters() const noexcept { return clusters_; }
  // Calls visit(space, tenant, const RowBlock&) for all rows, checked; sets `damaged` where some
  // could not be read and were left out.
  template <typename Visit>
  void for_each_block(bool& damaged, Visit&& visit) const {
    for (const PartitionView& partition : partitions_) {
      const PartitionEntry& entry = partition.entry();
      const RowBlock block = partition.block(0, entry.rows, damaged);
      if (block.count != 0) visit(entry.space, entry.tenant, block);
    }
    for (const ClusterEntry& entry : clusters_) {
      const RowBlock block = read_cluster(*segment_, entry, damaged);
      if (block.count != 0) visit(entry.space, entry.tenant, block);
    }
  }

  // Null when the segment has nothing by node of that space.
  [[nodiscard]] const Nodes* nodes(std::uint32_t space) const noexcept;
  // The row of a node; no partition when it is not here. `damaged` when a page that would tell is
  // bad.
  [[nodiscard]] Row row(const Nodes& nodes, std::uint32_t node, bool& damaged) const noexcept;
  // Ask for the memory that row() and links() will look at, as far as it can be told cheaply.
  void prefetch_row(const Nodes& nodes, std::uint32_t node) const noexcept {
    prefetch(nodes.rows.guess(node), places_offset_, sizeof(NodePlace));
  }
  void prefetch_links(const Nodes& nodes, std::uint32_t node) const noexcept {
    prefetch(nodes.links.guess(node), links_offset_, sizeof(LinkList));
  }
  // The node's links as this segment has them, or null.
  [[nodiscard]] const LinkList* links(const Nodes& nodes, std::uint32_t node,
                                      bool& damaged) const noexcept;
  // Adds all lists of links, checked. Errors: damaged.
  [[nodiscard]] Status collect_links(std::vector<NodeLinks>& links) const;
  // The settled commit headers, in order, checked. Errors: damaged.
  [[nodiscard]] Result<std::span<const wal::CommitHeader>> headers() const;
  // What the segment can no longer tell.
  [[nodiscard]] const SegmentHistory& history() const noexcept { return history_; }
  // All settled ends, checked. Errors: damaged.
  [[nodiscard]] Result<std::span<const EndEntry>> ends() const;
  [[nodiscard]] const WordSegment& words() const noexcept { return words_; }
  [[nodiscard]] bool has_ends() const noexcept { return ends_count_ != 0; }
  // The commit that ended the node according to this segment, or 0; `damaged` when a page that
  // would tell is bad.
  [[nodiscard]] std::uint64_t ended_at(std::uint32_t space, std::uint32_t node,
                                       bool& damaged) const noexcept;

 private:
  SegmentView() = default;
  std::shared_ptr<const storage::Segment> segment_;
  std::optional<storage::RunReader> run_;
  void prefetch(std::uint64_t item, std::uint64_t offset, std::size_t bytes) const noexcept {
    if (item != NodeIndex::kNone) segment_->prefetch(offset + item * bytes, bytes);
  }
  [[nodiscard]] Status open_partitions();
  [[nodiscard]] Status open_nodes();
  [[nodiscard]] std::uint64_t search_ends(std::uint32_t space, std::uint32_t node,
                                          bool& damaged) const noexcept;

  SegmentHistory history_;
  WordSegment words_;
  std::vector<PartitionView> partitions_;
  std::vector<Nodes> nodes_;
  std::span<const ClusterEntry> clusters_;
  std::uint64_t places_offset_ = 0;
  std::uint64_t links_offset_ = 0;
  std::uint64_t ends_offset_ = 0;
  std::uint64_t ends_count_ = 0;
};

}  // namespace aeon::engine
