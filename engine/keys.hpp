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
inline void space_key(std::string& out, std::uint32_t space) {
  storage::begin_key(out, storage::Table::spaces).u32(space);
}

}  // namespace aeon::engine
