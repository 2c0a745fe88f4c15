#include "storage/file_identity.hpp"

#include <charconv>

#include <fmt/format.h>

namespace aeon::storage {

std::string file_name(std::string_view prefix, std::uint64_t number) {
  return fmt::format("{}-{:06}", prefix, number);
}

std::uint64_t file_number(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() < prefix.size() + 2) return 0;
  if (name[prefix.size()] != '-') return 0;
  const std::string_view digits = name.substr(prefix.size() + 1);
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (code != std::errc{} || end != digits.data() + digits.size()) return 0;
  return file_name(prefix, number) == name ? number : 0;
}

}  // namespace aeon::storage
