// Keys of the engine's own tables (the graph's are in graph/keys.hpp), without the commit suffix.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/tables.hpp"

namespace aeon::engine {

// What a name is a name of. Persisted; 0 is invalid.
enum class NameClass : std::uint8_t { tenant = 1, session = 2, kind = 3, edge_type = 4 };
inline constexpr std::size_t kNameClasses = 5;  // array size, slot 0 unused

// Number 0 of every class means "none"; tenant 0 is the default tenant.

inline void version_key(std::string& out, std::uint64_t id) {
  storage::begin_key(out, storage::Table::versions).u64(id);
}
// The value of a key whose memory was erased: it is free, and the key itself is to vanish. No id.
inline constexpr std::string_view kErasedKey{"\0", 1};

inline void unique_key(std::string& out, std::uint32_t tenant, std::string_view key) {
  storage::begin_key(out, storage::Table::keys).u32(tenant).text(key);
}
// `parent` is the tenant for sessions and 0 for the rest.
inline void name_key(std::string& out, NameClass kind, std::uint32_t parent,
                     std::string_view name) {
  storage::begin_key(out, storage::Table::names)
      .u8(static_cast<std::uint8_t>(kind))
      .u32(parent)
      .text(name);
}
inline void name_id_key(std::string& out, NameClass kind, std::uint32_t number) {
  storage::begin_key(out, storage::Table::names_by_id)
      .u8(static_cast<std::uint8_t>(kind))
      .u32(number);
}
// What a palace is told once for all its processes. Persisted; 0 is invalid.
enum class Setting : std::uint8_t {
  history = 1,  // i64 ns: how long what has ended stays readable; kEndOfTime for ever
  fields = 2,   // 01: every memory's metadata and session are among its terms
};
inline void setting_key(std::string& out, Setting setting) {
  storage::begin_key(out, storage::Table::settings).u8(static_cast<std::uint8_t>(setting));
}
inline void expiry_key(std::string& out, std::int64_t expires, std::uint64_t id) {
  storage::begin_key(out, storage::Table::expiry).i64(expires).u64(id);
}
inline void payload_key(std::string& out, std::uint64_t blob_file) {
  storage::begin_key(out, storage::Table::payloads).u64(blob_file);
}
inline void space_key(std::string& out, std::uint32_t space) {
  storage::begin_key(out, storage::Table::spaces).u32(space);
}

inline void word_counts_key(std::string& out, std::uint32_t tenant) {
  storage::begin_key(out, storage::Table::word_counts).u32(tenant);
}

}  // namespace aeon::engine
