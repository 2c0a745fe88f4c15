// Bytes as JSON text (RFC 4648, the standard alphabet, padded).
#pragma once

#include <string>
#include <string_view>

#include "storage/result.hpp"

namespace aeon::api {

[[nodiscard]] std::string base64_encode(std::string_view bytes);

// Strict: padding must be there and unused bits zero, so that each value has one text.
// Errors: invalid_argument.
[[nodiscard]] Result<std::string> base64_decode(std::string_view text);

}  // namespace aeon::api
