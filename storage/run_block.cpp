#include "storage/run_block.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

#include "storage/codec.hpp"
#include "storage/key_order.hpp"

namespace aeon::storage {

using run_format::BlockHead;

namespace {

std::size_t common_prefix(std::string_view a, std::string_view b) noexcept {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t at = 0;
  while (at + 8 <= most) {
    const std::uint64_t differ =
        load<std::uint64_t>(a.data() + at) ^ load<std::uint64_t>(b.data() + at);
    if (differ != 0) return at + static_cast<std::size_t>(std::countr_zero(differ)) / 8;
    at += 8;
  }
  while (at < most && a[at] == b[at]) ++at;
  return at;
}

// A varint of at most 32 bits; null when it runs past `end` or over.
const char* read_varint(const char* at, const char* end, std::uint32_t& value) noexcept {
  std::uint64_t read = 0;
  for (unsigned shift = 0; shift < 35 && at != end; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    read |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    value = static_cast<std::uint32_t>(read);
    return read <= std::numeric_limits<std::uint32_t>::max() ? at : nullptr;
  }
  return nullptr;
}

}  // namespace

RunBlockBuilder::RunBlockBuilder() { clear(); }

void RunBlockBuilder::clear() {
  block_.assign(sizeof(BlockHead), '\0');
  restarts_.clear();
  entries_ = 0;
  last_key_.clear();
}

void RunBlockBuilder::add(std::string_view key, std::string_view value) {
  assert(entries_ == 0 || key > last_key_);
  std::size_t shared = 0;
  if (entries_ % run_format::kRestartInterval == 0) {
    restarts_.push_back(static_cast<std::uint32_t>(block_.size()));
  } else {
    shared = common_prefix(last_key_, key);
  }
  Encoder out(block_);
  out.varint(shared);
  out.varint(key.size() - shared);
  out.varint(value.size());
  out.raw(key.substr(shared));
  out.raw(value);
  last_key_.assign(key);
  ++entries_;
}

std::size_t RunBlockBuilder::bytes() const noexcept {
  return block_.size() + restarts_.size() * sizeof(std::uint32_t);
}

std::string_view RunBlockBuilder::finish() {
  const BlockHead head{run_format::kBlockMagic, static_cast<std::uint32_t>(bytes()), entries_,
                       static_cast<std::uint32_t>(restarts_.size())};
  std::memcpy(block_.data(), &head, sizeof head);
  Encoder out(block_);
  for (const std::uint32_t offset : restarts_) out.fixed(offset);
  return block_;
}

void RunBlockReader::close() noexcept {
  block_ = {};
  restarts_ = entries_end_ = next_ = 0;
  valid_ = damaged_ = false;
  key_.clear();
  value_ = {};
}

void RunBlockReader::spoil() noexcept {
  valid_ = false;
  damaged_ = true;
}

bool RunBlockReader::open(std::string_view block) noexcept {
  close();
  damaged_ = true;
  if (block.size() < sizeof(BlockHead) ||
      block.size() > std::numeric_limits<std::uint32_t>::max()) {
    return false;
  }
  const auto head = load<BlockHead>(block.data());
  const std::size_t room = block.size() - sizeof(BlockHead);
  // A block has entries, and each takes at least three bytes.
  if (head.magic != run_format::kBlockMagic || head.bytes != block.size() || head.entries == 0 ||
      head.entries > room / 3 || head.restarts > room / sizeof(std::uint32_t) ||
      head.restarts != (head.entries - 1) / run_format::kRestartInterval + 1) {
    return false;
  }
  block_ = block;
  restarts_ = head.restarts;
  entries_end_ = head.bytes - head.restarts * static_cast<std::uint32_t>(sizeof(std::uint32_t));
  next_ = sizeof(BlockHead);
  if (restart_offset(0) != next_) return close(), damaged_ = true, false;
  damaged_ = false;
  return true;
}

std::uint32_t RunBlockReader::restart_offset(std::uint32_t restart) const noexcept {
  return load<std::uint32_t>(block_.data() + entries_end_ + restart * sizeof(std::uint32_t));
}

// Reads the entry at next_ and moves next_ behind it. False when it is malformed.
bool RunBlockReader::read_entry(Entry& entry) noexcept {
  const char* at = block_.data() + next_;
  const char* const end = block_.data() + entries_end_;
  std::uint32_t suffix_bytes = 0;
  std::uint32_t value_bytes = 0;
  if ((at = read_varint(at, end, entry.shared)) == nullptr ||
      (at = read_varint(at, end, suffix_bytes)) == nullptr ||
      (at = read_varint(at, end, value_bytes)) == nullptr) {
    return false;
  }
  const auto room = static_cast<std::uint64_t>(end - at);
  if (suffix_bytes == 0 || std::uint64_t{suffix_bytes} + value_bytes > room) return false;
  if (std::uint64_t{entry.shared} + suffix_bytes > run_format::kMaxKeyBytes) return false;
  entry.suffix = {at, suffix_bytes};
  entry.value = {at + suffix_bytes, value_bytes};
  next_ = static_cast<std::uint32_t>(at - block_.data()) + suffix_bytes + value_bytes;
  return true;
}

// Makes the entry the current one; its key takes entry.shared bytes from `prefix_source`.
void RunBlockReader::land(const Entry& entry, std::string_view prefix_source) {
  assert(entry.shared <= prefix_source.size());
  if (prefix_source.data() != key_.data()) {
    key_.assign(prefix_source.data(), entry.shared);
  } else {
    key_.resize(entry.shared);
  }
  key_.append(entry.suffix);
  value_ = entry.value;
  valid_ = true;
}

void RunBlockReader::seek_first() {
  valid_ = false;
  if (block_.empty() || damaged_) return;
  next_ = sizeof(BlockHead);
  Entry entry;
  if (!read_entry(entry) || entry.shared != 0) return spoil();
  land(entry, {});
}

void RunBlockReader::next() {
  assert(valid_);
  valid_ = false;
  if (next_ == entries_end_) return;
  Entry entry;
  if (!read_entry(entry) || entry.shared > key_.size()) return spoil();
  // Whatever the entry shares, what follows must be greater than what the key had there.
  if (std::string_view(key_).substr(entry.shared) >= entry.suffix) return spoil();
  land(entry, key_);
}

bool RunBlockReader::restart_key(std::uint32_t restart, std::string_view& key) noexcept {
  next_ = restart_offset(restart);
  Entry entry;
  if (next_ < sizeof(BlockHead) || next_ >= entries_end_ || !read_entry(entry) ||
      entry.shared != 0) {
    return false;
  }
  key = entry.suffix;
  return true;
}

// From the last restart below the target, entries are read in order without building their keys.
// `matched` is how many bytes the entry before has in common with the target, and that entry is
// less. An entry that shares more with it differs from the target at the same byte and is less
// too; one that shares fewer has a greater byte there and is the answer; only an entry that shares
// exactly `matched` bytes has to be compared. On landing the shared bytes are the target's own.
void RunBlockReader::seek(std::string_view target) {
  valid_ = false;
  if (block_.empty() || damaged_) return;
  std::uint32_t low = 0;  // the answer lies at or behind restart `low`
  for (std::uint32_t high = restarts_; high - low > 1;) {
    const std::uint32_t middle = low + (high - low) / 2;
    std::string_view key;
    if (!restart_key(middle, key)) return spoil();
    (compare_keys(key, target) < 0 ? low : high) = middle;
  }
  next_ = restart_offset(low);
  if (next_ < sizeof(BlockHead) || next_ >= entries_end_) return spoil();
  std::size_t matched = 0;
  for (bool first = true; first || next_ != entries_end_; first = false) {
    Entry entry;
    if (!read_entry(entry)) return spoil();
    if (first && entry.shared != 0) return spoil();
    if (entry.shared > matched) continue;
    if (entry.shared < matched) return land(entry, target);
    const std::string_view rest = target.substr(matched);
    const std::size_t more = common_prefix(entry.suffix, rest);
    const bool less = more < entry.suffix.size() && more < rest.size()
                          ? static_cast<unsigned char>(entry.suffix[more]) <
                                static_cast<unsigned char>(rest[more])
                          : entry.suffix.size() < rest.size();
    if (!less) return land(entry, target);
    matched += more;
  }
}

}  // namespace aeon::storage
