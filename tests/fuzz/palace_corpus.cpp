#include "tests/fuzz/palace_corpus.hpp"

#include <random>
#include <stdexcept>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "engine/prepare.hpp"
#include "engine/record.hpp"
#include "engine/resolve.hpp"
#include "storage/codec.hpp"
#include "storage/manifest_record.hpp"
#include "storage/segment.hpp"
#include "tests/sim/sim_os.hpp"

namespace aeon::test {

namespace {

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

NewMemory memory(std::mt19937_64& random, std::uint32_t dimension, int i) {
  std::normal_distribution<float> normal;
  NewMemory memory;
  memory.key = i % 3 == 0 ? fmt::format("key {}", i) : "";
  memory.session = i % 2 == 0 ? "line" : "";
  memory.content = i % 5 == 0 ? std::string(200, static_cast<char>('a' + i % 26)) : "a short one";
  memory.metadata = R"({"page": 1})";
  memory.embed = false;
  memory.event_time = 100 + i;
  std::vector<float> values(dimension);
  for (float& value : values) value = normal(random);
  memory.vectors.push_back({"v", std::move(values), ""});
  return memory;
}

void put_section(std::string& out, storage::SectionKind kind, std::uint64_t items,
                 std::string_view bytes) {
  storage::Encoder encoder(out);
  encoder.fixed(static_cast<std::uint8_t>(kind));
  encoder.fixed(static_cast<std::uint16_t>(items));
  encoder.fixed(static_cast<std::uint16_t>(bytes.size()));
  encoder.fixed(static_cast<std::uint8_t>(bytes.size() >> 16));
  encoder.raw(bytes);
}

// Sections lie in the file as the footer says; here they are taken as they are.
std::string sections_of(const storage::Segment& segment) {
  std::string out;
  for (const storage::Section& section : segment.sections()) {
    const auto bytes = must(segment.read(section.offset, section.bytes));
    put_section(out, section.kind, section.items, storage::as_view(bytes));
  }
  return out;
}

void add_files(SimOs& os, PalaceCorpus& corpus) {
  const auto manifest = must(storage::Manifest::open(os, "/p", true));
  const storage::ManifestState& state = manifest.state();
  for (const storage::SegmentInfo& info : state.segments) {
    const auto segment =
        must(storage::Segment::open(os, "/p", state.palace, storage::FileKind::segment, info));
    corpus.segments.push_back(sections_of(*segment));
  }
  for (const storage::BlobFileInfo& blob : state.blobs) {
    const auto segment =
        must(storage::Segment::open(os, "/p", state.palace, storage::FileKind::blob, blob.file));
    const storage::Section* section = segment->find(storage::SectionKind::blob_records);
    const auto bytes = must(segment->read(section->offset, section->bytes));
    corpus.blobs.emplace_back(storage::as_view(bytes));
  }
  const std::string path = "/p/" + storage::file_name("manifest", manifest.position().file_number);
  corpus.manifests.push_back('\0' + os.contents(path));
  const std::string record = must(storage::manifest_format::encode_record(
      state, {}, manifest.position().file_number, storage::kPageBytes));
  const auto head = storage::manifest_format::head_of(record);
  corpus.manifests.push_back(
      '\1' + record.substr(sizeof head, static_cast<std::size_t>(head.payload_bytes)));
  corpus.manifests.push_back('\1' + state.engine_state);
}

void add_records(PalaceCorpus& corpus) {
  std::mt19937_64 random(2);
  engine::Catalog catalog;
  catalog.add({1, 1, {.name = "v", .dimension = 4, .model = ""}});
  engine::Counters counters;
  counters.next_node = {0};
  const engine::View view({}, {}, {std::make_shared<engine::Tail>(2)}, 1);
  const engine::Reading reading{view, catalog, 1};
  engine::NameNumbers names;
  engine::Draft draft(reading, counters, names);
  std::string all;
  for (CommitNumber commit = 2; commit < 6; ++commit) {
    Batch batch;
    const MemoryRef a = batch.remember(memory(random, 4, static_cast<int>(commit)));
    const MemoryRef b = batch.remember(memory(random, 4, 8));
    batch.link({.from = a, .to = b, .type = "mentions"});
    if (commit == 4) batch.forget(1), batch.set_history(0);
    if (commit == 5) batch.erase(3), batch.create_tenant("t");
    const auto prepared = must(engine::prepare(std::move(batch), catalog, 1));
    engine::Resolved resolved;
    must(engine::resolve(prepared, commit, 7, draft, resolved));
    draft.accept();
    corpus.records.push_back('\0' + resolved.payload);
    all += resolved.payload;
  }
  corpus.records.push_back('\0' + all);
}

}  // namespace

PalaceCorpus make_palace_corpus() {
  PalaceCorpus corpus;
  SimOs os(1);
  std::mt19937_64 random(1);
  OpenOptions options;
  options.background = false;
  options.os = &os;
  Palace palace = must(Palace::create("/p", {{.name = "v", .dimension = 8, .model = ""}}, options));
  for (int i = 0; i < 40; ++i) {
    Batch batch;
    batch.remember(memory(random, 8, i));
    if (i > 10) batch.forget(static_cast<MemoryId>(i - 9));
    must(palace.commit(std::move(batch), Durability::process));
    if (i % 20 == 19) must(palace.checkpoint());
  }
  add_files(os, corpus);
  must(palace.compact());
  add_files(os, corpus);
  add_records(corpus);
  return corpus;
}

}  // namespace aeon::test
