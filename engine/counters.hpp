// The numbers that commits hand out and the totals that stat shows: exact, the same in every
// process, carried by the manifest as of its settled commit and advanced by apply().
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/keys.hpp"
#include "graph/keys.hpp"

namespace aeon::engine {

struct Counters {
  std::uint64_t next_id = 1;
  std::array<std::uint32_t, kNameClasses> next_name = {0, 1, 1, 1, graph::kLastFixedType + 1};
  std::vector<std::uint32_t> next_node;  // by space number - 1
  std::uint32_t next_document = 0;       // words/document.hpp
  std::uint64_t memories = 0;            // visible
  std::uint64_t versions = 0;            // ever written
  std::uint64_t edges = 0;               // visible
  std::uint64_t erasures = 0;            // ever asked for
  friend bool operator==(const Counters&, const Counters&) = default;
};

void encode_counters(std::string& out, const Counters& counters);
[[nodiscard]] bool decode_counters(std::string_view value, Counters& counters);

}  // namespace aeon::engine
