#include "engine/settle.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include <fmt/format.h>

#include "engine/run_settler.hpp"
#include "storage/run.hpp"

namespace aeon::engine {

namespace {

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

template <typename T>
Status write_array(storage::SegmentWriter& writer, storage::SectionKind kind,
                   const std::vector<T>& items) {
  AEON_TRY(writer.begin_section(kind));
  AEON_TRY(writer.append(std::as_bytes(std::span(items))));
  return writer.end_section(items.size());
}

// Of adjacent segments, oldest first.
void add_history(SegmentHistory& all, const SegmentHistory& one) {
  all.horizon = std::max(all.horizon, one.horizon);
  if (one.anchor_commit == 0) return;
  all.anchor_commit = one.anchor_commit;
  all.anchor_chain = one.anchor_chain;
}

Result<SettledFiles> write_files(storage::Os& os, const std::string& directory,
                                 storage::PalaceUuid palace, std::uint64_t number,
                                 SettleSources& sources) {
  SettledFiles files;
  AEON_ASSIGN(const auto writer,
              storage::SegmentWriter::create(os, directory, palace, storage::FileKind::segment,
                                             number, sources.first_commit, sources.last_commit));
  AEON_ASSIGN(storage::RunBuilder builder, storage::RunBuilder::create(*writer));
  RunSettler settler(os, directory, palace, number + 1, sources.contents);
  WordSettler words(sources.words, sources.last_commit);
  AEON_TRY(words.begin());
  AEON_TRY(settler.copy(sources.runs, builder, words));
  AEON_TRY(builder.finish());
  AEON_TRY(write_partitions(*writer, sources.rows));
  AEON_TRY(words.write_documents(*writer));
  AEON_TRY(write_array(*writer, storage::SectionKind::commit_headers, sources.headers));
  AEON_TRY(write_array(*writer, storage::SectionKind::history, std::vector{sources.history}));
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
    sources.words.tails.push_back(&tail->words());
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
  sources.contents.first_commit = sources.first_commit;
  sources.contents.last_commit = sources.last_commit;
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
    add_history(sources.history, segment->history());
    sources.words.segments.push_back(&segment->words());
  }
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    sources.runs.add((*segment)->run());
    AEON_TRY((*segment)->collect_links(sources.rows.links));
  }
  put_in_order(sources.rows, std::move(partitions));
  sources.first_commit = segments.front()->segment().info().first_commit;
  sources.last_commit = segments.back()->segment().info().last_commit;
  sources.contents.first_commit = sources.first_commit;
  sources.contents.last_commit = sources.last_commit;
  return sources;
}

Status leave_out(SettleSources& sources, Reclaim& reclaim,
                 const std::vector<storage::BlobFileInfo>& blobs) {
  AEON_TRY(reclaim.plan(sources.runs));
  reclaim.plan_blobs(blobs);
  sources.words.is_dead = reclaim.dead_documents(sources.rows);
  reclaim.drop_rows(sources.rows, sources.rows.gone);
  sources.rows.whole = reclaim.scope().whole;
  reclaim.drop_headers(sources.headers, sources.history);
  sources.contents.reclaim = &reclaim;
  return {};
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
