#include "api/time_text.hpp"

#include <charconv>
#include <chrono>

#include <fmt/format.h>

namespace aeon::api {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kSecondsPerDay = 86'400;

// Reads fixed-width fields from the front of a text; `ok` turns false at the first misfit.
struct Fields {
  std::string_view rest;
  bool ok = true;

  int digits(std::size_t count) {
    if (rest.size() < count) {
      ok = false;
      return 0;
    }
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const char c = rest[i];
      ok = ok && c >= '0' && c <= '9';
      value = value * 10 + (c - '0');
    }
    rest.remove_prefix(count);
    return value;
  }
  bool skip(std::string_view any_of) {
    if (rest.empty() || any_of.find(rest.front()) == std::string_view::npos) return false;
    rest.remove_prefix(1);
    return true;
  }
  void expect(std::string_view any_of) { ok = skip(any_of) && ok; }
};

// Nanoseconds of ".5", ".123456789" or of nothing.
std::int64_t fraction(Fields& fields) {
  if (!fields.skip(".,")) return 0;
  std::int64_t value = 0;
  std::int64_t unit = kNsPerSecond;
  while (!fields.rest.empty() && fields.rest.front() >= '0' && fields.rest.front() <= '9') {
    unit /= 10;
    if (unit == 0 && fields.rest.front() != '0') fields.ok = false;
    value += unit * (fields.rest.front() - '0');
    fields.rest.remove_prefix(1);
  }
  fields.ok = fields.ok && unit < kNsPerSecond;
  return value;
}

// Seconds east of UTC.
std::int64_t offset(Fields& fields) {
  if (fields.skip("Zz")) return 0;
  const bool west = !fields.rest.empty() && fields.rest.front() == '-';
  fields.expect("+-");
  const int hours = fields.digits(2);
  fields.expect(":");
  const int minutes = fields.digits(2);
  fields.ok = fields.ok && hours < 24 && minutes < 60;
  const std::int64_t seconds = hours * 3600 + minutes * 60;
  return west ? -seconds : seconds;
}

std::unexpected<Error> no_time(std::string_view text) {
  return fail(Errc::invalid_argument,
              fmt::format("\"{}\" is no time between 1677-09-21 and 2262-04-11; write it like "
                          "2025-03-01T12:00:00Z, 2025-03-01 or in nanoseconds since 1970",
                          text.substr(0, 64)));
}

}  // namespace

std::string time_text(TimeNs time) {
  std::int64_t seconds = time / kNsPerSecond;
  std::int64_t ns = time % kNsPerSecond;
  if (ns < 0) {
    ns += kNsPerSecond;
    --seconds;
  }
  std::int64_t day = seconds / kSecondsPerDay;
  std::int64_t second = seconds % kSecondsPerDay;
  if (second < 0) {
    second += kSecondsPerDay;
    --day;
  }
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  second / 3600, second / 60 % 60, second % 60);
  if (ns != 0) {
    text += fmt::format(".{:09}", ns);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + 'Z';
}

Result<TimeNs> parse_time(std::string_view text) {
  TimeNs whole = 0;
  const char* end = text.data() + text.size();
  if (const auto [stop, code] = std::from_chars(text.data(), end, whole);
      code == std::errc{} && stop == end) {
    return whole;
  }
  Fields fields{text};
  const std::chrono::year year{fields.digits(4)};
  fields.expect("-");
  const std::chrono::month month{static_cast<unsigned>(fields.digits(2))};
  fields.expect("-");
  const std::chrono::day day{static_cast<unsigned>(fields.digits(2))};
  const std::chrono::year_month_day date{year, month, day};
  if (!fields.ok || !date.ok()) return no_time(text);
  std::int64_t seconds = std::chrono::sys_days{date}.time_since_epoch().count() * kSecondsPerDay;
  std::int64_t ns = 0;
  if (!fields.rest.empty()) {
    fields.expect("Tt ");
    const int hour = fields.digits(2);
    fields.expect(":");
    const int minute = fields.digits(2);
    fields.expect(":");
    const int second = fields.digits(2);
    ns = fraction(fields);
    const std::int64_t east = offset(fields);
    if (!fields.ok || !fields.rest.empty() || hour > 23 || minute > 59 || second > 60) {
      return no_time(text);
    }
    seconds += hour * 3600 + minute * 60 + second - east;
  }
  // The last second before the range's start holds its fraction, hence the detour over the next.
  const std::int64_t borrow = seconds < 0 && ns > 0 ? 1 : 0;
  std::int64_t time = 0;
  if (__builtin_mul_overflow(seconds + borrow, kNsPerSecond, &time) ||
      __builtin_add_overflow(time, ns - borrow * kNsPerSecond, &time)) {
    return no_time(text);
  }
  return time;
}

}  // namespace aeon::api
