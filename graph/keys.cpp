#include "graph/keys.hpp"

namespace aeon::graph {

namespace {
// Persisted layout: one byte of these flags, then what they announce. Every live edge has kLive,
// so that the empty value is free to mean "ended".
constexpr std::uint8_t kLive = 1;
constexpr std::uint8_t kWeight = 2;    // f32; absent: 1
constexpr std::uint8_t kInterval = 4;  // two i64; absent: always
constexpr std::uint8_t kKnown = kLive | kWeight | kInterval;
}  // namespace

void encode_edge(std::string& out, const EdgeRecord& edge) {
  const EdgeRecord plain;
  std::uint8_t flags = kLive;
  if (edge.weight != plain.weight) flags |= kWeight;
  if (edge.valid_from != plain.valid_from || edge.valid_to != plain.valid_to) flags |= kInterval;
  storage::Encoder encoder(out);
  encoder.fixed(flags);
  if (flags & kWeight) encoder.fixed(edge.weight);
  if (flags & kInterval) {
    encoder.fixed(edge.valid_from);
    encoder.fixed(edge.valid_to);
  }
}

DecodedEdge decode_edge(std::string_view value) {
  if (value.empty()) return {.ok = true, .edge = std::nullopt};
  storage::Decoder decoder(value);
  EdgeRecord edge;
  const auto flags = decoder.fixed<std::uint8_t>();
  if (!(flags & kLive) || (flags & ~kKnown)) return {};
  if (flags & kWeight) edge.weight = decoder.fixed<float>();
  if (flags & kInterval) {
    edge.valid_from = decoder.fixed<std::int64_t>();
    edge.valid_to = decoder.fixed<std::int64_t>();
  }
  if (!decoder.ok() || !decoder.at_end()) return {};
  return {.ok = true, .edge = edge};
}

}  // namespace aeon::graph
