#include "storage/checksum.hpp"

#include <xxhash.h>

namespace aeon::storage {

std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Hash128 hash128(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {hash.low64, hash.high64};
}

std::uint64_t place_seed(std::uint64_t file_salt, std::uint64_t place) noexcept {
  const std::uint64_t pair[2] = {file_salt, place};
  return hash64(std::as_bytes(std::span(pair)), 0x41656f6eULL);
}

}  // namespace aeon::storage
