#include "storage/manifest_record.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>

#include <fmt/format.h>

#include "storage/codec.hpp"

namespace aeon::storage::manifest_format {
namespace {

constexpr std::size_t whole_pages(std::size_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

std::uint64_t sum_of(const Head& head) {
  return hash64(std::as_bytes(std::span(&head, 1)).first(offsetof(Head, sum)), kHeadMagic);
}

// `record` with its chain field zero. The salt leaves the palace out, so that records can still be
// recognised behind a damaged head; the palace is part of the record.
Hash128 chain_of(std::string_view record, std::uint64_t number, std::uint64_t offset) {
  const std::uint64_t salt = place_seed(kRecordMagic, number);
  return hash128(as_bytes(record), place_seed(salt, offset));
}

constexpr std::size_t kSegmentBytes = 5 * 8;
constexpr std::size_t kBlobBytes = kSegmentBytes + 4 + 8;

void put_segment(Encoder& out, const SegmentInfo& segment) {
  out.fixed(segment.number);
  out.fixed(segment.first_commit);
  out.fixed(segment.last_commit);
  out.fixed(segment.bytes);
  out.fixed(segment.footer_sum);
}

SegmentInfo get_segment(Decoder& in) {
  SegmentInfo segment;
  segment.number = in.fixed<std::uint64_t>();
  segment.first_commit = in.fixed<std::uint64_t>();
  segment.last_commit = in.fixed<std::uint64_t>();
  segment.bytes = in.fixed<std::uint64_t>();
  segment.footer_sum = in.fixed<std::uint64_t>();
  return segment;
}

void put_payload(Encoder& out, const ManifestState& state) {
  out.fixed(state.epoch);
  out.fixed(state.settled_commit);
  out.fixed(state.settled_chain);
  out.fixed(state.first_log);
  out.fixed(state.next_file);
  out.fixed(state.created_ns);
  out.fixed<std::uint64_t>(state.segments.size());
  for (const SegmentInfo& segment : state.segments) put_segment(out, segment);
  out.fixed<std::uint64_t>(state.blobs.size());
  for (const BlobFileInfo& blob : state.blobs) {
    put_segment(out, blob.file);
    out.fixed(blob.generation);
    out.fixed(blob.live_bytes);
  }
  out.fixed<std::uint64_t>(state.engine_state.size());
  out.raw(state.engine_state);
}

// A count of items that can still lie in the rest of the payload, or 0 with `sane` false.
std::uint64_t bounded_count(Decoder& in, std::size_t item_bytes, bool& sane) {
  const auto count = in.fixed<std::uint64_t>();
  if (count <= in.rest().size() / item_bytes) return count;
  sane = false;
  return 0;
}

}  // namespace

std::string encode_head(PalaceUuid palace, std::uint64_t number) {
  Head head{.magic = kHeadMagic,
            .version = kFormatVersion,
            .zero16 = 0,
            .zero32 = 0,
            .palace = palace,
            .number = number,
            .sum = 0};
  head.sum = sum_of(head);
  std::string page(kPageBytes, '\0');
  std::memcpy(page.data(), &head, sizeof head);
  return page;
}

Result<PalaceUuid> decode_head(std::string_view page, std::uint64_t number,
                               const std::string& path) {
  const auto damaged = [&] {
    return fail(Errc::damaged,
                fmt::format("{}: the head (offset 0) does not match its sum; restore the file from "
                            "a copy or run repair",
                            path));
  };
  if (page.size() < kPageBytes) return damaged();
  const auto head = load<Head>(page.data());
  if (head.magic != kHeadMagic || head.sum != sum_of(head)) return damaged();
  if (head.version > kFormatVersion) {
    return fail(Errc::newer_format,
                fmt::format("{}: format version {} is newer than this build's {}; use a newer Aeon",
                            path, head.version, kFormatVersion));
  }
  if (page.find_first_not_of('\0', sizeof head) != page.npos) return damaged();
  if (head.number != number) {
    return fail(Errc::damaged, fmt::format("{}: the head says manifest number {}; the file was "
                                           "renamed",
                                           path, head.number));
  }
  return head.palace;
}

Result<std::string> encode_record(const ManifestState& state, Hash128 previous,
                                  std::uint64_t number, std::uint64_t offset) {
  assert(offset % kPageBytes == 0);
  RecordHead head{.magic = kRecordMagic,
                  .sequence = state.sequence,
                  .payload_bytes = 0,
                  .palace = state.palace,
                  .previous = previous,
                  .chain = {}};
  std::string record(sizeof head, '\0');
  Encoder out(record);
  put_payload(out, state);
  head.payload_bytes = record.size() - sizeof head;
  record.resize(whole_pages(record.size()));
  if (record.size() > kMaxRecordBytes) {
    return fail(Errc::too_large,
                fmt::format("a manifest record of {} bytes is over the limit of {}", record.size(),
                            kMaxRecordBytes));
  }
  std::memcpy(record.data(), &head, sizeof head);
  head.chain = chain_of(record, number, offset);
  std::memcpy(record.data(), &head, sizeof head);
  return record;
}

RecordHead head_of(std::string_view record) noexcept {
  assert(record.size() >= sizeof(RecordHead));
  return load<RecordHead>(record.data());
}

Result<std::optional<Record>> read_record(const File& file, std::uint64_t number,
                                          std::uint64_t offset, std::uint64_t size) {
  Record record;
  if (offset > size || size - offset < kPageBytes) return std::nullopt;
  AEON_ASSIGN(std::size_t got,
              file.read_at(std::as_writable_bytes(std::span(&record.head, 1)), offset));
  if (got < sizeof record.head || record.head.magic != kRecordMagic) return std::nullopt;
  const std::uint64_t limit = std::min(size - offset, kMaxRecordBytes) - sizeof(RecordHead);
  if (record.head.payload_bytes > limit) return std::nullopt;
  const std::size_t bytes = whole_pages(sizeof(RecordHead) + record.head.payload_bytes);
  if (bytes > size - offset) return std::nullopt;
  record.bytes.resize(bytes);
  AEON_ASSIGN(got, file.read_at(std::as_writable_bytes(std::span(record.bytes)), offset));
  if (got < bytes) return std::nullopt;
  RecordHead bare = record.head;
  bare.chain = {};
  std::memcpy(record.bytes.data(), &bare, sizeof bare);
  if (chain_of(record.bytes, number, offset) != record.head.chain) return std::nullopt;
  std::memcpy(record.bytes.data(), &record.head, sizeof record.head);
  return record;
}

std::optional<ManifestState> decode_state(const Record& record) {
  Decoder in(std::string_view(record.bytes).substr(sizeof(RecordHead), record.head.payload_bytes));
  ManifestState state;
  bool sane = true;
  state.palace = record.head.palace;
  state.sequence = record.head.sequence;
  state.epoch = in.fixed<std::uint64_t>();
  state.settled_commit = in.fixed<std::uint64_t>();
  state.settled_chain = in.fixed<Hash128>();
  state.first_log = in.fixed<std::uint64_t>();
  state.next_file = in.fixed<std::uint64_t>();
  state.created_ns = in.fixed<std::int64_t>();
  state.segments.resize(bounded_count(in, kSegmentBytes, sane));
  for (SegmentInfo& segment : state.segments) segment = get_segment(in);
  state.blobs.resize(bounded_count(in, kBlobBytes, sane));
  for (BlobFileInfo& blob : state.blobs) {
    blob.file = get_segment(in);
    blob.generation = in.fixed<std::uint32_t>();
    blob.live_bytes = in.fixed<std::uint64_t>();
  }
  state.engine_state = in.raw(in.fixed<std::uint64_t>());
  if (!in.ok() || !in.at_end() || !sane) return std::nullopt;
  return state;
}

}  // namespace aeon::storage::manifest_format
