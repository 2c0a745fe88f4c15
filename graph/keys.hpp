// Keys and records of the Trace: events on session lines and typed edges.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "storage/tables.hpp"

namespace aeon::graph {

// The edge type `next` links the events of a session; its number is fixed so that walks need no
// look-up. Types named by users start above kLastFixedType.
inline constexpr std::uint32_t kNextType = 1;
inline constexpr std::uint32_t kLastFixedType = 15;

inline void event_key(std::string& out, std::uint32_t tenant, std::uint32_t session,
                      std::int64_t time, std::uint64_t id) {
  storage::begin_key(out, storage::Table::events).u32(tenant).u32(session).i64(time).u64(id);
}
inline void session_end_key(std::string& out, std::uint32_t tenant, std::uint32_t session) {
  storage::begin_key(out, storage::Table::session_ends).u32(tenant).u32(session);
}
inline void edge_out_key(std::string& out, std::uint64_t from, std::uint32_t type,
                         std::uint64_t to) {
  storage::begin_key(out, storage::Table::edges_out).u64(from).u32(type).u64(to);
}
inline void edge_in_key(std::string& out, std::uint64_t to, std::uint32_t type,
                        std::uint64_t from) {
  storage::begin_key(out, storage::Table::edges_in).u64(to).u32(type).u64(from);
}

// The value of an edge key. An ended edge is one empty value.
struct EdgeRecord {
  float weight = 1.0F;
  std::int64_t valid_from = std::numeric_limits<std::int64_t>::min();
  std::int64_t valid_to = std::numeric_limits<std::int64_t>::max();
  friend bool operator==(const EdgeRecord&, const EdgeRecord&) = default;
};

void encode_edge(std::string& out, const EdgeRecord& edge);
// Empty for an ended edge; nullopt inside `ok == false` for bytes that are no edge record.
struct DecodedEdge {
  bool ok = false;
  std::optional<EdgeRecord> edge;
};
[[nodiscard]] DecodedEdge decode_edge(std::string_view value);

}  // namespace aeon::graph
