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
  return value;
}

bool decode_engine_state(std::string_view value, EngineState& state) {
  storage::Decoder decoder(value);
  state.position = decoder.fixed<wal::LogPosition>();
  const std::string_view counters = decoder.bytes();
  return decoder.ok() && decoder.at_end() && decode_counters(counters, state.counters);
}

}  // namespace aeon::engine
