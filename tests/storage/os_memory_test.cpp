#include "storage/os_memory.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>

using aeon::Errc;
using aeon::storage::OsMemory;

namespace {
constexpr std::size_t kMiB = std::size_t{1} << 20;
}

TEST_CASE("a reservation costs nothing and commits in place") {
  auto memory = OsMemory::reserve(65536 * kMiB, kMiB);
  REQUIRE(memory);
  REQUIRE(memory->size() >= kMiB);
  std::byte* const base = memory->data();
  REQUIRE(memory->commit(0, 10));
  REQUIRE(memory->commit(kMiB / 2, 5000));
  CHECK(memory->data() == base);
  CHECK(base[kMiB / 2 + 4999] == std::byte{0});
  base[kMiB / 2 + 4999] = std::byte{7};
  REQUIRE(memory->commit(kMiB / 2, 5000));
  CHECK(base[kMiB / 2 + 4999] == std::byte{7});
}

TEST_CASE("memory that got its pages ahead reads as zero and keeps what was written before") {
  auto memory = OsMemory::reserve(kMiB, kMiB);
  REQUIRE(memory);
  REQUIRE(memory->commit(0, kMiB));
  memory->data()[5000] = std::byte{7};
  // An old kernel refuses; nothing depends on it.
  const bool taken = memory->populate(100, kMiB - 200);
  CAPTURE(taken);
  CHECK(memory->data()[5000] == std::byte{7});
  CHECK(std::count(memory->data(), memory->data() + kMiB, std::byte{0}) == kMiB - 1);
}

TEST_CASE("released pages read as zero when they are committed again") {
  auto memory = OsMemory::reserve(kMiB, kMiB);
  REQUIRE(memory);
  REQUIRE(memory->commit(0, kMiB));
  std::fill_n(memory->data(), kMiB, std::byte{1});
  memory->release(100, 8192 + 100);
  REQUIRE(memory->commit(0, kMiB));
  CHECK(memory->data()[4095] == std::byte{1});
  CHECK(memory->data()[4096] == std::byte{0});
  CHECK(memory->data()[8191] == std::byte{0});
  CHECK(memory->data()[8192] == std::byte{1});
}

TEST_CASE("a refused reservation shrinks to what is granted or says no_memory") {
  const std::size_t absurd = std::size_t{1} << 62;
  auto smaller = OsMemory::reserve(absurd, kMiB);
  REQUIRE(smaller);
  CHECK(smaller->size() < absurd);
  auto refused = OsMemory::reserve(absurd, absurd);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::no_memory);
}

TEST_CASE("a commit outside the reservation is refused") {
  auto memory = OsMemory::reserve(kMiB, kMiB);
  REQUIRE(memory);
  constexpr std::size_t kHuge = std::numeric_limits<std::size_t>::max();
  for (const auto& [offset, bytes] :
       {std::pair{kMiB, std::size_t{1}}, std::pair{std::size_t{1}, kMiB},
        std::pair{std::size_t{8}, kHuge}}) {
    const auto status = memory->commit(offset, bytes);
    REQUIRE_FALSE(status);
    CHECK(status.error().code == Errc::invalid_argument);
  }
  CHECK_FALSE(OsMemory::reserve(0, 0));
}

TEST_CASE("moving a reservation keeps its address") {
  auto memory = OsMemory::reserve(kMiB, kMiB);
  REQUIRE(memory);
  std::byte* const base = memory->data();
  OsMemory other;
  other = std::move(*memory);
  CHECK(other.data() == base);
  REQUIRE(other.commit(0, 1));
  other.advise_huge(0, kMiB);
  base[0] = std::byte{1};
}
