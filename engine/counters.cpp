#include "engine/counters.hpp"

#include "storage/codec.hpp"

namespace aeon::engine {

void encode_counters(std::string& out, const Counters& counters) {
  storage::Encoder encoder(out);
  encoder.varint(counters.next_id);
  for (const std::uint32_t next : counters.next_name) encoder.varint(next);
  encoder.varint(counters.next_node.size());
  for (const std::uint32_t next : counters.next_node) encoder.varint(next);
  encoder.varint(counters.memories);
  encoder.varint(counters.versions);
  encoder.varint(counters.edges);
  encoder.varint(counters.erasures);
  encoder.varint(counters.next_document);
}

bool decode_counters(std::string_view value, Counters& counters) {
  storage::Decoder decoder(value);
  counters.next_id = decoder.varint();
  for (std::uint32_t& next : counters.next_name) {
    next = static_cast<std::uint32_t>(decoder.varint());
  }
  const std::uint64_t spaces = decoder.varint();
  if (spaces > decoder.rest().size()) return false;
  counters.next_node.resize(spaces);
  for (std::uint32_t& next : counters.next_node) {
    next = static_cast<std::uint32_t>(decoder.varint());
  }
  counters.memories = decoder.varint();
  counters.versions = decoder.varint();
  counters.edges = decoder.varint();
  counters.erasures = decoder.at_end() ? 0 : decoder.varint();  // unknown to format version 2
  counters.next_document = decoder.at_end() ? 0 : static_cast<std::uint32_t>(decoder.varint());
  return decoder.ok() && decoder.at_end() && counters.next_id >= 1;
}

}  // namespace aeon::engine
