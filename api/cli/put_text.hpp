// Text files as memories: one passage a memory.
#pragma once

#include <string>
#include <vector>

#include "api/cli/put_batch.hpp"

namespace aeon::cli {

struct TextSource {
  std::vector<std::string> paths;  // files and folders
  std::string tenant;
  std::string session;    // empty: the file's name
  bool mentions = false;  // find the names in the passages
};

// Stores the passages of every text file: kind "passage", session and metadata by file, key
// NAME#INDEX, so that putting a file again makes new versions, and passages that it no longer has
// are forgotten. Files that can't be read or are no UTF-8 are named in a note and counted.
// Errors: not_found (a path), and those of PutBatch.
[[nodiscard]] Status put_text(Palace& palace, const TextSource& source, PutBatch& batch,
                              std::uint64_t& skipped_files);

}  // namespace aeon::cli
