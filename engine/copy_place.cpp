#include "engine/copy_place.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "storage/file_identity.hpp"

namespace aeon::engine {

namespace {
constexpr int kDeepest = 64;  // directories above a copy that are looked at
}  // namespace

std::string without_last_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::string directory_above(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A copy inside a palace would be taken for part of it. ".." leads to where a directory really
// lies, whatever links led to it.
Status check_copy_place(storage::Os& os, const std::string& palace, const std::string& directory) {
  if (directory == without_last_slash(palace)) {
    return fail(
        Errc::invalid_argument,
        fmt::format("{} is the palace itself; a copy needs a directory of its own", directory));
  }
  const bool there = os.exists(directory);
  std::string above = there ? directory + "/.." : directory_above(directory);
  for (int level = 0; level < kDeepest; ++level, above += "/..") {
    const auto names = os.list_directory(above);
    if (!names && level == 0 && !there) {
      return fail(names.error().code,
                  fmt::format("{} can't be made: {}", directory, names.error().message),
                  names.error().os_errno);
    }
    if (!names) return {};
    const auto is_manifest = [](const std::string& name) {
      return storage::file_number(name, "manifest") != 0;
    };
    if (!std::ranges::any_of(*names, is_manifest)) continue;
    return fail(Errc::invalid_argument,
                fmt::format("{} lies inside the palace {}; a copy needs a directory outside of it",
                            directory, above));
  }
  return {};
}

}  // namespace aeon::engine
