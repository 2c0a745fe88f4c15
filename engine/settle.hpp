// Writing a segment: from frozen tails (a checkpoint) or from older segments (a merge), by the same
// steps. What comes in sorted goes out sorted; nothing is decided here but where bytes lie.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/partition_writer.hpp"
#include "engine/reclaim.hpp"
#include "engine/run_settler.hpp"
#include "engine/segment_view.hpp"
#include "engine/tail.hpp"
#include "engine/words/word_settler.hpp"
#include "storage/blob_writer.hpp"
#include "storage/manifest.hpp"
#include "storage/run_set.hpp"
#include "storage/segment.hpp"
#include "wal/commit_header.hpp"

namespace aeon::engine {

// What goes into one segment.
struct SettleSources {
  CommitNumber first_commit = 0;
  CommitNumber last_commit = 0;
  storage::RunSet runs;
  ContentSources contents;
  PartitionSources rows;
  WordSources words;
  std::vector<wal::CommitHeader> headers;
  SegmentHistory history;
};

// The sources of frozen tails, oldest first, which must stay alive.
[[nodiscard]] SettleSources sources_of(std::span<const std::shared_ptr<Tail>> tails,
                                       const Catalog& catalog);
// The sources of adjacent segments, oldest first, which must stay alive. Errors: damaged.
[[nodiscard]] Result<SettleSources> sources_of(
    std::span<const std::shared_ptr<const SegmentView>> segments, const Catalog& catalog);

// Plans what the segment leaves out and takes it out of the sources; `reclaim`, which knows the
// horizon, must live as long as they do. `blobs` are those of the manifest. Errors: damaged.
[[nodiscard]] Status leave_out(SettleSources& sources, Reclaim& reclaim,
                               const std::vector<storage::BlobFileInfo>& blobs);

struct SettledFiles {
  storage::SegmentInfo segment;
  std::optional<storage::BlobFileInfo> blobs;  // the contents that moved out of the records
};

// Writes seg-<number> and, when a record's content is long, blob-<number + 1>; both synced, the
// directory not. Errors: those of the writers, damaged. On an error the files are unlinked.
[[nodiscard]] Result<SettledFiles> write_settled(storage::Os& os, const std::string& directory,
                                                 storage::PalaceUuid palace, std::uint64_t number,
                                                 SettleSources& sources);

}  // namespace aeon::engine
