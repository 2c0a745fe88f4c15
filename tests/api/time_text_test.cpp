#include "api/time_text.hpp"

#include <random>

#include <catch2/catch.hpp>

using aeon::TimeNs;
using aeon::api::parse_time;
using aeon::api::time_text;

namespace {

constexpr TimeNs kSecond = 1'000'000'000;

void check_same(std::string_view text, TimeNs time) {
  INFO(text);
  const auto parsed = parse_time(text);
  REQUIRE(parsed);
  CHECK(*parsed == time);
}

}  // namespace

TEST_CASE("a time is written with no more digits than it has") {
  CHECK(time_text(0) == "1970-01-01T00:00:00Z");
  CHECK(time_text(1'500'000'000) == "1970-01-01T00:00:01.5Z");
  CHECK(time_text(1) == "1970-01-01T00:00:00.000000001Z");
  CHECK(time_text(-1) == "1969-12-31T23:59:59.999999999Z");
  CHECK(time_text(1'740'830'400 * kSecond) == "2025-03-01T12:00:00Z");
}

TEST_CASE("offsets, dates alone and nanoseconds are read") {
  check_same("2025-03-01T12:00:00Z", 1'740'830'400 * kSecond);
  check_same("2025-03-01 14:00:00+02:00", 1'740'830'400 * kSecond);
  check_same("2025-03-01t06:30:00.25-05:30", 1'740'830'400 * kSecond + kSecond / 4);
  check_same("2025-03-01", 1'740'787'200 * kSecond);
  check_same("2024-02-29T23:59:60Z", 1'709'251'200 * kSecond);
  check_same("1740830400000000000", 1'740'830'400 * kSecond);
  check_same("-5", -5);
}

TEST_CASE("what is no time is refused") {
  for (const char* text :
       {"", "now", "2025-02-29", "2025-13-01", "2025-03-01T24:00:00Z", "2025-03-01T12:60:00Z",
        "2025-03-01T12:00:00", "2025-03-01T12:00:00+0200", "2025-03-01T12:00:00.Z",
        "2025-03-01T12:00:00.1234567891Z", "2025-03-01T12:00:00Zx", "1500-01-01", "2300-01-01",
        "99999999999999999999", "2025-3-1", "20250301"}) {
    INFO(text);
    // A date without dashes is a number, hence nanoseconds.
    CHECK(parse_time(text).has_value() == (std::string_view(text) == "20250301"));
  }
}

TEST_CASE("every time comes back from its text") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const auto time = static_cast<TimeNs>(random());
    check_same(time_text(time), time);
  }
  check_same(time_text(aeon::kBeginningOfTime), aeon::kBeginningOfTime);
  check_same(time_text(aeon::kEndOfTime), aeon::kEndOfTime);
}
