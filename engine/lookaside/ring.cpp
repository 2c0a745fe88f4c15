#include "engine/lookaside/ring.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "storage/checksum.hpp"

namespace aeon::engine {

namespace {

using storage::Sequence;

constexpr std::uint64_t kExact = 1;
constexpr std::uint64_t kComplete = 2;
constexpr std::uint64_t kThorough = 4;

constexpr std::uint64_t pair(std::uint32_t high, std::uint32_t low) {
  return std::uint64_t{high} << 32 | low;
}
constexpr std::uint32_t high(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }
constexpr std::uint32_t low(std::uint64_t word) { return static_cast<std::uint32_t>(word); }

std::uint64_t hash_of(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  const std::uint64_t words[] = {a, b, c};
  return storage::hash64(std::as_bytes(std::span(words)), 0);
}

// Two values in a step: each pair gives one bit to both halves of its word.
void draw_signs(std::span<const float> values, std::uint64_t* signs) {
  constexpr std::uint64_t kBoth = std::uint64_t{1} << 63 | std::uint64_t{1} << 31;
  std::fill_n(signs, kSigns / 64, std::uint64_t{0});
  const std::size_t pairs = values.size() / 2;
  for (std::size_t i = 0; i < pairs; ++i) {
    std::uint64_t two = 0;
    std::memcpy(&two, &values[2 * i], sizeof two);
    signs[i / 32] |= (two & kBoth) >> (i % 32);
  }
  if (values.size() % 2 == 0) return;
  const std::uint64_t last = std::bit_cast<std::uint32_t>(values.back());
  signs[pairs / 32] |= (last & kBoth) >> (pairs % 32);
}

// How many bits differ. Written out, since the least processor has no instruction for it: bits of
// neighbours are added, then pairs, then fours; and bytes are summed once for all words.
std::uint32_t differing(const RingWord* words, const std::uint64_t* signs) {
  static_assert(kSigns / 64 <= 31, "a byte takes up to eight of each word");
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < kSigns / 64; ++i) {
    std::uint64_t bits = Sequence::read(words[i]) ^ signs[i];
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    bytes += (bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0F;
  }
  // Two bytes side by side, so that their sum has room.
  const std::uint64_t twos = (bytes & 0x00FF00FF00FF00FF) + (bytes >> 8 & 0x00FF00FF00FF00FF);
  return static_cast<std::uint32_t>(twos * 0x0001000100010001 >> 48);
}

// The most signs in which a query may differ that is worth a look. At an angle whose cosine is 0.8
// one sign in five does, give or take chance; what lies farther would be put aside later.
std::uint32_t most_differences(std::uint32_t dimension) {
  constexpr float kShare = 0.205F;
  constexpr float kDeviations = 4;
  const auto n = static_cast<float>(std::min(dimension, kSigns));
  return static_cast<std::uint32_t>(n * kShare +
                                    kDeviations * std::sqrt(n * kShare * (1 - kShare)));
}

}  // namespace

void QuerySketch::draw(const SearchName& name, std::span<const float> values) noexcept {
  const std::uint64_t narrowed = pair(name.session, name.kind);
  const std::uint64_t partition = pair(name.tenant, name.space);
  owner = hash_of(partition, name.session, name.conversation) | 1;
  const std::uint64_t named = hash_of(partition, narrowed, 0);
  tag = pair(low(named), low(storage::hash64(std::as_bytes(values), named)));
  draw_signs(values.first(std::min<std::size_t>(values.size(), kSigns)), signs);
}

RingLooks look_through(const Ring& ring, const RingShape& shape, std::uint32_t dimension,
                       const QuerySketch& sketch) noexcept {
  const std::uint32_t filled = std::min(high(Sequence::read(ring.head.counts)), shape.slots);
  RingLooks looks;
  std::uint32_t differences[kLooks] = {};
  const std::uint32_t most = most_differences(dimension);
  for (std::uint32_t slot = 0; slot < filled; ++slot) {
    const RingWord* tag = &ring.words[shape.tag(slot)];
    const std::uint64_t named = Sequence::read(tag[0]);
    if (high(named) != high(sketch.tag)) continue;
    // The same query is nearest of all.
    const std::uint32_t apart = named == sketch.tag ? 0 : 1 + differing(tag + 1, sketch.signs);
    if (apart > most + 1) continue;
    std::uint32_t at = looks.count;
    if (at == kLooks) {
      if (apart >= differences[kLooks - 1]) continue;
      --at;
    } else {
      ++looks.count;
    }
    for (; at > 0 && differences[at - 1] > apart; --at) {
      differences[at] = differences[at - 1];
      looks.slots[at] = looks.slots[at - 1];
    }
    differences[at] = apart;
    looks.slots[at] = slot;
  }
  return looks;
}

void read_values(const Ring& ring, const RingShape& shape, std::uint32_t slot,
                 std::span<float> values) noexcept {
  const RingWord* words = &ring.words[shape.slot(slot) + RingShape::kSlotHead];
  for (std::size_t i = 0; 2 * i < values.size(); ++i) {
    const std::uint64_t word = Sequence::read(words[i]);
    values[2 * i] = std::bit_cast<float>(low(word));
    if (2 * i + 1 < values.size()) values[2 * i + 1] = std::bit_cast<float>(high(word));
  }
}

SearchName read_name(const Ring& ring, const RingShape& shape, std::uint32_t slot) noexcept {
  const RingWord* words = &ring.words[shape.slot(slot)];
  const std::uint64_t partition = Sequence::read(words[1]);
  const std::uint64_t narrowed = Sequence::read(words[2]);
  return {high(partition), low(partition), high(narrowed), low(narrowed), 0};
}

void read_findings(const Ring& ring, const RingShape& shape, std::uint32_t slot,
                   Findings& findings) {
  const RingWord* words = &ring.words[shape.slot(slot)];
  findings.commit = Sequence::read(words[0]);
  const std::uint64_t state = Sequence::read(words[3]);
  findings.exact = (state & kExact) != 0;
  findings.complete = (state & kComplete) != 0;
  findings.thorough = (state & kThorough) != 0;
  findings.cost = Sequence::read(words[4]);
  findings.nominees.resize(std::min(high(state), kMostNominees));
  words += RingShape::kSlotHead + shape.value_words;
  for (Nominee& nominee : findings.nominees) {
    const std::uint64_t word = Sequence::read(*words++);
    nominee = {high(word), std::bit_cast<float>(low(word))};
  }
}

void write_slot(Ring& ring, const RingShape& shape, std::uint32_t slot, const QuerySketch& sketch,
                const SearchName& name, std::span<const float> values,
                const Findings& findings) noexcept {
  RingWord* tag = &ring.words[shape.tag(slot)];
  Sequence::write(tag[0], sketch.tag);
  for (std::uint32_t i = 0; i < kSigns / 64; ++i) Sequence::write(tag[1 + i], sketch.signs[i]);
  RingWord* words = &ring.words[shape.slot(slot)];
  const auto count =
      static_cast<std::uint32_t>(std::min<std::size_t>(findings.nominees.size(), kMostNominees));
  Sequence::write(words[0], findings.commit);
  Sequence::write(words[1], pair(name.tenant, name.space));
  Sequence::write(words[2], pair(name.session, name.kind));
  Sequence::write(words[3], pair(count, 0) | (findings.exact ? kExact : 0) |
                                (findings.complete ? kComplete : 0) |
                                (findings.thorough ? kThorough : 0));
  Sequence::write(words[4], findings.cost);
  words += RingShape::kSlotHead;
  for (std::size_t i = 0; 2 * i < values.size(); ++i) {
    const float second = 2 * i + 1 < values.size() ? values[2 * i + 1] : 0;
    Sequence::write(words[i], pair(std::bit_cast<std::uint32_t>(second),
                                   std::bit_cast<std::uint32_t>(values[2 * i])));
  }
  words += shape.value_words;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Nominee& nominee = findings.nominees[i];
    Sequence::write(words[i], pair(nominee.node, std::bit_cast<std::uint32_t>(nominee.score)));
  }
}

}  // namespace aeon::engine
