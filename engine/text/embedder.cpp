#include "engine/text/embedder.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

#include "engine/text/frequent_words.hpp"
#include "storage/checksum.hpp"
#include "storage/codec.hpp"

namespace aeon::engine {
namespace {

// All of these define the model: a change moves vectors and needs a new model name.
constexpr std::uint64_t kWordSeed = 0x776f7264;
constexpr std::uint64_t kPairSeed = 0x70616972;
constexpr std::uint64_t kPieceSeed = 0x70696563;
constexpr std::uint32_t kUnit = 1024;  // the weight of a long, rare word
constexpr std::uint32_t kFunctionWeight = 96;
constexpr std::uint32_t kCommonWeight = 512;
constexpr std::uint32_t kPairWeight = 320;    // of kUnit, for a pair of full weight
constexpr std::uint32_t kPieceWeight = 1536;  // of kUnit, shared by the pieces of a word
constexpr std::size_t kShortestPiece = 3;
constexpr std::size_t kLongestPiece = 5;
constexpr char kBoundary = '\x01';  // stands in no word

constexpr std::size_t kFewestSlots = 1024;  // of the hash table; a power of two

enum class Shape : std::uint8_t { gap, word, alone };

struct Character {
  Shape shape;
  std::uint8_t bytes;
};

// Scripts written without spaces whose characters mean something alone.
bool is_ideographic(std::int32_t point) noexcept {
  return (point >= 0x3040 && point <= 0x30ff) || (point >= 0x3400 && point <= 0x4dbf) ||
         (point >= 0x4e00 && point <= 0x9fff) || (point >= 0xf900 && point <= 0xfaff) ||
         (point >= 0x20000 && point <= 0x3ffff);
}

Shape shape_of(std::int32_t point) noexcept {
  if (is_ideographic(point)) return Shape::alone;
  switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return Shape::word;
    case UTF8PROC_CATEGORY_SO: return Shape::alone;
    default: return Shape::gap;
  }
}

Character character_at(std::string_view text, std::size_t at) noexcept {
  const char c = text[at];
  if (static_cast<std::uint8_t>(c) < 0x80) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    return {word ? Shape::word : Shape::gap, 1};
  }
  std::int32_t point = 0;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                      static_cast<utf8proc_ssize_t>(text.size() - at), &point);
  if (bytes <= 0) return {Shape::gap, 1};
  return {shape_of(point), static_cast<std::uint8_t>(bytes)};
}

// Longer words tend to be rarer: 1 to 7 and more characters give 0.5 to 1.
std::uint32_t weight_of(std::string_view word, std::size_t characters) noexcept {
  switch (rank_of_word(word)) {
    case WordRank::function: return kFunctionWeight;
    case WordRank::common: return kCommonWeight;
    case WordRank::other: break;
  }
  const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(characters, 7));
  return kUnit / 2 + kUnit / 2 * (length - 1) / 6;
}

// 1 + ln(count) in 1/256, from integers: linear between the powers of two.
std::uint64_t damped(std::uint32_t count) noexcept {
  const auto exponent = static_cast<std::uint32_t>(std::bit_width(count) - 1);
  const std::uint64_t fraction = ((std::uint64_t{count} << 8) >> exponent) - 256;
  return 256 + ((177 * (256 * std::uint64_t{exponent} + fraction)) >> 8);
}

}  // namespace

std::optional<LexicalVector> LexicalEmbedder::embed(std::string_view text) {
  folder_.fold(text, folded_);
  find_words();
  if (words_.empty()) return std::nullopt;
  slots_.assign(kFewestSlots, 0);
  features_.clear();
  const std::string_view folded = folded_;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    const Word& word = words_[i];
    add_feature(folded.substr(word.begin, word.bytes), kWordSeed, word.weight);
    if (word.weight > kFunctionWeight) add_pieces(word);
    if (i == 0) continue;
    const Word& before = words_[i - 1];
    const std::uint32_t lighter = std::min(word.weight, before.weight);
    marked_.assign(folded.substr(before.begin, before.bytes));
    marked_.push_back(kBoundary);
    marked_.append(folded.substr(word.begin, word.bytes));
    add_feature(marked_, kPairSeed, kPairWeight * lighter / kUnit);
  }
  return project();
}

void LexicalEmbedder::find_words() {
  words_.clear();
  const std::string_view text = folded_;
  std::size_t begin = 0;
  std::size_t characters = 0;  // of the word under way
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    if (character.shape == Shape::word) {
      if (characters++ == 0) begin = at;
    } else if (characters > 0) {
      push_word(begin, at, characters);
      characters = 0;
    }
    if (character.shape == Shape::alone) push_word(at, at + character.bytes, 1);
    at += character.bytes;
  }
  if (characters > 0) push_word(begin, text.size(), characters);
}

void LexicalEmbedder::push_word(std::size_t begin, std::size_t end, std::size_t characters) {
  const std::string_view word = std::string_view(folded_).substr(begin, end - begin);
  words_.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(word.size()),
                    static_cast<std::uint32_t>(characters), weight_of(word, characters)});
}

// The pieces of a word share its weight, so that a long word does not outweigh a short one by
// the number of its pieces: their squares sum to about the square of the share.
void LexicalEmbedder::add_pieces(const Word& word) {
  const std::size_t characters = std::size_t{word.characters} + 2;
  if (characters < kShortestPiece) return;
  marked_.assign(1, kBoundary);
  marked_.append(folded_, word.begin, word.bytes);
  marked_.push_back(kBoundary);
  starts_.clear();
  for (std::size_t i = 0; i < marked_.size(); ++i) {
    if (!is_utf8_continuation(marked_[i])) starts_.push_back(static_cast<std::uint32_t>(i));
  }
  starts_.push_back(static_cast<std::uint32_t>(marked_.size()));
  std::uint64_t pieces = 0;
  for (std::size_t n = kShortestPiece; n <= kLongestPiece; ++n) {
    if (characters >= n) pieces += characters - n + 1;
  }
  const auto root = static_cast<std::uint32_t>(std::sqrt(static_cast<double>(pieces << 16)));
  const std::uint64_t share = std::uint64_t{kPieceWeight} * word.weight / kUnit;
  const auto weight = static_cast<std::uint32_t>((share << 8) / root);
  for (std::size_t n = kShortestPiece; n <= std::min(kLongestPiece, characters); ++n) {
    for (std::size_t i = 0; i + n <= characters; ++i) {
      add_feature(std::string_view(marked_).substr(starts_[i], starts_[i + n] - starts_[i]),
                  kPieceSeed, weight);
    }
  }
}

void LexicalEmbedder::add_feature(std::string_view bytes, std::uint64_t seed,
                                  std::uint32_t weight) {
  const std::uint64_t hash = storage::hash64(storage::as_bytes(bytes), seed);
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot] != 0 && features_[slots_[slot] - 1].hash != hash) slot = (slot + 1) & mask;
  if (slots_[slot] != 0) {
    Feature& known = features_[slots_[slot] - 1];
    known.weight = std::max(known.weight, weight);
    ++known.count;
    return;
  }
  features_.push_back({hash, weight, 1});
  slots_[slot] = static_cast<std::uint32_t>(features_.size());
  if (features_.size() > slots_.size() / 2) grow();
}

void LexicalEmbedder::grow() {
  slots_.assign(slots_.size() * 2, 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < features_.size(); ++i) {
    std::size_t slot = features_[i].hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

std::optional<LexicalVector> LexicalEmbedder::project() const {
  std::array<std::int64_t, kLexicalDimension> sums{};
  for (const Feature& feature : features_) {
    const auto value = static_cast<std::int64_t>(feature.weight * damped(feature.count));
    // The high half of the hash picks the dimension, its lowest bit the sign.
    const std::size_t dimension = ((feature.hash >> 32) * kLexicalDimension) >> 32;
    sums[dimension] += (feature.hash & 1) != 0 ? value : -value;
  }
  std::uint64_t largest = 0;
  for (const std::int64_t sum : sums) {
    largest = std::max(largest, static_cast<std::uint64_t>(sum < 0 ? -sum : sum));
  }
  if (largest == 0) return std::nullopt;
  // At 26 bits a component, the sum of 384 squares is exact in 64.
  const int excess = std::max(0, static_cast<int>(std::bit_width(largest)) - 26);
  std::uint64_t squares = 0;
  for (std::int64_t& sum : sums) {
    sum /= std::int64_t{1} << excess;
    squares += static_cast<std::uint64_t>(sum * sum);
  }
  const double norm = std::sqrt(static_cast<double>(squares));
  LexicalVector vector;
  for (std::size_t i = 0; i < kLexicalDimension; ++i) {
    vector[i] = static_cast<float>(static_cast<double>(sums[i]) / norm);
  }
  return vector;
}

}  // namespace aeon::engine
