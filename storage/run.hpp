// A sorted run: unique keys and their values in key order, immutable, inside a segment. Two
// sections: run_blocks holds the entries in blocks of about 4 KiB, one directly after the other;
// run_fences holds each block's first key, laid out for binary search over the mapped bytes, so
// that opening a run reads nothing. Layout: run_format.md.
//
// Damage. A page is checked when it is first touched. A damaged page of blocks costs the blocks
// that touch it; a damaged page of fences costs nothing but time, because the search goes by the
// nearest readable fence and walks on from there, block after block.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/result.hpp"
#include "storage/run_block.hpp"
#include "storage/run_format.hpp"
#include "storage/segment.hpp"

namespace aeon::storage {

// Writes a run into a segment. Not thread-safe. The writer must outlive it and serve nobody else
// between create() and finish(). After an error every further call repeats that error.
class RunBuilder {
 public:
  // Begins section run_blocks. Errors: the writer's.
  [[nodiscard]] static Result<RunBuilder> create(SegmentWriter& writer);

  // Keys must ascend. Errors: invalid_argument when a key is empty or not above the last one,
  // too_large over run_format's limits, and the writer's.
  [[nodiscard]] Status add(std::string_view key, std::string_view value);
  // Ends section run_blocks and writes run_fences. Call once. Errors: the writer's.
  [[nodiscard]] Status finish();

  [[nodiscard]] std::uint64_t entries() const noexcept { return entries_; }
  // The key added last; empty at first.
  [[nodiscard]] std::string_view last_key() const noexcept { return last_key_; }

 private:
  explicit RunBuilder(SegmentWriter& writer) : writer_(&writer) {}
  Status try_add(std::string_view key, std::string_view value);
  Status try_finish();
  Status flush_block();

  SegmentWriter* writer_;
  RunBlockBuilder block_;
  std::string first_key_;  // of the open block
  std::string last_key_;
  std::vector<run_format::Fence> fences_;
  std::string fence_keys_;
  std::uint64_t entries_ = 0;
  Status health_;
};

// A run that is open for reading. A small value; the segment must outlive it. Thread-safe.
class RunReader {
 public:
  // Reads only the section directory. Errors: damaged when the sections can't be a run.
  [[nodiscard]] static Result<RunReader> open(const Segment& segment);

  [[nodiscard]] const Segment& segment() const noexcept { return *segment_; }
  [[nodiscard]] std::uint64_t entries() const noexcept { return entries_; }
  [[nodiscard]] std::uint64_t blocks() const noexcept { return fence_count_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return blocks_bytes_ + fences_bytes_; }

 private:
  friend class RunCursor;
  struct Place {
    std::uint64_t block;
    std::uint64_t offset;  // in the block section
  };

  explicit RunReader(const Segment& segment) noexcept : segment_(&segment) {}

  [[nodiscard]] std::optional<run_format::Fence> fence(std::uint64_t block) const noexcept;
  // Less, equal or greater than 0 as the block's first key is; empty when that can't be read.
  [[nodiscard]] std::optional<int> compare_fence(std::uint64_t block, std::string_view target,
                                                 std::uint64_t prefix) const noexcept;
  // Where to begin looking for `target`: the last readable fence not above it.
  [[nodiscard]] Place find(std::string_view target) const noexcept;

  const Segment* segment_;
  std::uint64_t blocks_offset_ = 0;
  std::uint64_t blocks_bytes_ = 0;
  std::uint64_t fences_offset_ = 0;
  std::uint64_t fences_bytes_ = 0;
  std::uint64_t fence_count_ = 0;
  std::uint64_t entries_ = 0;
};

// Walks a run in key order. One thread at a time; the reader must outlive it. A cursor can be
// reset and used again: it keeps its key buffer, so warm use allocates nothing, and makes no
// system call. Cost of seek: O(log blocks) fences and one or two blocks.
class RunCursor {
 public:
  RunCursor() = default;
  explicit RunCursor(const RunReader& reader) noexcept : reader_(&reader) {}
  void reset(const RunReader& reader) noexcept;

  void seek_first();
  // To the first entry whose key is not less than `key`, which must not be a view of this cursor.
  void seek(std::string_view key);
  // Only when valid().
  void next();

  [[nodiscard]] bool valid() const noexcept { return block_.valid(); }
  // The key lives until the cursor moves, the value (in the mapping) as long as the segment.
  [[nodiscard]] std::string_view key() const noexcept { return block_.key(); }
  [[nodiscard]] std::string_view value() const noexcept { return block_.value(); }

  // An error when the cursor stopped at damage instead of the end; valid() is false then. After a
  // failed seek the key asked for may or may not exist.
  [[nodiscard]] const Status& status() const noexcept { return status_; }
  // Goes on behind the damaged block: to the first entry of the next block that can be found. That
  // one may be damaged too, so call again until status() is fine. Only when status() is an error.
  void skip_block();

 private:
  bool load(std::uint64_t block, std::uint64_t offset);
  bool load_next();
  void check_block();
  void fail_at(std::string_view what);

  const RunReader* reader_ = nullptr;
  RunBlockReader block_;
  std::uint64_t number_ = 0;  // of the current block
  std::uint64_t offset_ = 0;  // of the current block in its section
  std::uint32_t bytes_ = 0;   // of the current block; 0 while its head can't be read
  Status status_;
};

}  // namespace aeon::storage
