// One block of a sorted run: prefix-compressed entries and the places where whole keys are stored.
// Works on plain bytes, so that it can be tested and fuzzed without files. Layout: run_format.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/run_format.hpp"

namespace aeon::storage {

// Collects entries and hands out the finished block.
class RunBlockBuilder {
 public:
  RunBlockBuilder();
  // Keys must ascend; sizes are within run_format's limits.
  void add(std::string_view key, std::string_view value);
  [[nodiscard]] bool empty() const noexcept { return entries_ == 0; }
  // Bytes of the block if it were finished now.
  [[nodiscard]] std::size_t bytes() const noexcept;
  // The finished block; valid until the next add() or clear().
  [[nodiscard]] std::string_view finish();
  void clear();

 private:
  std::string block_;
  std::vector<std::uint32_t> restarts_;
  std::uint32_t entries_ = 0;
  std::string last_key_;
};

// Reads a block from untrusted bytes: malformed ones end the walk with damaged() true, and nothing
// outside the block is ever touched. The caller keeps the bytes alive. next() checks that keys
// ascend, so a whole walk proves the order. The key buffer grows to the largest key and is kept,
// so that a reader that is used again allocates nothing.
class RunBlockReader {
 public:
  // Stands before the first entry. False, and nothing to walk, when the frame is malformed.
  bool open(std::string_view block) noexcept;
  void close() noexcept;

  void seek_first();
  // To the first entry whose key is not less than `target`; not valid() when there is none.
  void seek(std::string_view target);
  void next();

  [[nodiscard]] bool valid() const noexcept { return valid_; }
  [[nodiscard]] bool damaged() const noexcept { return damaged_; }
  // The key lives until the reader moves, the value as long as the block.
  [[nodiscard]] std::string_view key() const noexcept { return key_; }
  [[nodiscard]] std::string_view value() const noexcept { return value_; }

 private:
  struct Entry {
    std::uint32_t shared = 0;
    std::string_view suffix;
    std::string_view value;
  };

  bool read_entry(Entry& entry) noexcept;
  bool restart_key(std::uint32_t restart, std::string_view& key) noexcept;
  [[nodiscard]] std::uint32_t restart_offset(std::uint32_t restart) const noexcept;
  void land(const Entry& entry, std::string_view prefix_source);
  void spoil() noexcept;

  std::string_view block_;
  std::uint32_t restarts_ = 0;
  std::uint32_t entries_end_ = 0;  // where entries end and restart offsets begin
  std::uint32_t next_ = 0;         // offset of the entry after the current one
  bool valid_ = false;
  bool damaged_ = false;
  std::string key_;
  std::string_view value_;
};

}  // namespace aeon::storage
