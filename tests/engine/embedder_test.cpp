#include "engine/text/embedder.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "engine/text/frequent_words.hpp"
#include "storage/checksum.hpp"

using namespace aeon::engine;

namespace {

double dot(const LexicalVector& a, const LexicalVector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

double likeness(std::string_view a, std::string_view b) {
  LexicalEmbedder embedder;
  const auto left = embedder.embed(a);
  const auto right = embedder.embed(b);
  REQUIRE(left);
  REQUIRE(right);
  return dot(*left, *right);
}

std::uint64_t digest(std::string_view text) {
  LexicalEmbedder embedder;
  const auto vector = embedder.embed(text);
  REQUIRE(vector);
  return aeon::storage::hash64(std::as_bytes(std::span(*vector)), 0);
}

}  // namespace

TEST_CASE("a text without a word has no vector") {
  LexicalEmbedder embedder;
  CHECK_FALSE(embedder.embed(""));
  CHECK_FALSE(embedder.embed(" \n\t "));
  CHECK_FALSE(embedder.embed("?! ... -- \u2014 \u200b"));
  CHECK(embedder.embed("the"));
  CHECK(embedder.embed("7"));
  CHECK(embedder.embed("\u6c34"));
  CHECK(embedder.embed("\U0001F600"));
}

TEST_CASE("vectors have unit length, whatever the text") {
  LexicalEmbedder embedder;
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::string text = "x";
    const std::size_t length = random() % 3000;
    while (text.size() < length) text.push_back(" abcdefgh.\n0"[random() % 12]);
    const auto vector = embedder.embed(text);
    REQUIRE(vector);
    CHECK(dot(*vector, *vector) == Approx(1.0).margin(1e-5));
  }
}

// These sums define "aeon-lexical-1": a change that breaks them needs a new model name.
TEST_CASE("the vectors of aeon-lexical-1 never change") {
  CHECK(kLexicalModel == "aeon-lexical-1");
  CHECK(digest("The quick brown fox jumps over the lazy dog.") == 0xc86fe0a14ae9c7e2);
  CHECK(digest("Caroline went to the LGBTQ support group on 7 May 2023") == 0x0c01d6478173f978);
  CHECK(digest("Gr\u00fc\u00dfe aus K\u00f6ln \u2014 \u6771\u4eac\u90fd \u30ab\u30ca \U0001F600 "
               "\u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e") == 0xe30060d065f50d3c);
  std::string long_text;
  for (int i = 0; i < 20000; ++i) long_text += fmt::format("word{} ", i % 7000);
  CHECK(digest(long_text) == 0xb31b3c412cc6dcfa);
}

TEST_CASE("an embedder that was used before gives the same vectors as a new one") {
  LexicalEmbedder used;
  std::string long_text;
  for (int i = 0; i < 5000; ++i) long_text += fmt::format("w{} ", i);
  (void)used.embed(long_text);
  LexicalEmbedder fresh;
  CHECK(used.embed("a short text") == fresh.embed("a short text"));
}

TEST_CASE("case, width, composition and punctuation do not matter") {
  CHECK(likeness("Hello, World", "hello world!") == Approx(1.0));
  CHECK(likeness("\u00c9cole d'\u00e9t\u00e9", "e\u0301cole D\u2019E\u0301TE\u0301") ==
        Approx(1.0));
}

TEST_CASE("likeness follows shared words and spellings") {
  const std::string turn = "I painted a sunrise over the lake last weekend";
  CHECK(likeness(turn, "When did she paint the sunrise?") >
        likeness(turn, "When did she adopt the puppies?") + 0.1);
  CHECK(likeness("painting", "paintings") > likeness("painting", "printers"));
  CHECK(likeness("counselling", "counseling") > 0.4);
  CHECK(likeness("dog bites man", "dog bites man again") >
        likeness("dog bites man", "again man dog bites"));
  CHECK(std::abs(likeness("entirely unrelated sentence", "xylophone quartz jumping")) < 0.25);
  CHECK(likeness("\u6771\u4eac\u90fd\u306e\u5929\u6c17", "\u5929\u6c17\u306f\u6771\u4eac") > 0.3);
}

TEST_CASE("function words weigh little and repetition counts sublinearly") {
  CHECK(likeness("the lighthouse", "lighthouse") > 0.98);
  CHECK(likeness("the of and to", "the of and to keeper") < 0.4);
  CHECK(likeness("storm lighthouse", "storm storm storm storm storm lighthouse") > 0.85);
}

TEST_CASE("listed words have their rank and others none") {
  CHECK(rank_of_word("the") == WordRank::function);
  CHECK(rank_of_word("yourself") == WordRank::function);
  CHECK(rank_of_word("people") == WordRank::common);
  CHECK(rank_of_word("lighthouse") == WordRank::other);
  CHECK(rank_of_word("") == WordRank::other);
  CHECK(rank_of_word("thethethethethe") == WordRank::other);
}
