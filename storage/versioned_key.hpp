// Keys that carry the commit which wrote them: [user key][8 bytes: ~commit, big-endian], so that
// the newest version of a user key sorts first. No user key may be a proper prefix of another one
// (fixed-width parts and KeyEncoder::text see to that), or versions of the two would mix.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/codec.hpp"

namespace aeon::storage {

inline constexpr std::size_t kCommitBytes = 8;

struct VersionedKey {
  std::string_view user_key;  // empty when the key was too short to be one
  std::uint64_t commit = 0;
};

inline void append_commit(std::string& key, std::uint64_t commit) { KeyEncoder(key).u64(~commit); }

[[nodiscard]] inline VersionedKey split_versioned_key(std::string_view full) noexcept {
  if (full.size() <= kCommitBytes) return {};
  const std::size_t user_bytes = full.size() - kCommitBytes;
  return {full.substr(0, user_bytes), ~KeyDecoder(full.substr(user_bytes)).u64()};
}

}  // namespace aeon::storage
