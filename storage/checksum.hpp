// Checksums of Aeon's files: XXH3 (Yann Collet, xxHash 0.8). They find accidents, not forgers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace aeon::storage {

inline constexpr std::size_t kPageBytes = 4096;  // the unit that a sum covers in settled files

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};

[[nodiscard]] std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed) noexcept;
[[nodiscard]] Hash128 hash128(std::span<const std::byte> bytes, std::uint64_t seed) noexcept;

// Folds two numbers into a seed, so that a sum is bound to (file, place) and a page that was
// written to the wrong place does not verify.
[[nodiscard]] std::uint64_t place_seed(std::uint64_t file_salt, std::uint64_t place) noexcept;

}  // namespace aeon::storage
