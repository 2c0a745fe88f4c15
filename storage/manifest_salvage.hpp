// The newest state that any readable manifest record tells, whatever is damaged around it. For
// repair; opening a palace trusts whole files only (manifest.hpp).
#pragma once

#include <optional>
#include <string>

#include "storage/manifest.hpp"

namespace aeon::storage {

// Nothing when no record verifies. Errors: newer_format, those of reading the directory.
[[nodiscard]] Result<std::optional<ManifestState>> salvage_manifest(Os& os,
                                                                    const std::string& directory);

}  // namespace aeon::storage
