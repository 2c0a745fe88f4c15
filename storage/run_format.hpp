// Byte layout of sorted runs; the tables with their reasons are in run_format.md.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace aeon::storage::run_format {

inline constexpr std::size_t kMaxKeyBytes = 65'535;
inline constexpr std::size_t kMaxValueBytes = std::size_t{16} << 20;

// A block is closed once it holds this much; a large value makes its block larger.
inline constexpr std::size_t kBlockTargetBytes = 4096;
// Every so many entries the whole key is stored, as a place to start from.
inline constexpr std::uint32_t kRestartInterval = 16;

inline constexpr std::uint32_t kBlockMagic = 0x4b4c4252;  // "RBLK"

// First bytes of a block; entries follow, then `restarts` offsets of u32 from the block's start.
struct BlockHead {
  std::uint32_t magic;
  std::uint32_t bytes;  // the whole block
  std::uint32_t entries;
  std::uint32_t restarts;
};
static_assert(sizeof(BlockHead) == 16 && std::has_unique_object_representations_v<BlockHead> &&
              std::is_trivially_copyable_v<BlockHead>);

// One per block, in order, from the start of the fence section; the keys follow the last one. A
// fence does not straddle pages, and most comparisons of a search end at its prefix.
struct Fence {
  std::uint64_t key_prefix;    // the first 8 bytes of the key as a big-endian number, zero-padded
  std::uint64_t block_offset;  // in the block section
  std::uint64_t key_offset;    // in the fence section: the block's first key
  std::uint32_t block_bytes;
  std::uint32_t key_bytes;
};
static_assert(sizeof(Fence) == 32 && std::has_unique_object_representations_v<Fence> &&
              std::is_trivially_copyable_v<Fence>);

// Orders as the keys do where it differs; where it is equal the whole keys decide.
inline std::uint64_t key_prefix(std::string_view key) noexcept {
  std::uint64_t prefix = 0;
  std::memcpy(&prefix, key.data(), std::min(key.size(), sizeof prefix));
  return std::byteswap(prefix);
}

}  // namespace aeon::storage::run_format
