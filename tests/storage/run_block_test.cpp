#include "storage/run_block.hpp"

#include <catch2/catch.hpp>

#include "tests/support/run_files.hpp"

using namespace aeon;
using aeon::storage::RunBlockBuilder;
using aeon::storage::RunBlockReader;
using aeon::test::Entries;
using aeon::test::random_bytes;
using aeon::test::random_key;

namespace {

std::string build(const Entries& entries) {
  RunBlockBuilder builder;
  for (const auto& [key, value] : entries) builder.add(key, value);
  const std::size_t announced = builder.bytes();
  const std::string block(builder.finish());
  REQUIRE(block.size() == announced);
  return block;
}

Entries random_entries(std::mt19937_64& random, std::size_t count) {
  Entries entries;
  while (entries.size() < count) {
    // Few letters and short keys, so that prefixes are shared in every way.
    std::string key = random_key(random, 2, 300);
    if (random() % 2 == 0) {
      key.resize(1 + random() % 6);
      for (char& c : key) c = static_cast<char>('a' + random() % 3);
    }
    entries.emplace(key, random_bytes(random, random() % 20));
  }
  return entries;
}

// Walks and searches the bytes as a block, whatever they are; must neither crash nor run away.
std::size_t exercise(const std::string& bytes, std::mt19937_64& random) {
  // A copy of the exact size, so that a sanitizer sees any step outside.
  const std::vector<char> exact(bytes.begin(), bytes.end());
  RunBlockReader reader;
  std::size_t steps = 0;
  if (!reader.open({exact.data(), exact.size()})) {
    reader.seek("x");
    reader.seek_first();
    REQUIRE_FALSE(reader.valid());
    return 0;
  }
  for (reader.seek_first(); reader.valid(); reader.next()) {
    REQUIRE(++steps <= bytes.size());
    REQUIRE(reader.key().size() <= storage::run_format::kMaxKeyBytes);
  }
  for (int i = 0; i < 5; ++i) {
    RunBlockReader fresh;
    REQUIRE(fresh.open({exact.data(), exact.size()}));
    for (fresh.seek(random_key(random, 2, 300)); fresh.valid(); fresh.next()) {
      REQUIRE(++steps <= 10 * bytes.size());
    }
  }
  return steps;
}

}  // namespace

TEST_CASE("a block gives back its entries and finds every lower bound") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const Entries entries = random_entries(random, 1 + random() % 120);
    const std::string block = build(entries);
    RunBlockReader reader;
    REQUIRE(reader.open(block));
    reader.seek_first();
    for (const auto& [key, value] : entries) {
      REQUIRE(reader.valid());
      REQUIRE(reader.key() == key);
      REQUIRE(reader.value() == value);
      reader.next();
    }
    REQUIRE_FALSE(reader.valid());
    REQUIRE_FALSE(reader.damaged());
    std::vector<std::string> targets = {"", std::string(50, '\xff')};
    for (const auto& [key, value] : random_entries(random, 100)) targets.push_back(key);
    for (const auto& [key, value] : entries) targets.push_back(key);
    for (const std::string& target : targets) {
      reader.seek(target);
      auto expected = entries.lower_bound(target);
      REQUIRE(reader.valid() == (expected != entries.end()));
      for (int i = 0; i < 3 && expected != entries.end(); ++i, ++expected) {
        REQUIRE(reader.key() == expected->first);
        REQUIRE(reader.value() == expected->second);
        reader.next();
      }
    }
  }
}

TEST_CASE("a walk over a block whose keys don't ascend ends in damage") {
  std::string block = build({{"aaaa", "1"}, {"aabb", "2"}, {"aacc", "3"}});
  const std::size_t at = block.find("cc3");
  REQUIRE(at != std::string::npos);
  block[at] = 'b';
  block[at + 1] = 'a';
  RunBlockReader reader;
  REQUIRE(reader.open(block));
  reader.seek_first();
  reader.next();
  REQUIRE(reader.key() == "aabb");
  reader.next();
  REQUIRE_FALSE(reader.valid());
  REQUIRE(reader.damaged());
}

TEST_CASE("malformed blocks neither crash nor run away") {
  std::size_t walked = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const std::string block = build(random_entries(random, 1 + random() % 60));
    for (int round = 0; round < 40; ++round) {
      std::string bad = block;
      for (std::uint64_t flips = 1 + random() % 4; flips > 0; --flips) {
        const std::size_t at = random() % 2 == 0 ? random() % bad.size() : 16 + random() % 8;
        bad[at % bad.size()] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
      }
      if (random() % 8 == 0) bad.resize(random() % bad.size());
      walked += exercise(bad, random);
    }
    std::string noise = random_bytes(random, random() % 200);
    exercise(noise, random);
    if (noise.size() >= 16) {
      const storage::run_format::BlockHead head{storage::run_format::kBlockMagic,
                                                static_cast<std::uint32_t>(noise.size()), 1, 1};
      std::memcpy(noise.data(), &head, sizeof head);
      exercise(noise, random);
    }
  }
  REQUIRE(walked > 10'000);  // most were opened and walked, not turned away at the door
}
