#include <cassert>

#include <fmt/format.h>

#include "storage/codec.hpp"
#include "storage/run.hpp"

namespace aeon::storage {

using run_format::Fence;

Result<RunBuilder> RunBuilder::create(SegmentWriter& writer) {
  AEON_TRY(writer.begin_section(SectionKind::run_blocks));
  return RunBuilder(writer);
}

Status RunBuilder::add(std::string_view key, std::string_view value) {
  if (!health_) return health_;
  return health_ = try_add(key, value);
}

Status RunBuilder::finish() {
  if (!health_) return health_;
  return health_ = try_finish();
}

Status RunBuilder::try_add(std::string_view key, std::string_view value) {
  if (key.empty() || key <= last_key_) {
    return fail(Errc::invalid_argument, "keys of a run must ascend and not be empty");
  }
  if (key.size() > run_format::kMaxKeyBytes || value.size() > run_format::kMaxValueBytes) {
    return fail(Errc::too_large, fmt::format("a run entry of {} key and {} value bytes is over the "
                                             "limit of {} and {}",
                                             key.size(), value.size(), run_format::kMaxKeyBytes,
                                             run_format::kMaxValueBytes));
  }
  const std::size_t grown = block_.bytes() + key.size() + value.size();
  if (!block_.empty() && grown > run_format::kBlockTargetBytes) AEON_TRY(flush_block());
  if (block_.empty()) first_key_.assign(key);
  block_.add(key, value);
  last_key_.assign(key);
  ++entries_;
  return {};
}

Status RunBuilder::flush_block() {
  assert(!block_.empty());
  const std::string_view block = block_.finish();
  // Offsets of keys count from the first one until finish() knows how many fences lie before.
  fences_.push_back({.key_prefix = run_format::key_prefix(first_key_),
                     .block_offset = writer_->section_offset(),
                     .key_offset = fence_keys_.size(),
                     .block_bytes = static_cast<std::uint32_t>(block.size()),
                     .key_bytes = static_cast<std::uint32_t>(first_key_.size())});
  fence_keys_.append(first_key_);
  AEON_TRY(writer_->append(as_bytes(block)));
  block_.clear();
  return {};
}

Status RunBuilder::try_finish() {
  if (!block_.empty()) AEON_TRY(flush_block());
  AEON_TRY(writer_->end_section(entries_));
  AEON_TRY(writer_->begin_section(SectionKind::run_fences));
  for (Fence& fence : fences_) fence.key_offset += fences_.size() * sizeof(Fence);
  AEON_TRY(writer_->append(std::as_bytes(std::span(fences_))));
  AEON_TRY(writer_->append(as_bytes(fence_keys_)));
  return writer_->end_section(fences_.size());
}

}  // namespace aeon::storage
