// What ties a file to its palace: which palace, which kind, which number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/checksum.hpp"

namespace aeon::storage {

// Random at creation; the same in every file of one palace.
using PalaceUuid = Hash128;

// The current version of every on-disk format. A reader takes any version up to this one and
// refuses a newer one with Errc::newer_format.
inline constexpr std::uint16_t kFormatVersion = 4;

// "seg-000042" and the like; numbers are never reused within a palace.
[[nodiscard]] std::string file_name(std::string_view prefix, std::uint64_t number);
// The number behind `prefix` plus "-", or 0 when `name` is not of that form.
[[nodiscard]] std::uint64_t file_number(std::string_view name, std::string_view prefix);

}  // namespace aeon::storage
