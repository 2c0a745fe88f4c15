#include "wal/commit_header.hpp"

#include <fmt/format.h>

#include "storage/codec.hpp"

namespace aeon::wal {

namespace {

constexpr std::uint64_t kGenesisSeed = 0x6165'6f6e'2067'656eULL;
constexpr std::uint64_t kChainSeed = 0x6165'6f6e'2063'6861ULL;

// The bytes that the chain runs over. Their order is part of the format (format.md, "Chain").
struct ChainInput {
  Hash128 previous;
  std::uint64_t commit;
  std::uint64_t epoch;
  std::int64_t time_ns;
  std::uint64_t author;
  std::uint32_t kinds;
  std::uint32_t operations;
  std::uint32_t payload_bytes;
  std::uint32_t reserved;
  Hash128 payload_digest;
};
static_assert(sizeof(ChainInput) == 80);
static_assert(std::has_unique_object_representations_v<ChainInput>);

}  // namespace

Hash128 genesis_chain(storage::PalaceUuid palace) noexcept {
  return storage::hash128(std::as_bytes(std::span(&palace, 1)), kGenesisSeed);
}

Hash128 payload_digest(std::span<const std::byte> payload, std::uint64_t salt) noexcept {
  return storage::hash128(payload, salt);
}

Hash128 next_chain(const Hash128& previous, const CommitHeader& header) noexcept {
  const ChainInput input{
      previous,        header.commit,        header.epoch,      header.time_ns,
      header.author,   header.kinds,         header.operations, header.payload_bytes,
      header.reserved, header.payload_digest};
  return storage::hash128(std::as_bytes(std::span(&input, 1)), kChainSeed);
}

bool follows(const Hash128& previous, const CommitHeader& header) noexcept {
  return next_chain(previous, header) == header.chain;
}

void encode_commit_header(const CommitHeader& header, std::string& out) {
  storage::Encoder(out).fixed(header);
}

Result<CommitHeader> decode_commit_header(std::string_view bytes) {
  if (bytes.size() != kCommitHeaderBytes) {
    return fail(Errc::damaged, fmt::format("a commit header has {} bytes instead of {}",
                                           bytes.size(), kCommitHeaderBytes));
  }
  const auto header = storage::load<CommitHeader>(bytes.data());
  if (header.commit == 0 || header.reserved != 0) {
    return fail(Errc::damaged, "a commit header has number 0 or a non-zero reserved field");
  }
  return header;
}

std::size_t verify_chain(const Hash128& previous, std::span<const CommitHeader> headers) noexcept {
  Hash128 chain = previous;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    if (!follows(chain, headers[i])) return i;
    if (i > 0 && headers[i].commit != headers[i - 1].commit + 1) return i;
    chain = headers[i].chain;
  }
  return headers.size();
}

}  // namespace aeon::wal
