// An open segment as the engine reads it: its run, its clusters, its ends and its commit headers.
// Immutable and shared by the views that hold it; const calls are thread-safe and wait-free.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/cluster.hpp"
#include "engine/ends.hpp"
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

  [[nodiscard]] const storage::Segment& segment() const noexcept { return *segment_; }
  [[nodiscard]] const storage::RunReader& run() const noexcept { return *run_; }
  [[nodiscard]] std::span<const ClusterEntry> clusters() const noexcept { return clusters_; }
  // The route of a partition whose rows are grouped, else null.
  [[nodiscard]] const RouteEntry* route(std::uint32_t space, std::uint32_t tenant) const noexcept;
  [[nodiscard]] std::span<const RouteEntry> routes() const noexcept { return routes_; }
  // The settled commit headers, in order, checked. Errors: damaged.
  [[nodiscard]] Result<std::span<const wal::CommitHeader>> headers() const;
  // All settled ends, checked. Errors: damaged.
  [[nodiscard]] Result<std::span<const EndEntry>> ends() const;
  // The commit that ended the node according to this segment, or 0; `damaged` when a page that
  // would tell is bad.
  [[nodiscard]] std::uint64_t ended_at(std::uint32_t space, std::uint32_t node,
                                       bool& damaged) const noexcept;

 private:
  SegmentView() = default;
  std::shared_ptr<const storage::Segment> segment_;
  std::optional<storage::RunReader> run_;
  std::span<const ClusterEntry> clusters_;
  std::span<const RouteEntry> routes_;
  std::uint64_t ends_offset_ = 0;
  std::uint64_t ends_count_ = 0;
};

}  // namespace aeon::engine
