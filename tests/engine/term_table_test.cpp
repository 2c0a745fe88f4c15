// The terms of a RAM tail against a map, and read while they are added.
#include "engine/words/term_table.hpp"

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/words/field_terms.hpp"
#include "storage/codec.hpp"

using namespace aeon;
using namespace aeon::engine;

namespace {

constexpr std::size_t kReserve = std::size_t{1} << 30;

std::string key_of(std::uint32_t tenant, std::string_view term) {
  std::string key;
  storage::KeyEncoder(key).u32(tenant);
  return key.append(term);
}

// Short words that share beginnings, and terms of fields, zero bytes among them.
std::string random_term(std::mt19937_64& random) {
  std::string term;
  if (random() % 3 != 0) {
    for (std::size_t i = 0, n = 1 + random() % 6; i < n; ++i) {
      term.push_back("abc"[random() % 3]);
    }
    return term;
  }
  FieldTerm field(random() % 2 == 0 ? "page" : "tags");
  switch (random() % 3) {
    case 0: field.set(FieldTag::number, big_endian(random() % 5000 << 20, 8)); break;
    case 1: field.set(FieldTag::string, std::string(1 + random() % 3, 'x')); break;
    default: field.set(FieldTag::is_string);
  }
  return std::string(field.term());
}

}  // namespace

TEST_CASE("a term table holds what a map would, in order and by bytes") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    storage::Arena arena(kReserve);
    TermTable table;
    std::map<std::string, std::uint32_t> model;  // postings
    for (std::uint32_t document = 0; document < 20'000; ++document) {
      const std::string key = key_of(static_cast<std::uint32_t>(random() % 3), random_term(random));
      const Posting posting{document, 1, 1};
      TermTable::Term* known = table.find_own(key);
      REQUIRE((known != nullptr) == model.contains(key));
      REQUIRE((known != nullptr ? known->postings.append(arena, posting)
                                : table.add(arena, key, posting)));
      ++model[key];
    }
    TermTable::Cursor cursor(table);
    cursor.seek_first();
    for (const auto& [key, count] : model) {
      REQUIRE(cursor.valid());
      REQUIRE((*cursor).key() == key);
      REQUIRE((*cursor).postings.count() == count);
      REQUIRE(table.find(key) == &*cursor);
      cursor.next();
    }
    REQUIRE_FALSE(cursor.valid());
    for (int i = 0; i < 2000; ++i) {
      std::string from = key_of(static_cast<std::uint32_t>(random() % 4), random_term(random));
      from.resize(random() % (from.size() + 1));
      cursor.seek(from);
      const auto expected = model.lower_bound(from);
      REQUIRE(cursor.valid() == (expected != model.end()));
      if (cursor.valid()) REQUIRE((*cursor).key() == expected->first);
    }
  }
}

TEST_CASE("terms are found while others are added") {
  storage::Arena arena(kReserve);
  TermTable table;
  constexpr std::uint32_t kTerms = 30'000;
  std::atomic<std::uint32_t> added{0};
  const auto term = [](std::uint32_t i) { return key_of(0, std::to_string(i * 2654435761U)); };
  std::vector<std::jthread> readers;
  std::atomic<std::uint32_t> wrong{0};
  for (std::uint32_t reader = 0; reader < 3; ++reader) {
    readers.emplace_back([&, reader] {
      std::mt19937_64 random(reader);
      TermTable::Cursor cursor;
      for (std::uint32_t known = 0; known < kTerms;) {
        known = added.load(std::memory_order_acquire);
        if (known == 0) continue;
        const auto i = static_cast<std::uint32_t>(random() % known);
        const TermTable::Term* found = table.find(term(i));
        if (found == nullptr || found->postings.count() == 0) ++wrong;
        if (random() % 64 != 0) continue;
        cursor.reset(table);
        cursor.seek(term(i));
        if (!cursor.valid() || (*cursor).key() != term(i)) ++wrong;
      }
    });
  }
  for (std::uint32_t i = 0; i < kTerms; ++i) {
    REQUIRE(table.add(arena, term(i), Posting{i, 1, 1}));
    added.store(i + 1, std::memory_order_release);
  }
  readers.clear();
  CHECK(wrong == 0);
}
