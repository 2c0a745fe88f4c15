// Times as people write them: RFC 3339 in UTC, to the nanosecond, without loss.
#pragma once

#include <string>
#include <string_view>

#include "engine/model.hpp"
#include "storage/result.hpp"

namespace aeon::api {

// "2025-03-01T12:00:00Z", with as many digits of the second as are not zero. Every TimeNs has a
// text, from 1677-09-21 to 2262-04-11, and parse_time gives it back exactly. Thread-safe.
[[nodiscard]] std::string time_text(TimeNs time);

// Reads RFC 3339 ("2025-03-01T12:00:00.5+02:00"; a space may stand for T), a date alone (midnight
// UTC), or a whole number of nanoseconds since 1970. Digits below the nanosecond are an error, as
// is a day that the calendar lacks; a leap second reads as the first second after it.
// Errors: invalid_argument. Thread-safe.
[[nodiscard]] Result<TimeNs> parse_time(std::string_view text);

}  // namespace aeon::api
