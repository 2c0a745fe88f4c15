#include <catch2/catch.hpp>

#include <random>

#include "engine/words/posting_list.hpp"

using namespace aeon::engine;

namespace {

std::vector<Posting> random_postings(std::mt19937_64& random, std::size_t count,
                                     std::uint32_t widest_gap, std::uint32_t most) {
  std::vector<Posting> postings;
  std::uint32_t document = static_cast<std::uint32_t>(random() % 1000);
  for (std::size_t i = 0; i < count; ++i) {
    postings.push_back({document, static_cast<std::uint8_t>(1 + random() % most),
                        static_cast<std::uint8_t>(random() % 256)});
    document += 1 + static_cast<std::uint32_t>(random() % widest_gap);
  }
  return postings;
}

void check_same(const std::string& value, const std::vector<Posting>& postings) {
  const auto list = PostingList::open(value);
  REQUIRE(list);
  REQUIRE(list->postings() == postings.size());
  UnpackedBlock block;
  std::size_t at = 0;
  for (std::uint32_t b = 0; b < list->blocks(); ++b) {
    REQUIRE(list->unpack(b, block));
    std::uint8_t most = 0;
    std::uint8_t shortest = 255;
    const std::size_t first = at;
    for (std::uint32_t i = 0; i < block.size; ++i, ++at) {
      REQUIRE(at < postings.size());
      REQUIRE(block.documents[i] == postings[at].document);
      REQUIRE(block.counts[i] == postings[at].count);
      most = std::max(most, postings[at].count);
      shortest = std::min(shortest, postings[at].length);
    }
    if (!list->has_heads()) continue;
    CHECK(list->head(b).first == postings[first].document);
    CHECK(list->head(b).last == postings[at - 1].document);
    CHECK(list->head(b).most == most);
    CHECK(list->head(b).shortest == shortest);
  }
  CHECK(at == postings.size());
}

}  // namespace

TEST_CASE("postings read back as they were written, few and many, near and far") {
  std::mt19937_64 random(3);
  for (const std::size_t count : {1U, 2U, 127U, 128U, 129U, 255U, 256U, 1000U, 32'768U}) {
    for (const std::uint32_t gap : {1U, 2U, 100U, 100'000U}) {
      for (const std::uint32_t most : {1U, 2U, 255U}) {
        const auto postings = random_postings(random, count, gap, most);
        std::string value;
        encode_postings(value, postings);
        check_same(value, postings);
      }
    }
  }
  std::string value;
  const std::vector<Posting> far = {{0, 1, 1}, {UINT32_MAX, 255, 2}};
  encode_postings(value, far);
  check_same(value, far);
}

TEST_CASE("a damaged list of postings is refused or read within its bytes") {
  std::mt19937_64 random(4);
  UnpackedBlock block;
  for (const std::size_t count : {5U, 300U}) {
    std::string value;
    encode_postings(value, random_postings(random, count, 9, 3));
    for (int round = 0; round < 3000; ++round) {
      std::string bad = value.substr(0, random() % (value.size() + 1));
      for (int i = 0; i < 3 && !bad.empty(); ++i) {
        bad[random() % bad.size()] = static_cast<char>(random());
      }
      const auto list = PostingList::open(bad);
      for (std::uint32_t b = 0; list && b < list->blocks(); ++b) {
        if (list->unpack(b, block)) CHECK(block.size <= kBlockPostings);
      }
    }
  }
}

TEST_CASE("length codes grow with lengths and are exact for short texts") {
  std::uint8_t before = 0;
  for (std::uint32_t words = 0; words < 600'000; ++words) {
    const std::uint8_t code = length_code(words);
    REQUIRE(code >= before);
    before = code;
    const std::uint32_t least = length_of_code(code);
    REQUIRE(least <= words);
    if (words < 32) REQUIRE(least == words);
    if (words < (1U << 19)) REQUIRE(words - least <= words / 16);
  }
}
