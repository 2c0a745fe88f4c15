#include "engine/text/language.hpp"

#include <algorithm>
#include <array>

namespace aeon::engine {

namespace {

// The place in the table is the persisted number.
constexpr std::array<std::string_view, kLanguages> kNames = {
    "none",       "english", "arabic",  "armenian",   "basque",  "catalan",   "danish",
    "dutch",      "finnish", "french",  "german",     "greek",   "hindi",     "hungarian",
    "indonesian", "irish",   "italian", "lithuanian", "nepali",  "norwegian", "portuguese",
    "romanian",   "russian", "serbian", "spanish",    "swedish", "tamil",     "turkish"};

}  // namespace

std::optional<Language> language_of(std::string_view name) noexcept {
  if (name.empty()) return Language::english;
  const auto* const at = std::ranges::find(kNames, name);
  if (at == kNames.end()) return std::nullopt;
  return static_cast<Language>(at - kNames.begin());
}

std::string_view language_name(Language language) noexcept {
  const auto number = static_cast<std::size_t>(language);
  return number < kNames.size() ? kNames[number] : std::string_view{};
}

std::string language_list() {
  std::string list;
  for (const std::string_view name : kNames) {
    if (!list.empty()) list += ", ";
    list += name;
  }
  return list;
}

}  // namespace aeon::engine
