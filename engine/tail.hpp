// What was committed and is not settled yet, in RAM: a sorted run tail for everything keyed, rows
// by (space, tenant), ends and links by space, and the commit headers. One writer applies commits
// in order; readers look meanwhile and leave out what lies after their snapshot. A tail never moves
// and is freed as a whole. It is frozen by a `rotate` record, at the same commit in every process,
// so that "segments up to commit C and the tails after C" means the same everywhere.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/catalog.hpp"
#include "engine/counters.hpp"
#include "engine/row_tail.hpp"
#include "engine/space_tail.hpp"
#include "engine/version_record.hpp"
#include "engine/words/word_tail.hpp"
#include "storage/arena.hpp"
#include "storage/checksum.hpp"
#include "storage/run_tail.hpp"
#include "wal/commit_header.hpp"

namespace aeon::engine {

class Tail {
 public:
  // Holds commits from `first_commit` on.
  explicit Tail(CommitNumber first_commit) : first_commit_(first_commit) {}

  // Readers, wait-free:
  [[nodiscard]] const storage::RunTail& keyed() const noexcept { return keyed_; }
  // Null when the tail has no row of that space and tenant.
  [[nodiscard]] const RowTail* rows(std::uint32_t space, std::uint32_t tenant) const noexcept;
  // Null when the tail has no row, end or link of that space.
  [[nodiscard]] const SpaceTail* space(std::uint32_t space) const noexcept {
    return spaces_[space].load(std::memory_order_acquire);  // (2)
  }
  [[nodiscard]] const WordTail& words() const noexcept { return words_; }
  // The commit that ended the node, or 0.
  [[nodiscard]] std::uint64_t ended_at(std::uint32_t space, std::uint32_t node) const noexcept {
    const SpaceTail* tail = this->space(space);
    return tail == nullptr ? 0 : tail->ended_at(node);
  }
  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return arena_.committed_bytes() + keyed_.memory_bytes() + partitions_.memory_bytes() +
           words_.memory_bytes();
  }
  [[nodiscard]] CommitNumber first_commit() const noexcept { return first_commit_; }

  // Writer, false when memory is out:
  [[nodiscard]] bool put(std::string_view key, CommitNumber commit, std::string_view value);
  [[nodiscard]] bool add_row(const SpaceInfo& space, std::uint32_t tenant, const RowData& row,
                             const RowStamp& stamp);
  [[nodiscard]] bool end_row(RowName name, CommitNumber commit);
  // See SpaceTail::edit_links().
  [[nodiscard]] LiveLinks* edit_links(RowName name, std::span<const std::uint32_t> before);
  // The row, which must be here, becomes a landmark (row_tail.hpp).
  [[nodiscard]] bool add_landmark(RowName name);
  [[nodiscard]] bool add_document(std::uint32_t number, const Document& document,
                                  std::span<const RowName> rows) {
    return words_.add_document(arena_, number, document, rows);
  }
  [[nodiscard]] bool add_term(std::string_view term, std::uint8_t times) {
    return words_.add_term(arena_, term, times);
  }
  void add_header(const wal::CommitHeader& header) { headers_.push_back(header); }
  void freeze(const Counters& counters) { counters_ = counters; }

  // Once frozen, any thread that learned of it through a view:
  [[nodiscard]] CommitNumber last_commit() const noexcept {
    return headers_.empty() ? first_commit_ - 1 : headers_.back().commit;
  }
  [[nodiscard]] const std::vector<wal::CommitHeader>& headers() const noexcept { return headers_; }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::vector<const RowTail*> partitions() const;  // by space, tenant
  [[nodiscard]] std::vector<EndEntry> ends() const;              // by space, node
  [[nodiscard]] std::vector<const SpaceTail*> spaces() const;    // by number
  // Writer or frozen: commits held so far.
  [[nodiscard]] std::uint64_t commits() const noexcept { return headers_.size(); }

 private:
  [[nodiscard]] RowTail* find_or_add(const SpaceInfo& space, std::uint32_t tenant);
  [[nodiscard]] SpaceTail& space_of_writer(std::uint32_t space);

  // Address space, not memory: enough that a tail never needs a second piece of it.
  static constexpr std::size_t kReserveBytes = std::size_t{32} << 30;
  static constexpr std::size_t kPartitionReserveBytes = std::size_t{1} << 30;

  const CommitNumber first_commit_;
  storage::Arena arena_{kReserveBytes};  // of rows, ends, links and words
  storage::RunTail keyed_{kReserveBytes};
  // (space, tenant) -> RowTail*, the pointer's bytes as the value.
  storage::RunTail partitions_{kPartitionReserveBytes};
  WordTail words_;
  std::vector<std::unique_ptr<RowTail>> row_tails_;  // owned; writer only
  // By space number; 0 is for documents, of which it holds the ends. (1) the store in
  // space_of_writer() synchronizes-with (2).
  std::array<std::atomic<SpaceTail*>, kMaxSpaces + 1> spaces_{};
  std::vector<std::unique_ptr<SpaceTail>> space_tails_;  // owned; writer only
  std::vector<wal::CommitHeader> headers_;               // writer only until frozen
  Counters counters_;                                    // as of the last commit, once frozen
  std::string key_;                                      // writer's scratch
};

}  // namespace aeon::engine
