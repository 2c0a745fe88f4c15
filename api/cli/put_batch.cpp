#include "api/cli/put_batch.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "api/json_line.hpp"
#include "api/store_ahead.hpp"

namespace aeon::cli {
namespace {

constexpr std::size_t kBatchBytes = 2U << 20;  // of input; well below the limit of a commit

Error at(const std::string& place, const Error& error) {
  return {error.code, error.os_errno, fmt::format("{}: {}", place, error.message)};
}

}  // namespace

PutBatch::PutBatch(Palace& palace, const PutOptions& options)
    : palace_(&palace), options_(options), spaces_(palace.snapshot().spaces().value()) {}

Status PutBatch::add(api::MemoryLine line, std::string place, std::size_t bytes) {
  if (auto filled = api::fill_vectors(line.memory, spaces_); !filled) {
    AEON_TRY(flush());  // the lines before it are kept
    return bad(filled.error(), place);
  }
  if (auto stored = api::store_ahead(*palace_, line.memory); !stored) {
    AEON_TRY(flush());
    if (is_callers_fault(stored.error().code)) return bad(stored.error(), place);
    return std::unexpected(at(place, stored.error()));
  }
  if (line.memory.payload) bytes -= std::min<std::size_t>(bytes, line.memory.payload->bytes);
  if (!pending_.empty() && bytes_ + bytes > kBatchBytes) AEON_TRY(flush());
  pending_.push_back({std::move(line), std::move(place)});
  bytes_ += bytes;
  return pending_.size() >= options_.batch ? flush() : Status{};
}

Status PutBatch::bad(const Error& error, const std::string& place) {
  if (!options_.skip_bad) return std::unexpected(at(place, error));
  ++counts_.skipped;
  note(fmt::format("skipped {}", at(place, error).message));
  return {};
}

// One commit for all; where an operation is refused, one for each, so that the lines before the
// refused one are kept and it can be named.
Status PutBatch::flush() {
  Status status;
  if (!pending_.empty()) status = commit(0, pending_.size());
  if (!status && is_callers_fault(status.error().code)) {
    status = {};
    for (std::size_t i = 0; i < pending_.size() && status; ++i) {
      status = commit(i, 1);
      if (!status && is_callers_fault(status.error().code)) {
        status = bad(status.error(), pending_[i].place);
      }
    }
  }
  pending_.clear();
  bytes_ = 0;
  flush_output();
  return status;
}

Status PutBatch::commit(std::size_t first, std::size_t count) {
  AEON_ASSIGN(Batch batch, encode(first, count));
  AEON_ASSIGN(const Ack ack, palace_->commit(std::move(batch), options_.durability));
  for (std::size_t i = first; i < first + count; ++i) {
    tenants_.insert(pending_[i].line.memory.tenant);
  }
  ++counts_.commits;
  counts_.stored += count;
  counts_.last_commit = ack.commit;
  if (!options_.ack) return {};
  for (const MemoryId id : ack.ids) {
    api::JsonLine line;
    line.add("id", id).add("commit", ack.commit);
    print(std::move(line).finish());
  }
  return {};
}

Result<Batch> PutBatch::encode(std::size_t first, std::size_t count) const {
  Batch batch;
  for (std::size_t i = first; i < first + count; ++i) {
    const std::string& tenant = pending_[i].line.memory.tenant;
    if (!tenant.empty() && !tenants_.contains(tenant)) batch.create_tenant(tenant);
  }
  for (std::size_t i = first; i < first + count; ++i) {
    const api::MemoryLine& line = pending_[i].line;
    const MemoryRef from = batch.remember(line.memory);
    for (const api::EdgeLine& edge : line.edges) {
      AEON_ASSIGN(const MemoryRef to, target(edge, line.memory.tenant, first, i));
      batch.link({.from = from,
                  .to = to,
                  .type = edge.type,
                  .weight = edge.weight,
                  .valid_from = edge.valid_from,
                  .valid_to = edge.valid_to});
    }
  }
  return batch;
}

// The memory that an edge of line `index` leads to: by id, or by the key of a line before it in
// this commit (the newest one), or of a memory in the palace.
Result<MemoryRef> PutBatch::target(const api::EdgeLine& edge, const std::string& tenant,
                                   std::size_t first, std::size_t index) const {
  if (edge.to != 0) return MemoryRef::of(edge.to);
  for (std::size_t i = index + 1; i-- > first;) {
    const NewMemory& memory = pending_[i].line.memory;
    if (memory.key == edge.to_key && memory.tenant == tenant) {
      return MemoryRef{0, static_cast<std::uint32_t>(i - first)};
    }
  }
  auto found = palace_->snapshot().find_key(tenant, edge.to_key);
  if (found) return MemoryRef::of(*found);
  if (!is_callers_fault(found.error().code)) return std::unexpected(found.error());
  return fail(Errc::unknown_id,
              fmt::format("its edge leads to the key \"{}\", which no memory has; put that first",
                          edge.to_key));
}

}  // namespace aeon::cli
