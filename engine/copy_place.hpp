// Where a copy of a palace may be made.
#pragma once

#include <string>

#include "storage/os.hpp"
#include "storage/result.hpp"

namespace aeon::engine {

[[nodiscard]] std::string without_last_slash(std::string path);
// The path of the directory that holds this one; "." for a plain name.
[[nodiscard]] std::string directory_above(const std::string& path);

// Refuses the palace's own directory and every place inside of a palace, however the path is
// written. `directory` has no last slash. Errors: invalid_argument, not_found and the like (the
// directory above it can't be read).
[[nodiscard]] Status check_copy_place(storage::Os& os, const std::string& palace,
                                      const std::string& directory);

}  // namespace aeon::engine
