// A manifest of arbitrary bytes, and one whose sums are right around an arbitrary payload; and the
// engine's state inside it. The first byte chooses.
#include <cstdlib>
#include <cstring>
#include <string>

#include "engine/engine_state.hpp"
#include "storage/codec.hpp"
#include "storage/manifest.hpp"
#include "storage/manifest_record.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using namespace aeon::storage;

namespace {

constexpr PalaceUuid kPalace{0x1234, 0x5678};

void put_file(Os& os, const std::string& path, std::string_view bytes) {
  auto file = os.open_file(path, OpenMode::create);
  if (!file || !(*file)->write_at(as_bytes(bytes), 0)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  test::SimOs os(1);
  if (!os.make_directory("/p")) std::abort();
  if (data[0] % 2 == 0) {
    put_file(os, "/p/manifest-000001", rest);
    (void)Manifest::open(os, "/p", true);
    return 0;
  }
  // A record as it would verify, with the payload in place of a true one.
  manifest_format::Record record;
  record.head = {.magic = manifest_format::kRecordMagic,
                 .sequence = 1,
                 .payload_bytes = rest.size(),
                 .palace = kPalace,
                 .previous = {},
                 .chain = {}};
  record.bytes.assign(reinterpret_cast<const char*>(&record.head), sizeof record.head);
  record.bytes += rest;
  const auto state = manifest_format::decode_state(record);
  engine::EngineState engine;
  if (!state) {
    (void)engine::decode_engine_state(rest, engine);
    return 0;
  }
  // What was understood is written and read back the same.
  const auto again = manifest_format::encode_record(*state, {}, 1, kPageBytes);
  if (!again) return 0;
  manifest_format::Record copy{manifest_format::head_of(*again), *again};
  if (manifest_format::decode_state(copy) != state) std::abort();
  if (engine::decode_engine_state(state->engine_state, engine)) {
    engine::EngineState back;
    if (!engine::decode_engine_state(engine::encode_engine_state(engine), back)) std::abort();
    if (back.history != engine.history || back.counters != engine.counters) std::abort();
  }
  return 0;
}
