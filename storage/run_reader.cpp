#include <cassert>

#include <fmt/format.h>

#include "storage/codec.hpp"
#include "storage/key_order.hpp"
#include "storage/run.hpp"

namespace aeon::storage {

using run_format::BlockHead;
using run_format::Fence;

Result<RunReader> RunReader::open(const Segment& segment) {
  const Section* const blocks = segment.find(SectionKind::run_blocks);
  const Section* const fences = segment.find(SectionKind::run_fences);
  if (blocks == nullptr || fences == nullptr) {
    return fail(Errc::damaged, fmt::format("{}: the file holds no sorted run", segment.path()));
  }
  RunReader run(segment);
  run.blocks_offset_ = blocks->offset;
  run.blocks_bytes_ = blocks->bytes;
  run.fences_offset_ = fences->offset;
  run.fences_bytes_ = fences->bytes;
  run.fence_count_ = fences->items;
  run.entries_ = blocks->items;
  if (fences->items > fences->bytes / sizeof(Fence) || fences->items > blocks->items ||
      (fences->items == 0) != (blocks->bytes == 0)) {
    return fail(Errc::damaged,
                fmt::format("{}: the run's sections contradict each other ({} "
                            "entries, {} fences in {} bytes)",
                            segment.path(), blocks->items, fences->items, fences->bytes));
  }
  return run;
}

std::optional<Fence> RunReader::fence(std::uint64_t block) const noexcept {
  assert(block < fence_count_);
  const std::byte* const at =
      segment_->checked(fences_offset_ + block * sizeof(Fence), sizeof(Fence));
  if (at == nullptr) return std::nullopt;
  const auto fence = load<Fence>(at);
  if (fence.block_offset >= blocks_bytes_ || fence.key_offset > fences_bytes_ ||
      fence.key_bytes > fences_bytes_ - fence.key_offset) {
    return std::nullopt;
  }
  return fence;
}

std::optional<int> RunReader::compare_fence(std::uint64_t block, std::string_view target,
                                            std::uint64_t prefix) const noexcept {
  const auto found = fence(block);
  if (!found) return std::nullopt;
  if (found->key_prefix != prefix) return found->key_prefix < prefix ? -1 : 1;
  const std::byte* const key =
      segment_->checked(fences_offset_ + found->key_offset, found->key_bytes);
  if (key == nullptr) return std::nullopt;
  return compare_keys(as_view({key, found->key_bytes}), target);
}

RunReader::Place RunReader::find(std::string_view target) const noexcept {
  const std::uint64_t prefix = run_format::key_prefix(target);
  std::uint64_t low = 0;
  std::uint64_t high = fence_count_;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    std::uint64_t probe = middle;
    std::optional<int> order;
    while (probe < high && !(order = compare_fence(probe, target, prefix))) ++probe;
    if (!order) {
      high = middle;  // no fence from here on can be read
    } else if (*order <= 0) {
      low = probe;
    } else {
      high = probe;
    }
  }
  if (fence_count_ == 0) return {0, 0};
  const auto found = fence(low);
  // Without its fence the first block is still where the section begins.
  return found ? Place{low, found->block_offset} : Place{0, 0};
}

void RunCursor::reset(const RunReader& reader) noexcept {
  reader_ = &reader;
  block_.close();
  status_ = {};
}

void RunCursor::fail_at(std::string_view what) {
  block_.close();
  status_ = fail(Errc::damaged,
                 fmt::format("{}: block {} of the run (offset {}) {}", reader_->segment().path(),
                             number_, reader_->blocks_offset_ + offset_, what));
}

// Makes the block at that place the current one, standing before its first entry. False at the end
// of the run and at damage.
bool RunCursor::load(std::uint64_t block, std::uint64_t offset) {
  const RunReader& run = *reader_;
  block_.close();
  number_ = block;
  offset_ = offset;
  bytes_ = 0;
  if (offset == run.blocks_bytes_ && block == run.fence_count_) return false;
  if (offset >= run.blocks_bytes_ || block >= run.fence_count_ ||
      run.blocks_bytes_ - offset < sizeof(BlockHead)) {
    return fail_at("is not where the run's sections say"), false;
  }
  const std::uint64_t at = run.blocks_offset_ + offset;
  std::uint64_t bytes = sizeof(BlockHead);
  const std::byte* data = run.segment().checked(at, bytes);
  if (data != nullptr) {
    bytes = storage::load<BlockHead>(data).bytes;
    if (bytes > run.blocks_bytes_ - offset) return fail_at("is longer than its section"), false;
    bytes_ = static_cast<std::uint32_t>(bytes);
    data = run.segment().checked(at, bytes);
  }
  if (data == nullptr) {
    auto error = run.segment().read(at, bytes);
    if (error) return fail_at("can't be read"), false;
    status_ = std::unexpected(std::move(error).error());
    return false;
  }
  if (!block_.open(as_view({data, bytes}))) return fail_at("has a malformed frame"), false;
  return true;
}

bool RunCursor::load_next() { return load(number_ + 1, offset_ + bytes_); }

void RunCursor::check_block() {
  if (block_.damaged()) fail_at("holds malformed entries");
}

void RunCursor::seek_first() {
  status_ = {};
  if (!load(0, 0)) return;
  block_.seek_first();
  check_block();
}

void RunCursor::seek(std::string_view key) {
  status_ = {};
  const RunReader::Place place = reader_->find(key);
  for (bool more = load(place.block, place.offset); more; more = load_next()) {
    block_.seek(key);
    if (block_.valid()) return;
    if (block_.damaged()) return check_block();
  }
}

void RunCursor::next() {
  assert(valid());
  block_.next();
  if (block_.valid()) return;
  if (block_.damaged()) return check_block();
  if (!load_next()) return;
  block_.seek_first();
  check_block();
}

void RunCursor::skip_block() {
  assert(!status_);
  status_ = {};
  const RunReader& run = *reader_;
  const std::uint64_t damaged = number_;
  const std::uint32_t damaged_bytes = bytes_;
  bool found = false;
  for (std::uint64_t block = damaged + 1; block < run.fence_count_; ++block) {
    if (const auto fence = run.fence(block)) {
      found = load(block, fence->block_offset);
      break;
    }
    // The fence is gone as well; the block's own length may still lead to its neighbour.
    if (block == damaged + 1 && damaged_bytes != 0) {
      found = load_next();
      break;
    }
  }
  if (!found) return;
  block_.seek_first();
  check_block();
}

}  // namespace aeon::storage
