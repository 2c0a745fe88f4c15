// Writing the run of a segment: every entry that stays, with long content moved out of version
// records into a blob file, and the payloads of blob files that are given up written anew.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reclaim.hpp"
#include "engine/version_record.hpp"
#include "engine/words/word_settler.hpp"
#include "storage/blob_reader.hpp"
#include "storage/blob_writer.hpp"
#include "storage/manifest.hpp"
#include "storage/run.hpp"
#include "storage/run_set.hpp"

namespace aeon::engine {

struct BlobFile;

struct ContentSources {
  CommitNumber first_commit = 0;
  CommitNumber last_commit = 0;
  Reclaim* reclaim = nullptr;  // null: everything stays
  // Of the files that are given up, at least.
  std::map<std::uint64_t, std::shared_ptr<const BlobFile>> blobs;
};

class RunSettler {
 public:
  // The blob file, if one is needed, will be blob-<blob_number>.
  RunSettler(storage::Os& os, const std::string& directory, storage::PalaceUuid palace,
             std::uint64_t blob_number, const ContentSources& sources)
      : os_(os),
        directory_(directory),
        palace_(palace),
        blob_number_(blob_number),
        sources_(sources) {}

  // `words` adds its entries where they belong. Errors: damaged, those of the writers.
  [[nodiscard]] Status copy(const storage::RunSet& runs, storage::RunBuilder& builder,
                            WordSettler& words);
  // The blob file that was written, synced.
  [[nodiscard]] Result<std::optional<storage::BlobFileInfo>> finish();

 private:
  [[nodiscard]] bool stays(std::string_view key, std::string_view value) const;
  [[nodiscard]] bool moves(const VersionRecord& record) const;
  // The content that moves: in the record, or read from the file that is given up.
  [[nodiscard]] Result<std::string_view> moving_content(const VersionRecord& record);
  Status move_content(std::string_view& value);
  Status open_blobs(const storage::RunSet& runs);

  storage::Os& os_;
  const std::string& directory_;
  const storage::PalaceUuid palace_;
  const std::uint64_t blob_number_;
  const ContentSources& sources_;
  std::unique_ptr<storage::BlobWriter> blobs_;
  std::uint32_t generation_ = 0;
  VersionRecord record_;
  std::string content_;
  std::string encoded_;
};

}  // namespace aeon::engine
