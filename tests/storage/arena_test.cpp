#include "storage/arena.hpp"

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

using aeon::storage::Arena;

namespace {

struct Piece {
  std::byte* at;
  std::size_t bytes;
  unsigned char mark;
};

// Allocates pieces of many sizes, marks each, and finds every mark again at the end.
void fill_and_check(Arena& arena, std::size_t total, std::uint64_t seed) {
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  std::vector<Piece> pieces;
  std::size_t sum = 0;
  while (sum < total) {
    const std::size_t bytes = random() % 64 == 0 ? random() % 300'000 : 1 + random() % 200;
    const std::size_t alignment = std::size_t{1} << (random() % 7);
    std::byte* const at = arena.allocate(bytes, alignment);
    REQUIRE(at != nullptr);
    REQUIRE(reinterpret_cast<std::uintptr_t>(at) % alignment == 0);
    for (std::size_t i = 0; i < bytes; i += 97) REQUIRE(at[i] == std::byte{0});
    const auto mark = static_cast<unsigned char>(random());
    std::memset(at, mark, bytes);
    pieces.push_back({at, bytes, mark});
    sum += bytes;
  }
  REQUIRE(arena.used_bytes() == sum);
  REQUIRE(arena.committed_bytes() >= sum);
  bool intact = true;
  for (const Piece& piece : pieces) {
    for (std::size_t i = 0; i < piece.bytes; ++i) {
      intact = intact && piece.at[i] == std::byte{piece.mark};
    }
  }
  REQUIRE(intact);
}

}  // namespace

TEST_CASE("an arena hands out aligned zeroed memory that never moves") {
  Arena arena(std::size_t{1} << 30);
  REQUIRE(arena.committed_bytes() == 0);
  fill_and_check(arena, 20 << 20, 1);
  // Committed in steps of at most 1 MiB, within one reservation.
  REQUIRE(arena.committed_bytes() < arena.used_bytes() + arena.used_bytes() / 8 + (2 << 20));
}

TEST_CASE("an arena goes on in further chunks when its reservation is used up") {
  Arena arena(std::size_t{1} << 20);
  fill_and_check(arena, 12 << 20, 2);
  std::byte* const large = arena.allocate(3 << 20);
  REQUIRE(large != nullptr);
  std::memset(large, 7, 3 << 20);
}

TEST_CASE("an arena works in chunks where a huge reservation is refused") {
  Arena arena(std::size_t{1} << 60);
  fill_and_check(arena, 4 << 20, 3);
}

TEST_CASE("an arena that can't have memory says so and stays usable") {
  Arena arena(std::size_t{1} << 20);
  REQUIRE(arena.allocate(100) != nullptr);
  REQUIRE(arena.allocate(std::size_t{1} << 61) == nullptr);
  REQUIRE(arena.allocate(~std::size_t{0} - 8) == nullptr);
  REQUIRE(arena.used_bytes() == 100);
  REQUIRE(arena.allocate(100) != nullptr);
}
