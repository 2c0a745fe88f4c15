#include "engine/engine_state.hpp"

#include "storage/codec.hpp"

namespace aeon::engine {

std::string encode_engine_state(const EngineState& state) {
  std::string value;
  storage::Encoder encoder(value);
  encoder.fixed(state.position);
  std::string counters;
  encode_counters(counters, state.counters);
  encoder.bytes(counters);
  encode_history(encoder, state.history);
  return value;
}

bool decode_engine_state(std::string_view value, EngineState& state) {
  storage::Decoder decoder(value);
  state.position = decoder.fixed<wal::LogPosition>();
  const std::string_view counters = decoder.bytes();
  state.history = {};
  // Until format version 2 that was all.
  if (!decoder.at_end() && !decode_history(decoder, state.history)) return false;
  return decoder.ok() && decoder.at_end() && decode_counters(counters, state.counters);
}

std::string encode_closing(const storage::ManifestPosition& position) {
  std::string payload;
  storage::Encoder encoder(payload);
  encoder.fixed(position.file_number);
  encoder.fixed(position.records);
  encoder.fixed(position.chain);
  return payload;
}

}  // namespace aeon::engine
