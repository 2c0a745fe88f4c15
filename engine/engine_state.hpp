// What the engine keeps in a manifest record beside the file list: the counters as of the settled
// commit and the place in the log where the commits after it begin.
#pragma once

#include <string>
#include <string_view>

#include "engine/counters.hpp"
#include "engine/history.hpp"
#include "storage/manifest.hpp"
#include "wal/log_position.hpp"

namespace aeon::engine {

struct EngineState {
  Counters counters;
  wal::LogPosition position;
  History history;
};

[[nodiscard]] std::string encode_engine_state(const EngineState& state);
[[nodiscard]] bool decode_engine_state(std::string_view value, EngineState& state);
// What the log's closing frame says: the manifest's last record.
[[nodiscard]] std::string encode_closing(const storage::ManifestPosition& position);

}  // namespace aeon::engine
