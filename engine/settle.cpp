#include "engine/settle.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include <fmt/format.h>

#include "engine/version_record.hpp"
#include "storage/blob_dictionary.hpp"
#include "storage/merged_cursor.hpp"
#include "storage/run.hpp"
#include "storage/tables.hpp"

namespace aeon::engine {

namespace {

// Samples for a blob file's dictionary: enough to learn from, small beside what they stand for.
constexpr std::size_t kSampleBytes = 1 << 20;

using PartitionMap = std::map<std::pair<std::uint32_t, std::uint32_t>, PartitionRows>;

PartitionRows& partition_of(PartitionMap& partitions, const SpaceInfo& space,
                            std::uint32_t tenant) {
  PartitionRows& partition = partitions[{space.number, tenant}];
  partition.space = space.number;
  partition.tenant = tenant;
  partition.dimension = space.spec.dimension;
  partition.precision = space.spec.precision;
  partition.metric = space.spec.metric;
  return partition;
}

// `rows.links` come newest first: the newest list of a node is the one that counts.
void put_in_order(PartitionSources& rows, PartitionMap partitions) {
  for (auto& [name, partition] : partitions) rows.partitions.push_back(std::move(partition));
  const auto by_node = [](const auto& item) { return std::tuple(item.space, item.node); };
  std::ranges::sort(rows.ends, {}, by_node);
  // By place as well, so that the newest stays first. (A stable sort of the lists themselves would
  // go through what the standard library has deprecated, which is an error under Clang.)
  std::vector<std::size_t> order(rows.links.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto by_place = [&](std::size_t i) { return std::tuple(by_node(rows.links[i]), i); };
  std::ranges::sort(order, {}, by_place);
  const auto older =
      std::ranges::unique(order, {}, [&](std::size_t i) { return by_node(rows.links[i]); });
  order.erase(older.begin(), older.end());
  std::vector<NodeLinks> newest;
  newest.reserve(order.size());
  for (const std::size_t i : order) newest.push_back(rows.links[i]);
  rows.links = std::move(newest);
}

// Copies a run, moving long content out of version records into a blob file.
class RunSettler {
 public:
  RunSettler(storage::Os& os, const std::string& directory, storage::PalaceUuid palace,
             std::uint64_t blob_number, const SettleSources& sources)
      : os_(os),
        directory_(directory),
        palace_(palace),
        blob_number_(blob_number),
        sources_(sources) {}

  Status copy(storage::RunBuilder& builder) {
    storage::MergedCursor cursor(sources_.runs);
    for (cursor.seek_first(); cursor.valid(); cursor.next()) {
      std::string_view value = cursor.value();
      if (is_version(cursor.key())) AEON_TRY(move_content(value));
      AEON_TRY(builder.add(cursor.key(), value));
    }
    return cursor.status();
  }

  Result<std::optional<storage::BlobFileInfo>> finish() {
    if (blobs_ == nullptr) return std::nullopt;
    storage::BlobFileInfo info;
    AEON_ASSIGN(info.file, blobs_->finish());
    info.live_bytes = info.file.bytes;
    return info;
  }

 private:
  static bool is_version(std::string_view key) {
    return !key.empty() && key[0] == static_cast<char>(storage::Table::versions);
  }
  [[nodiscard]] bool moves(const VersionRecord& record) const {
    return !record.blob && record.content.size() > kInlineContentBytes;
  }

  // On return `value` is the record to store: the same, or one that refers to a blob.
  Status move_content(std::string_view& value) {
    if (!decode_version(value, record_)) {
      return fail(Errc::damaged, "settling: a version record does not decode; run aeon verify");
    }
    if (!moves(record_)) return {};
    if (blobs_ == nullptr) AEON_TRY(open_blobs());
    AEON_ASSIGN(record_.blob, blobs_->append(storage::as_bytes(record_.content),
                                             storage::Compression::automatic));
    record_.content = preview_of(record_.content, record_.content_type);
    encoded_.clear();
    encode_version(encoded_, record_);
    value = encoded_;
    return {};
  }

  // Short texts compress poorly one by one; a dictionary learnt from some of them helps all.
  Status open_blobs() {
    std::vector<std::string_view> samples;
    std::size_t bytes = 0;
    std::uint64_t expected = 0;
    VersionRecord record;
    storage::MergedCursor cursor(sources_.runs);
    for (cursor.seek_first(); cursor.valid(); cursor.next()) {
      if (!is_version(cursor.key())) break;  // versions come first in key order
      if (!decode_version(cursor.value(), record) || !moves(record)) continue;
      expected += record.content.size();
      if (bytes >= kSampleBytes) continue;
      samples.push_back(record.content);
      bytes += record.content.size();
    }
    AEON_TRY(cursor.status());
    const auto dictionary = storage::train_dictionary(samples, expected);
    storage::BlobOptions options;
    options.first_commit = sources_.first_commit;
    options.last_commit = sources_.last_commit;
    if (dictionary) options.dictionary = *dictionary;
    AEON_ASSIGN(blobs_,
                storage::BlobWriter::create(os_, directory_, palace_, blob_number_, options));
    return {};
  }

  storage::Os& os_;
  const std::string& directory_;
  const storage::PalaceUuid palace_;
  const std::uint64_t blob_number_;
  const SettleSources& sources_;
  std::unique_ptr<storage::BlobWriter> blobs_;
  VersionRecord record_;
  std::string encoded_;
};

template <typename T>
Status write_array(storage::SegmentWriter& writer, storage::SectionKind kind,
                   const std::vector<T>& items) {
  AEON_TRY(writer.begin_section(kind));
  AEON_TRY(writer.append(std::as_bytes(std::span(items))));
  return writer.end_section(items.size());
}

Result<SettledFiles> write_files(storage::Os& os, const std::string& directory,
                                 storage::PalaceUuid palace, std::uint64_t number,
                                 SettleSources& sources) {
  SettledFiles files;
  AEON_ASSIGN(const auto writer,
              storage::SegmentWriter::create(os, directory, palace, storage::FileKind::segment,
                                             number, sources.first_commit, sources.last_commit));
  AEON_ASSIGN(storage::RunBuilder builder, storage::RunBuilder::create(*writer));
  RunSettler settler(os, directory, palace, number + 1, sources);
  AEON_TRY(settler.copy(builder));
  AEON_TRY(builder.finish());
  AEON_TRY(write_partitions(*writer, sources.rows));
  AEON_TRY(write_array(*writer, storage::SectionKind::commit_headers, sources.headers));
  AEON_ASSIGN(files.blobs, settler.finish());
  AEON_ASSIGN(files.segment, writer->finish());
  return files;
}

}  // namespace

SettleSources sources_of(std::span<const std::shared_ptr<Tail>> tails, const Catalog& catalog) {
  SettleSources sources;
  PartitionMap partitions;
  for (const auto& tail : tails) {
    for (const RowTail* rows : tail->partitions()) {
      PartitionRows& partition =
          partition_of(partitions, *catalog.at(rows->space()), rows->tenant());
      rows->for_each_block([&](const RowBlock& block) { partition.blocks.push_back(block); });
    }
    const std::vector<EndEntry> ends = tail->ends();
    sources.rows.ends.insert(sources.rows.ends.end(), ends.begin(), ends.end());
    sources.headers.insert(sources.headers.end(), tail->headers().begin(), tail->headers().end());
  }
  for (auto tail = tails.rbegin(); tail != tails.rend(); ++tail) {
    sources.runs.add((*tail)->keyed());
    for (const SpaceTail* space : (*tail)->spaces()) {
      space->for_each_links([&](std::uint32_t node, const LiveLinks& links) {
        sources.rows.links.push_back(
            {space->space(), node, reinterpret_cast<const std::byte*>(&links)});
      });
    }
  }
  put_in_order(sources.rows, std::move(partitions));
  sources.first_commit = tails.front()->first_commit();
  sources.last_commit = tails.back()->last_commit();
  return sources;
}

Result<SettleSources> sources_of(std::span<const std::shared_ptr<const SegmentView>> segments,
                                 const Catalog& catalog) {
  SettleSources sources;
  PartitionMap partitions;
  for (const auto& segment : segments) {
    bool damaged = false;
    bool unknown = false;
    segment->for_each_block(
        damaged, [&](std::uint32_t space, std::uint32_t tenant, const RowBlock& block) {
          const SpaceInfo* info = catalog.at(space);
          unknown = unknown || info == nullptr || info->spec.dimension != block.dimension ||
                    info->spec.precision != block.precision;
          if (!unknown) partition_of(partitions, *info, tenant).blocks.push_back(block);
        });
    if (unknown || damaged) {
      return fail(Errc::damaged,
                  fmt::format("merging: {} {}; run aeon verify", segment->segment().path(),
                              unknown ? "holds rows of a space that does not exist or is another"
                                      : "has damaged rows"));
    }
    AEON_ASSIGN(const auto ends, segment->ends());
    sources.rows.ends.insert(sources.rows.ends.end(), ends.begin(), ends.end());
    AEON_ASSIGN(const auto headers, segment->headers());
    sources.headers.insert(sources.headers.end(), headers.begin(), headers.end());
  }
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    sources.runs.add((*segment)->run());
    AEON_TRY((*segment)->collect_links(sources.rows.links));
  }
  put_in_order(sources.rows, std::move(partitions));
  sources.first_commit = segments.front()->segment().info().first_commit;
  sources.last_commit = segments.back()->segment().info().last_commit;
  return sources;
}

Result<SettledFiles> write_settled(storage::Os& os, const std::string& directory,
                                   storage::PalaceUuid palace, std::uint64_t number,
                                   SettleSources& sources) {
  auto files = write_files(os, directory, palace, number, sources);
  if (!files) {
    // Nothing names them; what can't be removed now is removed at the next open.
    (void)os.unlink(directory + "/" + storage::file_name("seg", number));
    (void)os.unlink(directory + "/" + storage::file_name("blob", number + 1));
  }
  return files;
}

}  // namespace aeon::engine
