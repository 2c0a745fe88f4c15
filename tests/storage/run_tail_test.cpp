#include "storage/run_tail.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "storage/run_format.hpp"
#include "tests/support/run_files.hpp"

using namespace aeon;
using aeon::storage::RunTail;
using aeon::test::Entries;
using aeon::test::random_bytes;
using aeon::test::random_key;

namespace {

constexpr std::size_t kReserve = std::size_t{1} << 30;

void require_equal(const RunTail& tail, const Entries& model, std::mt19937_64& random) {
  REQUIRE(tail.entries() == model.size());
  RunTail::Cursor cursor(tail);
  cursor.seek_first();
  for (const auto& [key, value] : model) {
    REQUIRE(cursor.valid());
    REQUIRE(cursor.key() == key);
    REQUIRE(cursor.value() == value);
    cursor.next();
  }
  REQUIRE_FALSE(cursor.valid());
  for (int i = 0; i < 500; ++i) {
    std::string target = random_key(random, 4, 5000);
    if (i % 3 == 0 && !model.empty()) {
      target = std::next(model.begin(), static_cast<long>(random() % model.size()))->first;
    }
    if (i % 5 == 0) target.resize(random() % (target.size() + 1));
    cursor.seek(target);
    const auto expected = model.lower_bound(target);
    REQUIRE(cursor.valid() == (expected != model.end()));
    if (cursor.valid()) REQUIRE(cursor.key() == expected->first);
  }
}

}  // namespace

TEST_CASE("a run tail holds what a map would, in any order of insertion") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    RunTail tail(kReserve);
    Entries model;
    std::uint64_t rising = 0;
    while (model.size() < 4000) {
      std::string key = random_key(random, 4, 5000);
      if (random() % 2 == 0) {
        // Tables 33 and 65 share a finger with table 1.
        const std::uint8_t tables[] = {1, 2, 33, 65};
        key.clear();
        storage::KeyEncoder(key).u8(tables[random() % 4]).u64(rising += random() % 3).u32(7);
      }
      const std::string value = random_bytes(random, random() % 50);
      const bool fresh = model.emplace(key, value).second;
      const Status status = tail.insert(key, value);
      REQUIRE(status.has_value() == fresh);
      if (!fresh) REQUIRE(status.error().code == Errc::already_exists);
    }
    require_equal(tail, model, random);
  }
}

TEST_CASE("a run tail takes ascending and descending keys") {
  for (const bool up : {true, false}) {
    std::mt19937_64 random(3);
    RunTail tail(kReserve);
    Entries model;
    for (std::uint64_t i = 0; i < 5000; ++i) {
      std::string key;
      storage::KeyEncoder(key).u8(1).u64(up ? i : 5000 - i);
      REQUIRE(tail.insert(key, "v"));
      model.emplace(key, "v");
    }
    require_equal(tail, model, random);
  }
}

TEST_CASE("a run tail takes large values, empty values and any byte") {
  std::mt19937_64 random(4);
  RunTail tail(std::size_t{1} << 20);  // too small: it goes on in chunks
  Entries model;
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{512} << 10, std::size_t{3} << 20}) {
    const std::string key = random_bytes(random, 100 + bytes % 7);
    model[key] = random_bytes(random, bytes);
    REQUIRE(tail.insert(key, model[key]));
  }
  const std::string longest(storage::run_format::kMaxKeyBytes, '\xff');
  model[longest] = "";
  REQUIRE(tail.insert(longest, ""));
  require_equal(tail, model, random);
  REQUIRE(tail.used_bytes() > (std::size_t{3} << 20));
  REQUIRE(tail.memory_bytes() >= tail.used_bytes());
}

TEST_CASE("a run tail refuses what a run could not hold, and stays as it was") {
  RunTail tail(kReserve);
  RunTail::Cursor cursor(tail);
  cursor.seek("a");
  REQUIRE_FALSE(cursor.valid());
  REQUIRE(tail.insert("a", "1"));
  REQUIRE(tail.insert("", "x").error().code == Errc::invalid_argument);
  const std::string long_key(storage::run_format::kMaxKeyBytes + 1, 'k');
  REQUIRE(tail.insert(long_key, "x").error().code == Errc::too_large);
  const std::string large(storage::run_format::kMaxValueBytes + 1, 'v');
  REQUIRE(tail.insert("b", large).error().code == Errc::too_large);
  REQUIRE(tail.insert("a", "2").error().code == Errc::already_exists);
  std::mt19937_64 random(5);
  require_equal(tail, {{"a", "1"}}, random);
}

namespace {

// Every value repeats the number in its key, so that a torn entry would show.
std::string numbered_key(std::uint64_t n) {
  std::string key;
  storage::KeyEncoder(key).u8(static_cast<std::uint8_t>(1 + n % 3)).u64(n * 0x9e3779b97f4a7c15);
  storage::KeyEncoder(key).u64(n);
  return key;
}

bool whole(const RunTail::Cursor& cursor) {
  storage::KeyDecoder key(cursor.key());
  key.u8();
  key.u64();
  return cursor.value() == std::to_string(key.u64()) + "!";
}

struct Findings {
  std::atomic<std::uint64_t> torn{0};
  std::atomic<std::uint64_t> disordered{0};
  std::atomic<std::uint64_t> missing{0};
};

void read_while_growing(const RunTail& tail, const std::atomic<std::uint64_t>& inserted,
                        std::uint64_t total, std::uint64_t seed, Findings& findings) {
  std::mt19937_64 random(seed);
  RunTail::Cursor cursor(tail);
  for (std::uint64_t done = 0; done < total;) {
    done = inserted.load(std::memory_order_acquire);
    std::string last;
    std::uint64_t seen = 0;
    for (cursor.seek_first(); cursor.valid(); cursor.next(), ++seen) {
      findings.torn += !whole(cursor);
      findings.disordered += cursor.key() <= last;
      last.assign(cursor.key());
    }
    findings.missing += seen < done;
    for (int i = 0; done > 0 && i < 100; ++i) {
      const std::string key = numbered_key(random() % done);
      cursor.seek(key);
      findings.missing += !cursor.valid() || cursor.key() != key || !whole(cursor);
    }
  }
}

}  // namespace

TEST_CASE("readers of a growing run tail see whole entries in order and miss none") {
  constexpr std::uint64_t kTotal = 20'000;
  RunTail tail(kReserve);
  std::atomic<std::uint64_t> inserted{0};
  Findings findings;
  std::vector<std::thread> readers;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    readers.emplace_back([&, seed] { read_while_growing(tail, inserted, kTotal, seed, findings); });
  }
  bool all_inserted = true;
  for (std::uint64_t n = 0; n < kTotal; ++n) {
    all_inserted =
        tail.insert(numbered_key(n), std::to_string(n) + "!").has_value() && all_inserted;
    inserted.store(n + 1, std::memory_order_release);
    if (n % 1000 == 0) std::this_thread::yield();
  }
  for (auto& reader : readers) reader.join();
  REQUIRE(all_inserted);
  REQUIRE(findings.torn == 0);
  REQUIRE(findings.disordered == 0);
  REQUIRE(findings.missing == 0);
}
