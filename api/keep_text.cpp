#include "api/keep_text.hpp"

#include <charconv>

#include <fmt/format.h>

namespace aeon::api {

namespace {

constexpr TimeNs kSecond = 1'000'000'000;

struct Unit {
  char letter;
  TimeNs ns;
};
constexpr Unit kUnits[] = {
    {'d', 86'400 * kSecond}, {'h', 3'600 * kSecond}, {'m', 60 * kSecond}, {'s', kSecond}};

}  // namespace

Result<TimeNs> parse_keep(std::string_view text) {
  if (text == "all") return kEndOfTime;
  if (text == "none") return TimeNs{0};
  std::int64_t number = 0;
  const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view rest(stop, static_cast<std::size_t>(text.data() + text.size() - stop));
  if (code == std::errc{} && number >= 0 && rest.size() == 1) {
    for (const Unit& unit : kUnits) {
      if (unit.letter == rest[0] && number < kEndOfTime / unit.ns) return number * unit.ns;
    }
  }
  return fail(Errc::invalid_argument,
              fmt::format("\"{}\" is no time to keep history for; write all, none, or a number "
                          "with s, m, h or d, as in 30d",
                          text));
}

std::string keep_text(TimeNs keep) {
  if (keep == kEndOfTime) return "all";
  if (keep == 0) return "none";
  for (const Unit& unit : kUnits) {
    if (keep % unit.ns == 0) return fmt::format("{}{}", keep / unit.ns, unit.letter);
  }
  return fmt::format("{}ns", keep);
}

}  // namespace aeon::api
