#include "engine/text/frequent_words.hpp"

#include <algorithm>
#include <array>

namespace aeon::engine {
namespace {

// Part of what defines a model's vectors (embedder.hpp): never edit these lists in place.
// Sorted, which the compiler checks.
constexpr std::array kFunctionWords = std::to_array<std::string_view>({
    "a",        "about",   "after", "again",      "all",    "also",  "am",      "an",
    "and",      "any",     "are",   "as",         "at",     "be",    "because", "been",
    "before",   "being",   "but",   "by",         "can",    "could", "couldn",  "d",
    "did",      "didn",    "do",    "does",       "doesn",  "doing", "don",     "during",
    "each",     "for",     "from",  "had",        "hadn",   "has",   "hasn",    "have",
    "haven",    "having",  "he",    "her",        "here",   "hers",  "herself", "him",
    "himself",  "his",     "how",   "i",          "if",     "in",    "into",    "is",
    "isn",      "it",      "its",   "itself",     "just",   "ll",    "m",       "may",
    "me",       "might",   "mine",  "more",       "most",   "must",  "my",      "myself",
    "no",       "nor",     "not",   "of",         "on",     "or",    "other",   "our",
    "ours",     "out",     "over",  "re",         "s",      "shall", "she",     "should",
    "shouldn",  "so",      "some",  "such",       "t",      "than",  "that",    "the",
    "their",    "theirs",  "them",  "themselves", "then",   "there", "these",   "they",
    "this",     "those",   "to",    "too",        "up",     "upon",  "us",      "ve",
    "very",     "was",     "wasn",  "we",         "were",   "weren", "what",    "when",
    "where",    "whether", "which", "while",      "who",    "whom",  "whose",   "why",
    "will",     "with",    "won",   "would",      "wouldn", "you",   "your",    "yours",
    "yourself",
});

constexpr std::array kCommonWords = std::to_array<std::string_view>({
    "always",    "another", "around", "away",   "back",   "both",   "came",      "come",    "day",
    "different", "down",    "even",   "ever",   "every",  "few",    "find",      "first",   "found",
    "get",       "getting", "give",   "go",     "going",  "good",   "got",       "great",   "hello",
    "hey",       "hi",      "kind",   "know",   "last",   "let",    "like",      "little",  "long",
    "look",      "lot",     "made",   "make",   "making", "many",   "much",      "name",    "need",
    "never",     "new",     "now",    "off",    "oh",     "ok",     "okay",      "old",     "one",
    "only",      "own",     "part",   "people", "put",    "really", "right",     "said",    "same",
    "saw",       "say",     "see",    "seen",   "show",   "since",  "something", "still",   "sure",
    "take",      "tell",    "thank",  "thanks", "thing",  "things", "think",     "through", "time",
    "took",      "two",     "under",  "use",    "used",   "using",  "want",      "way",     "well",
    "went",      "work",    "yeah",   "year",   "years",  "yes",    "yet",
});

constexpr std::size_t kLongestListed = 10;

constexpr bool well_listed(const auto& words) {
  return std::ranges::is_sorted(words) && std::ranges::all_of(words, [](std::string_view word) {
           return word.size() <= kLongestListed;
         });
}
static_assert(well_listed(kFunctionWords));
static_assert(well_listed(kCommonWords));

}  // namespace

WordRank rank_of_word(std::string_view word) noexcept {
  if (word.size() > kLongestListed) return WordRank::other;
  if (std::ranges::binary_search(kFunctionWords, word)) return WordRank::function;
  if (std::ranges::binary_search(kCommonWords, word)) return WordRank::common;
  return WordRank::other;
}

}  // namespace aeon::engine
