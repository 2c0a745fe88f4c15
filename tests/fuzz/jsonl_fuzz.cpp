// Any bytes as a line of `aeon put` or `aeon import`: no crash, and what is taken as a memory
// comes back the same from the line that is written of it.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/export_line.hpp"

namespace {

using namespace aeon;

Memory stored(const NewMemory& put) {
  Memory memory;
  memory.id = 1;
  memory.tenant = put.tenant;
  memory.session = put.session;
  memory.kind = put.kind;
  memory.key = put.key;
  memory.content_type = put.content_type;
  memory.content = put.content;
  memory.metadata = put.metadata;
  memory.event_time = put.event_time.value_or(0);
  memory.valid_from = put.valid_from;
  memory.valid_to = put.valid_to;
  memory.expires = put.expires;
  memory.importance = put.importance;
  return memory;
}

void check_round_trip(const NewMemory& put) {
  const Memory memory = stored(put);
  const std::string line = api::memory_json(memory);
  api::MemoryLine back;
  // Metadata given as text may be no JSON at all; the palace refuses such, so it is never written.
  if (!api::parse_memory(line, back)) return;
  if (back.memory.content != memory.content || back.memory.valid_to != memory.valid_to ||
      api::memory_json(stored(back.memory)) != line) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto line = api::parse_export_line(text);
  if (line && std::holds_alternative<api::MemoryLine>(*line)) {
    check_round_trip(std::get<api::MemoryLine>(*line).memory);
  }
  static_cast<void>(api::parse_floats(text));
  return 0;
}
