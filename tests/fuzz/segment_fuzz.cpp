// Everything that reads a segment, over sections of arbitrary bytes whose checksums are right: what
// a wrong writer, or a patient attacker, could have left behind. The input is a row of sections,
// each [kind u8][items u16][length u24][bytes]. Reading may call anything damaged; it must not
// crash, hang or ask for memory that the file does not justify.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "engine/search.hpp"
#include "engine/settle.hpp"
#include "engine/view.hpp"
#include "storage/codec.hpp"
#include "storage/merged_cursor.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using namespace aeon::engine;

namespace {

constexpr storage::PalaceUuid kPalace{0x1234, 0x5678};
constexpr std::uint32_t kDimension = 8;
constexpr std::size_t kMostSections = 24;

bool is_on_pages(storage::SectionKind kind) {
  using enum storage::SectionKind;
  return kind == partition_rows || kind == partition_columns || kind == cluster_cold ||
         kind == partition_routes || kind == link_lists || kind == cluster_hot;
}

Result<storage::SegmentInfo> write(storage::Os& os, std::string_view input) {
  AEON_ASSIGN(auto writer, storage::SegmentWriter::create(os, "/p", kPalace,
                                                          storage::FileKind::segment, 1, 1, 100));
  storage::Decoder in(input);
  for (std::size_t i = 0; i < kMostSections && in.ok() && !in.at_end(); ++i) {
    const auto kind = static_cast<storage::SectionKind>(in.fixed<std::uint8_t>());
    const auto items = in.fixed<std::uint16_t>();
    std::uint32_t length = in.fixed<std::uint16_t>();
    length |= std::uint32_t{in.fixed<std::uint8_t>()} << 16;
    const std::string_view bytes =
        in.raw(std::min<std::size_t>(length, in.ok() ? in.rest().size() : 0));
    if (!in.ok() || kind == storage::SectionKind{}) break;
    AEON_TRY(writer->begin_section(kind, is_on_pages(kind) ? storage::kPageBytes : 64));
    AEON_TRY(writer->append(storage::as_bytes(bytes)));
    AEON_TRY(writer->end_section(items));
  }
  return writer->finish();
}

void read_run(const SegmentView& segment) {
  storage::RunSet runs;
  runs.add(segment.run());
  storage::MergedCursor cursor(runs);
  VersionRecord record;
  int left = 5000;
  for (cursor.seek_first(); left > 0; --left) {
    if (!cursor.valid()) {
      if (cursor.status()) break;
      cursor.skip_damage();
      continue;
    }
    (void)decode_version(cursor.value(), record);
    cursor.next();
  }
  storage::LookupScratch scratch;
  std::string key;
  for (std::uint64_t id = 0; id < 8; ++id) {
    version_key(key, id);
    (void)runs.newest(key, 50, scratch);
  }
}

void read_nodes(const SegmentView& segment) {
  for (std::uint32_t space = 0; space < 3; ++space) {
    const SegmentView::Nodes* nodes = segment.nodes(space);
    if (nodes == nullptr) continue;
    bool damaged = false;
    for (std::uint32_t node = 0; node < 200; ++node) {
      const SegmentView::Row row = segment.row(*nodes, node, damaged);
      if (row.partition != nullptr) (void)row.partition->packed(row.row);
      (void)segment.links(*nodes, node, damaged);
      (void)segment.ended_at(space, node, damaged);
      segment.prefetch_row(*nodes, node);
      segment.prefetch_links(*nodes, node);
    }
  }
}

void search(const Reading& reading) {
  const float vector[kDimension] = {1, 2, 3, 4, 5, 6, 7, 8};
  Answer answer;
  for (const float recall : {1.0F, 0.95F}) {
    VectorSearch search;
    search.space = reading.catalog.at(1);
    search.vector = vector;
    search.recall = recall;
    (void)search_rows(reading, search, answer);
    search.until = 1000;
    (void)search_rows(reading, search, answer);
  }
}

// A merge must either refuse it or write what can be read again.
void merge(storage::Os& os, const std::shared_ptr<const SegmentView>& segment,
           const Catalog& catalog) {
  const std::shared_ptr<const SegmentView> segments[] = {segment};
  auto sources = sources_of(segments, catalog);
  if (!sources) return;
  sources->rows.next_node = {5000, 5000, 5000};
  Reclaim reclaim({.horizon = 50, .whole = true, .first_commit = 1, .last_commit = 100});
  if (!leave_out(*sources, reclaim, {})) return;
  const auto files = write_settled(os, "/p", kPalace, 2, *sources);
  if (!files) return;
  if (!SegmentView::open(os, "/p", kPalace, files->segment)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  test::SimOs os(1);
  if (!os.make_directory("/p")) std::abort();
  const auto info = write(os, {reinterpret_cast<const char*>(data), size});
  if (!info) return 0;
  const auto segment = SegmentView::open(os, "/p", kPalace, *info);
  if (!segment) return 0;
  read_run(**segment);
  read_nodes(**segment);
  (void)(*segment)->headers();
  (void)(*segment)->ends();
  Catalog catalog;
  catalog.add({1, 1, {.name = "v", .dimension = kDimension, .model = ""}});
  const View view({*segment}, {}, {std::make_shared<Tail>(101)}, 100);
  search({view, catalog, 60});
  search({view, catalog, 1000});
  merge(os, *segment, catalog);
  return 0;
}
