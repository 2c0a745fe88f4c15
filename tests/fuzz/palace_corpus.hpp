// Inputs for the fuzz targets that read what a palace writes: the files and records of a small
// palace, in the form that each target takes.
#pragma once

#include <string>
#include <vector>

namespace aeon::test {

struct PalaceCorpus {
  std::vector<std::string> segments;   // for segment_fuzz
  std::vector<std::string> blobs;      // for blob_fuzz
  std::vector<std::string> manifests;  // for manifest_fuzz
  std::vector<std::string> records;    // for record_fuzz
};

// The same at every call.
[[nodiscard]] PalaceCorpus make_palace_corpus();

}  // namespace aeon::test
