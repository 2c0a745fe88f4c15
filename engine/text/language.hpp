// The languages whose words can be reduced to a stem. Stemming is Snowball's; what a stemmer does
// to a word is part of what is stored, so each language has a number for ever.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aeon::engine {

// Persisted (language_table in language.cpp holds the names); never reuse a number.
enum class Language : std::uint8_t {
  none = 0,  // words as they are, folded
  english = 1,
};
inline constexpr std::uint8_t kLanguages = 28;  // numbers below it are in use

// The language by its English name ("english", "german", ...; "none" is one, "" is English), or
// nothing when there is none. Thread-safe, allocates nothing.
[[nodiscard]] std::optional<Language> language_of(std::string_view name) noexcept;
// The name of a number that is in use.
[[nodiscard]] std::string_view language_name(Language language) noexcept;
// All names, for messages.
[[nodiscard]] std::string language_list();

}  // namespace aeon::engine
