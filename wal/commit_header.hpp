// What is remembered of a commit for ever: its place in the order, who made it and when, and a
// digest of what it held. The headers of one palace form a hash chain. The chain runs over
// decisions and digests only, never over a file, an offset or the payload's salt, so it is the same
// in every replica, it still verifies once headers have moved from the log into settled runs, and
// `erase` may drop salt and payload without breaking it (a digest without its salt confirms no
// guess of the payload).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "storage/checksum.hpp"
#include "storage/file_identity.hpp"
#include "storage/result.hpp"

namespace aeon::wal {

using storage::Hash128;

// Persisted as it lies here, little-endian.
struct CommitHeader {
  std::uint64_t commit = 0;  // dense, from 1
  std::uint64_t epoch = 0;   // of the leader that ordered it; 0 on a single machine
  std::int64_t time_ns = 0;  // commit time, since 1970 UTC; orders nothing
  std::uint64_t author = 0;
  std::uint32_t kinds = 0;  // bit set of what the payload holds; opaque here
  std::uint32_t operations = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t reserved = 0;      // zero
  std::uint64_t payload_salt = 0;  // random; 0 once erased. Not part of the chain
  Hash128 payload_digest;          // payload_digest(payload, payload_salt)
  Hash128 chain;                   // next_chain(chain of the commit before, this header)
  friend bool operator==(const CommitHeader&, const CommitHeader&) = default;
};
inline constexpr std::size_t kCommitHeaderBytes = 88;
static_assert(sizeof(CommitHeader) == kCommitHeaderBytes);
static_assert(std::is_trivially_copyable_v<CommitHeader>);
static_assert(std::has_unique_object_representations_v<CommitHeader>);

// The chain value before commit 1 of a palace.
[[nodiscard]] Hash128 genesis_chain(storage::PalaceUuid palace) noexcept;

[[nodiscard]] Hash128 payload_digest(std::span<const std::byte> payload,
                                     std::uint64_t salt) noexcept;

// The chain value of `header` after a commit whose chain value is `previous`; header.chain and
// header.payload_salt are not read.
[[nodiscard]] Hash128 next_chain(const Hash128& previous, const CommitHeader& header) noexcept;

// Whether `header` is the commit after one with chain value `previous`.
[[nodiscard]] bool follows(const Hash128& previous, const CommitHeader& header) noexcept;

// Appends kCommitHeaderBytes to `out`.
void encode_commit_header(const CommitHeader& header, std::string& out);

// Reads untrusted bytes. Errors: damaged when the length is not kCommitHeaderBytes, the commit is 0
// or the reserved field is not zero. The chain is for the caller to check.
[[nodiscard]] Result<CommitHeader> decode_commit_header(std::string_view bytes);

// Headers in commit order, from `previous` on: the index of the first that does not follow the one
// before it, or headers.size() when the chain holds throughout.
[[nodiscard]] std::size_t verify_chain(const Hash128& previous,
                                       std::span<const CommitHeader> headers) noexcept;

}  // namespace aeon::wal
