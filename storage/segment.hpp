// Segment files: settled data, written once from front to back, then only read.
//
//   page 0        head: magic, format version, palace, file number, commit range
//   ...           sections, each a run of bytes; data is contiguous, nothing interrupts it
//   sum table     one 64-bit sum per 4 KiB page of everything before the table, seeded by
//                 (palace, file number, page number)
//   footer        section directory, place and sum of the sum table, sum of the footer itself;
//                 the last page of the file
//
// A segment becomes part of the palace only when a manifest record names it (with its size and
// footer sum); until then it is an orphan that the next open removes. Byte tables: format.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/checksum.hpp"
#include "storage/file_identity.hpp"
#include "storage/os.hpp"
#include "storage/result.hpp"

namespace aeon::storage {

// Persisted: never reuse a number. 0 is invalid.
enum class SectionKind : std::uint32_t {
  run_blocks = 1,         // sorted key-value blocks (run.hpp)
  run_fences = 2,         // first key of each block
  cluster_hot = 3,        // version 1: INT8 rows with their ids and stamps
  cluster_cold = 4,       // float16 or float32 rows, for rescoring
  cluster_directory = 5,  // version 1: where the clusters of each (space, tenant) lie
  cluster_ends = 6,       // versions ended since their rows were settled
  commit_headers = 7,     // the hash chain of commits
  blob_records = 8,       // framed payloads, one after another (blob.hpp)
  // 9 to 11 were never part of a released format
  partition_directory = 12,  // where the rows of each (space, tenant) lie
  partition_rows = 13,       // INT8 rows with their heads, cluster after cluster
  partition_columns = 14,    // what filters look at, column by column
  partition_routes = 15,     // what stands for each cluster
  node_spaces = 16,          // for each space: where its parts of the next sections lie
  node_blocks = 17,          // which nodes have an item
  node_places = 18,          // where a node's row lies
  link_lists = 19,           // the neighbours of a node
  history = 20,              // what the segment can no longer tell
  word_documents = 32,       // what has words, by document number
  word_lengths = 33,         // how many, a byte for each
  word_blocks = 34,          // which document numbers are there
  word_index = 35,           // how to read word_blocks
  word_row_spaces = 36,      // for each space: how many of the next section are its
  word_rows = 37,            // which rows the documents have
};

// Persisted. Both kinds share one container; they differ in name ("seg-N", "blob-N") and sections.
enum class FileKind : std::uint32_t { segment = 1, blob = 2 };

struct Section {
  SectionKind kind;
  std::uint32_t reserved = 0;
  std::uint64_t offset = 0;  // from the start of the file
  std::uint64_t bytes = 0;
  std::uint64_t items = 0;  // what an item is depends on the kind
};

// What the manifest remembers of a segment, enough to know it again.
struct SegmentInfo {
  std::uint64_t number = 0;
  std::uint64_t first_commit = 0;  // the segment holds what commits first..last brought
  std::uint64_t last_commit = 0;
  std::uint64_t bytes = 0;
  std::uint64_t footer_sum = 0;
  friend bool operator==(const SegmentInfo&, const SegmentInfo&) = default;
};

// Writes one segment. Not thread-safe. Dropping a writer before finish() leaves an orphan file.
class SegmentWriter {
 public:
  // Creates seg-<number> or blob-<number> in `directory`. Errors: already_exists, disk_full,
  // io_error.
  [[nodiscard]] static Result<std::unique_ptr<SegmentWriter>> create(
      Os& os, const std::string& directory, PalaceUuid palace, FileKind kind, std::uint64_t number,
      std::uint64_t first_commit, std::uint64_t last_commit);
  ~SegmentWriter();

  // Sections are written one after another. `alignment` is a power of two up to kPageBytes; the
  // gap before is zero-filled.
  [[nodiscard]] Status begin_section(SectionKind kind, std::size_t alignment = 64);
  [[nodiscard]] Status append(std::span<const std::byte> bytes);
  // Zero bytes up to a multiple of `alignment` of the file offset.
  [[nodiscard]] Status align(std::size_t alignment);
  // Bytes appended to the open section so far.
  [[nodiscard]] std::uint64_t section_offset() const noexcept;
  [[nodiscard]] Status end_section(std::uint64_t items);

  // Writes sum table and footer and syncs the file; the directory is not synced. After success
  // the file is complete and durable under its name once the directory is synced.
  [[nodiscard]] Result<SegmentInfo> finish();

 private:
  struct State;
  explicit SegmentWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// An open segment: a read-only mapping whose pages are checked at their first touch. All const
// calls are thread-safe and wait-free, make no system call and allocate nothing unless damage is
// found. Pointers stay valid as long as the Segment lives, also after the file is unlinked.
class Segment {
 public:
  // Maps the file and verifies head, footer and sum table (a cost that does not depend on the
  // data: one pass over 1/512 of the file is made lazily, page by page of the table). Errors:
  // missing_file, damaged, newer_format, foreign_file.
  [[nodiscard]] static Result<std::shared_ptr<const Segment>> open(Os& os,
                                                                   const std::string& directory,
                                                                   PalaceUuid palace, FileKind kind,
                                                                   const SegmentInfo& expected);
  // For salvage: opens a file that no manifest speaks for and of which any page may be damaged.
  // info() says what the head and the footer say, zeros where they do not verify; the sections come
  // from the footer or, from format version 3 on, from its copy. Errors: missing_file,
  // newer_format, foreign_file, damaged (the sections can't be told).
  [[nodiscard]] static Result<std::shared_ptr<const Segment>> open_damaged(
      Os& os, const std::string& directory, PalaceUuid palace, FileKind kind, std::uint64_t number);
  // The palace that the file's head names, if the head verifies.
  [[nodiscard]] static std::optional<PalaceUuid> palace_of(Os& os, const std::string& path);
  ~Segment();

  [[nodiscard]] const SegmentInfo& info() const noexcept;
  [[nodiscard]] const std::string& path() const noexcept;
  [[nodiscard]] std::span<const Section> sections() const noexcept;
  // The first section of that kind, or null.
  [[nodiscard]] const Section* find(SectionKind kind) const noexcept;

  // The bytes [offset, offset+count) of the file after checking every page they touch.
  // Errors: damaged (names file, page and offset; remembered, so that the same page is not hashed
  // again). Out-of-range requests are damaged too: offsets come from files.
  [[nodiscard]] Result<std::span<const std::byte>> read(std::uint64_t offset,
                                                        std::uint64_t count) const;
  // As read(), without building an error: null when a page is damaged. For scans.
  [[nodiscard]] const std::byte* checked(std::uint64_t offset, std::uint64_t count) const noexcept {
    // Most calls are for a row or less, on pages that were checked before.
    if (count != 0 && offset <= data_bytes_ && count <= data_bytes_ - offset) {
      const std::uint64_t first = offset / kPageBytes;
      const std::uint64_t last = (offset + count - 1) / kPageBytes;
      if (last - first <= 1 && is_good(first) && is_good(last)) return base_ + offset;
    }
    return check(offset, count);
  }
  // Asks the processor for bytes that will be wanted soon. Any offset; never faults.
  void prefetch(std::uint64_t offset, std::uint64_t count) const noexcept {
    if (offset > data_bytes_ || count > data_bytes_ - offset) return;
    for (std::uint64_t at = 0; at < count; at += 64) __builtin_prefetch(base_ + offset + at);
  }
  // Hashes every page again, whatever was known before; returns the numbers of the bad ones.
  [[nodiscard]] std::vector<std::uint64_t> scrub() const;
  // Adds the numbers of those pages that do not match their sums, of the pages from `first` on as
  // `bytes` has them: whole pages, read from the file by whoever asks. What memory holds of them
  // is neither read nor judged.
  void compare(std::uint64_t first, std::span<const std::byte> bytes,
               std::vector<std::uint64_t>& bad) const;
  // Damaged pages met so far.
  [[nodiscard]] std::uint64_t damaged_pages() const noexcept;
  // Brings the whole file into memory and checks it (before publishing a new segment).
  void populate() const noexcept;

 private:
  struct State;
  explicit Segment(std::unique_ptr<State> state);
  [[nodiscard]] const std::byte* check(std::uint64_t offset, std::uint64_t count) const noexcept;
  // Relaxed: a bit says only that immutable bytes of the mapping were hashed; no memory written by
  // the thread that set it is read on the strength of it.
  [[nodiscard]] bool is_good(std::uint64_t page) const noexcept {
    return (good_[page / 64].load(std::memory_order_relaxed) >> (page % 64) & 1) != 0;
  }

  std::unique_ptr<State> state_;
  // Of the state, for checked().
  const std::byte* base_ = nullptr;
  std::uint64_t data_bytes_ = 0;
  const std::atomic<std::uint64_t>* good_ = nullptr;  // a bit a page
};

}  // namespace aeon::storage
