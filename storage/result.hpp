// Errors are values: a closed list of codes, and a sentence that names what, where and what to do.
// Every fallible call in Aeon returns Result<T>; nothing in the library throws across its API.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace aeon {

// Numbers are part of the C ABI and of --json output: never reuse or renumber one.
enum class Errc : std::uint16_t {
  invalid_argument = 1,   // an argument is outside its stated range
  wrong_dimension = 2,    // a vector's length differs from its space's
  not_finite = 3,         // a vector or number holds NaN or infinity
  zero_vector = 4,        // a zero vector where the metric needs a direction
  unknown_space = 5,      // no space of that name
  unknown_tenant = 6,     // no tenant of that name
  unknown_id = 7,         // no visible memory with that id or key
  invalid_key = 8,        // a unique key is empty or too long
  key_exists = 9,         // put-if-absent found the key taken
  version_conflict = 10,  // put-if-version found another version
  invalid_utf8 = 11,      // text is not valid UTF-8
  invalid_json = 12,      // JSON is malformed or of the wrong shape
  too_large = 13,         // over a stated limit
  model_mismatch = 14,    // a vector made by another model or embedder than the space's
  already_exists = 15,    // a palace, space or file of that name is there already
  not_a_palace = 16,      // the path holds no palace
  newer_format = 17,      // written by a newer version of Aeon
  damaged = 18,           // a checksum or an invariant does not hold
  missing_file = 19,      // a file that the manifest names is gone
  foreign_file = 20,      // a file belongs to another palace
  io_error = 21,          // the operating system reported an error
  disk_full = 22,         // no space, quota or file-size limit left
  no_permission = 23,     // the operating system refuses access
  no_memory = 24,         // memory could not be had
  too_many_files = 25,    // the process or the system is out of descriptors
  read_only = 26,         // the palace takes no writes now; the message says why
  writer_stopped = 27,    // another process holds the append lock and does not move
  busy = 28,              // another holder does that work now
  closed = 29,            // the object was closed
  unsupported = 30,       // a feature this build or file system does not have
  not_found = 31,         // a file or directory does not exist
  too_old = 32,           // the asked commit lies before what history keeps
};

// The short name of a code, e.g. "wrong_dimension". Never empty for a listed code.
[[nodiscard]] std::string_view errc_name(Errc code) noexcept;

// `message` is one sentence for a person; `os_errno` is 0 unless the system reported the cause.
struct [[nodiscard]] Error {
  Errc code;
  int os_errno = 0;
  std::string message;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

[[nodiscard]] inline std::unexpected<Error> fail(Errc code, std::string message, int os_errno = 0) {
  return std::unexpected(Error{code, os_errno, std::move(message)});
}

// Maps an errno to its code and writes "<what>: <text of errno>".
[[nodiscard]] Error os_error(int os_errno, std::string_view what);

}  // namespace aeon

// Early return for Result: AEON_TRY(expr) for Status, AEON_ASSIGN(name, expr) to bind the value.
#define AEON_CONCAT_(a, b) a##b
#define AEON_CONCAT(a, b) AEON_CONCAT_(a, b)
#define AEON_TRY(expression)                                   \
  do {                                                         \
    if (auto aeon_status_ = (expression); !aeon_status_) {     \
      return std::unexpected(std::move(aeon_status_).error()); \
    }                                                          \
  } while (false)
#define AEON_ASSIGN(declaration, expression) \
  AEON_ASSIGN_(AEON_CONCAT(aeon_result_, __LINE__), declaration, expression)
#define AEON_ASSIGN_(result, declaration, expression)             \
  auto result = (expression);                                     \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = std::move(*result)
