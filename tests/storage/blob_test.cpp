#include "storage/blob.hpp"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "storage/blob_dictionary.hpp"
#include "storage/blob_reader.hpp"
#include "storage/blob_writer.hpp"
#include "tests/support/allocations.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using namespace aeon::storage;
using aeon::test::TempDirectory;

namespace {

constexpr PalaceUuid kPalace{0x1234, 0x5678};

struct Arena {
  TempDirectory directory;
  SegmentInfo info;
  std::shared_ptr<const Segment> segment;
  std::shared_ptr<const BlobReader> reader;

  std::unique_ptr<BlobWriter> writer(const BlobOptions& options = {}) {
    auto writer = BlobWriter::create(real_os(), directory.path(), kPalace, 7, options);
    REQUIRE(writer);
    return std::move(*writer);
  }
  void finish(BlobWriter& writer) {
    auto finished = writer.finish();
    REQUIRE(finished);
    info = *finished;
    open();
  }
  void open() {
    auto opened = Segment::open(real_os(), directory.path(), kPalace, FileKind::blob, info);
    REQUIRE(opened);
    segment = *opened;
    auto made = BlobReader::open(segment);
    REQUIRE(made);
    reader = *made;
  }
  [[nodiscard]] std::string path() const { return directory / file_name("blob", 7); }
  [[nodiscard]] std::uint64_t base() const {
    return segment->find(SectionKind::blob_records)->offset;
  }
};

std::string noise(std::size_t bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// Compresses about threefold.
std::string prose(std::size_t bytes, std::uint64_t seed) {
  static const char* const kWords[] = {"memory ", "engine ", "keeps ", "what ", "it ",   "saw, ",
                                       "and ",    "finds ",  "again ", "in ",   "time. "};
  std::mt19937_64 random(seed);
  std::string text;
  while (text.size() < bytes) text += kWords[random() % 11];
  text.resize(bytes);
  return text;
}

void flip(const std::string& path, std::uint64_t offset) {
  auto file = real_os().open_file(path, OpenMode::read_write);
  REQUIRE(file);
  std::byte byte{};
  REQUIRE((*file)->read_at({&byte, 1}, offset).value() == 1);
  byte ^= std::byte{0x10};
  REQUIRE((*file)->write_at({&byte, 1}, offset));
}

std::string read(const BlobReader& reader, const BlobRef& ref) {
  std::string out = "left over";
  const Status status = reader.read(ref, out);
  if (!status) FAIL(status.error().message);
  return out;
}

std::vector<BlobRef> all(const BlobReader& reader) {
  std::vector<BlobRef> refs;
  BlobCursor cursor(reader);
  for (;;) {
    auto next = cursor.next();
    REQUIRE(next);
    if (!*next) return refs;
    refs.push_back(**next);
  }
}

// Paragraphs of the project's own sources: real text, of the length of memories.
std::vector<std::string> real_texts() {
  std::vector<std::string> texts;
  const std::filesystem::path root = AEON_SOURCE_DIR;
  for (const char* folder : {"api", "engine", "graph", "simd", "storage", "tests", "wal"}) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
    std::ranges::sort(paths);
    for (const auto& path : paths) {
      std::ifstream file(path);
      std::string paragraph;
      for (std::string line; std::getline(file, line);) {
        paragraph += line + '\n';
        if (!line.empty() && paragraph.size() < 1000) continue;
        if (paragraph.size() >= 100) texts.push_back(paragraph);
        paragraph.clear();
      }
    }
  }
  return texts;
}

}  // namespace

TEST_CASE("payloads of every size come back, raw and compressed") {
  Arena arena;
  auto writer = arena.writer();
  std::vector<std::pair<BlobRef, std::string>> written;
  std::vector<std::size_t> sizes = {std::size_t{1} << 20, (std::size_t{5} << 20) + 3};
  for (std::size_t size = 0; size <= 70000; size += 1 + size / 16) sizes.push_back(size);
  for (const std::size_t size : sizes) {
    for (const auto compression : {Compression::automatic, Compression::raw}) {
      for (const std::string& payload : {prose(size, size), noise(size, size)}) {
        auto ref = writer->append(as_bytes(payload), compression);
        REQUIRE(ref);
        CHECK(ref->raw_bytes == size);
        if (compression == Compression::raw) CHECK(blob_encoding(ref->flags) == BlobEncoding::raw);
        written.emplace_back(*ref, payload);
      }
    }
  }
  arena.finish(*writer);
  CHECK(arena.segment->find(SectionKind::blob_records)->items == written.size());
  CHECK(arena.segment->scrub().empty());
  std::string scratch;
  for (const auto& [ref, payload] : written) {
    if (read(*arena.reader, ref) != payload) FAIL_CHECK("size " << payload.size());
    CHECK(arena.reader->verify(ref, scratch));
  }
  const std::vector<BlobRef> walked = all(*arena.reader);
  REQUIRE(walked.size() == written.size());
  for (std::size_t i = 0; i < walked.size(); ++i) CHECK(walked[i] == written[i].first);
}

TEST_CASE("zstd is used where it saves a tenth, and not for the shortest") {
  Arena arena;
  auto writer = arena.writer();
  const auto encoding = [&](const std::string& payload) {
    auto ref = writer->append(as_bytes(payload), Compression::automatic);
    REQUIRE(ref);
    if (blob_encoding(ref->flags) == BlobEncoding::raw) {
      CHECK(ref->stored_bytes == ref->raw_bytes);
    } else {
      CHECK(ref->stored_bytes * 10 <= ref->raw_bytes * 9 + 10);
    }
    return blob_encoding(ref->flags);
  };
  CHECK(encoding(std::string(63, 'a')) == BlobEncoding::raw);
  CHECK(encoding(std::string(64, 'a')) == BlobEncoding::zstd);
  CHECK(encoding(noise(5000, 1)) == BlobEncoding::raw);
  CHECK(encoding(prose(5000, 1)) == BlobEncoding::zstd);
  CHECK(encoding(noise(4750, 2) + std::string(250, 'a')) == BlobEncoding::raw);
}

TEST_CASE("a raw payload is read in place") {
  Arena arena;
  auto writer = arena.writer();
  const std::string payload = prose(10000, 1);
  const auto raw = writer->append(as_bytes(payload), Compression::raw);
  const auto packed = writer->append(as_bytes(payload), Compression::automatic);
  REQUIRE(raw);
  REQUIRE(packed);
  arena.finish(*writer);
  const auto view = arena.reader->view(*raw);
  REQUIRE(view);
  CHECK(as_view(*view) == payload);
  const std::byte* start = arena.segment->checked(0, 1);
  CHECK(view->data() == start + arena.base() + raw->offset + 40);
  const auto refused = arena.reader->view(*packed);
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::invalid_argument);
}

TEST_CASE("a warm read into a large enough buffer allocates nothing") {
  Arena arena;
  const std::vector<std::string> texts = real_texts();
  std::vector<std::string_view> samples(texts.begin(), texts.end());
  const auto dictionary = train_dictionary(samples, 100 << 20);
  REQUIRE(dictionary);
  auto writer = arena.writer({.dictionary = *dictionary});
  std::vector<BlobRef> refs;
  for (const auto& payload : {texts[3], prose(100000, 1), noise(2000, 1)}) {
    const auto ref = writer->append(as_bytes(payload), Compression::automatic);
    REQUIRE(ref);
    refs.push_back(*ref);
  }
  CHECK(blob_encoding(refs[0].flags) == BlobEncoding::zstd_dictionary);
  CHECK(blob_encoding(refs[1].flags) == BlobEncoding::zstd);
  CHECK(blob_encoding(refs[2].flags) == BlobEncoding::raw);
  arena.finish(*writer);
  std::string out;
  for (const BlobRef& ref : refs) REQUIRE(arena.reader->read(ref, out));
  out.reserve(100000);
  const char* const buffer = out.data();
  const std::uint64_t before = test::allocations();
  bool good = true;
  for (int round = 0; round < 100; ++round) {
    for (const BlobRef& ref : refs) good = good && arena.reader->read(ref, out);
    good = good && arena.reader->view(refs[2]);
  }
  const std::uint64_t made = test::allocations() - before;
  CHECK(good);
  CHECK(made == 0);
  CHECK(out.data() == buffer);
}

TEST_CASE("threads read the same file at once") {
  Arena arena;
  auto writer = arena.writer();
  std::vector<std::pair<BlobRef, std::string>> written;
  for (std::size_t i = 0; i < 200; ++i) {
    std::string payload = i % 2 == 0 ? prose(i * 50, i) : noise(i * 50, i);
    const auto ref = writer->append(as_bytes(payload), Compression::automatic);
    REQUIRE(ref);
    written.emplace_back(*ref, std::move(payload));
  }
  arena.finish(*writer);
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::string out;
      for (std::size_t i = 0; i < 2000; ++i) {
        const auto& [ref, payload] = written[(i * 7 + t * 31) % written.size()];
        if (!arena.reader->read(ref, out) || out != payload) ++wrong;
      }
    });
  }
  threads.clear();
  CHECK(wrong == 0);
}

namespace {

void stream(std::uint64_t total) {
  Arena arena;
  auto writer = arena.writer();
  const std::string chunk = noise(std::size_t{1} << 20, 5);
  REQUIRE(writer->append(as_bytes("before"), Compression::automatic));
  REQUIRE(writer->begin_stream(total));
  for (std::uint64_t left = total; left > 0;) {
    const std::uint64_t count = std::min<std::uint64_t>(left, left % 2 == 0 ? chunk.size() : 4097);
    REQUIRE(writer->write_chunk(as_bytes(std::string_view(chunk).substr(0, count))));
    left -= count;
  }
  const auto ref = writer->end_stream();
  REQUIRE(ref);
  CHECK(ref->raw_bytes == total);
  const auto after = writer->append(as_bytes("after"), Compression::automatic);
  REQUIRE(after);
  arena.finish(*writer);
  const auto view = arena.reader->view(*ref);
  REQUIRE(view);
  REQUIRE(view->size() == total);
  std::uint64_t at = 0;
  for (std::uint64_t left = total; left > 0;) {
    const std::uint64_t count = std::min<std::uint64_t>(left, left % 2 == 0 ? chunk.size() : 4097);
    if (as_view(view->subspan(at, count)) != std::string_view(chunk).substr(0, count)) {
      FAIL("differs at " << at);
    }
    at += count;
    left -= count;
  }
  std::string scratch;
  CHECK(arena.reader->verify(*ref, scratch));
  CHECK(read(*arena.reader, *after) == "after");
  CHECK(all(*arena.reader).size() == 3);
}

}  // namespace

TEST_CASE("a streamed payload of 64 MiB comes back in place") {
  stream((std::uint64_t{64} << 20) + 12345);
  stream(0);
  stream(1);
}

TEST_CASE("a streamed payload of 1 GiB comes back in place", "[.large]") { stream(kMaxBlobBytes); }

TEST_CASE("streams out of order and of other lengths than announced are refused") {
  Arena arena;
  auto writer = arena.writer();
  const auto refused = [](const auto& result, Errc code) {
    REQUIRE(!result);
    CHECK(result.error().code == code);
  };
  refused(writer->write_chunk(as_bytes("x")), Errc::invalid_argument);
  refused(writer->end_stream(), Errc::invalid_argument);
  refused(writer->begin_stream(kMaxBlobBytes + 1), Errc::too_large);
  REQUIRE(writer->begin_stream(3));
  refused(writer->begin_stream(3), Errc::invalid_argument);
  refused(writer->append(as_bytes("x"), Compression::raw), Errc::invalid_argument);
  refused(writer->finish(), Errc::invalid_argument);
  refused(writer->write_chunk(as_bytes("four")), Errc::invalid_argument);
  REQUIRE(writer->write_chunk(as_bytes("th")));
  refused(writer->end_stream(), Errc::invalid_argument);
  REQUIRE(writer->write_chunk(as_bytes("e")));
  const auto ref = writer->end_stream();
  REQUIRE(ref);
  arena.finish(*writer);
  CHECK(read(*arena.reader, *ref) == "the");
  refused(writer->append(as_bytes("x"), Compression::raw), Errc::invalid_argument);
  refused(writer->finish(), Errc::invalid_argument);
}

TEST_CASE("references survive their encoding, and nonsense is refused") {
  const std::vector<BlobRef> refs = {
      {1, 0, 1, 0, 0},
      {7, 4096, 2, 1000, 400},
      {~std::uint64_t{0}, std::uint64_t{1} << 40, 3, kMaxBlobBytes, 1},
      {9, 8, 1 | kBlobStreamed, kMaxBlobBytes, kMaxBlobBytes}};
  for (const BlobRef& ref : refs) {
    std::string bytes;
    Encoder encoder(bytes);
    encode(ref, encoder);
    Decoder decoder(bytes);
    CHECK(decode_blob_ref(decoder) == ref);
    CHECK(decoder.at_end());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      Decoder shorter(std::string_view(bytes).substr(0, cut));
      CHECK(!decode_blob_ref(shorter));
    }
  }
  const std::vector<BlobRef> nonsense = {{0, 0, 1, 1, 1},
                                         {1, 0, 0, 1, 1},
                                         {1, 0, 4, 1, 1},
                                         {1, 0, 1, 2, 1},
                                         {1, 0, 2, 2, 0},
                                         {1, 0, 2 | kBlobStreamed, 2, 1},
                                         {1, 0, 1 | kBlobDictionary, 1, 1},
                                         {1, 0, 1 | (1U << 20), 1, 1},
                                         {1, 0, 1, kMaxBlobBytes + 1, kMaxBlobBytes + 1}};
  for (const BlobRef& ref : nonsense) {
    std::string bytes;
    Encoder encoder(bytes);
    encode(ref, encoder);
    Decoder decoder(bytes);
    CHECK(!decode_blob_ref(decoder));
  }
}

TEST_CASE("every flipped byte of a small file is noticed, and the rest stays readable") {
  Arena arena;
  const std::string filler = noise(5000, 3);
  std::vector<std::pair<BlobRef, std::string>> written;
  {
    auto writer = arena.writer({.generation = 2});
    for (const std::string& payload : {prose(300, 1), filler, prose(900, 2), filler}) {
      const auto ref = writer->append(as_bytes(payload), Compression::automatic);
      REQUIRE(ref);
      written.emplace_back(*ref, payload);
    }
    REQUIRE(writer->begin_stream(filler.size()));
    REQUIRE(writer->write_chunk(as_bytes(filler)));
    const auto ref = writer->end_stream();
    REQUIRE(ref);
    written.emplace_back(*ref, filler);
    arena.finish(*writer);
  }
  CHECK(arena.reader->generation() == 2);
  const Section section = *arena.segment->find(SectionKind::blob_records);
  std::string out;
  for (std::uint64_t offset = section.offset; offset < section.offset + section.bytes;
       offset += 13) {
    flip(arena.path(), offset);
    arena.open();
    std::size_t lost = 0;
    for (const auto& [ref, payload] : written) {
      const Status status = arena.reader->read(ref, out);
      if (status) {
        CHECK(out == payload);
        continue;
      }
      ++lost;
      CHECK(out.empty());
      CHECK(status.error().code == Errc::damaged);
      CHECK(status.error().message.find("blob-") != std::string::npos);
    }
    if (lost == written.size()) FAIL_CHECK("nothing is readable after a flip at " << offset);
    CHECK((lost > 0 || arena.reader->generation() == 0));
    std::size_t walked = 0;
    BlobCursor cursor(*arena.reader);
    for (int steps = 0; steps < 100; ++steps) {
      const auto next = cursor.next();
      if (next && !*next) break;
      if (next) {
        CHECK(std::ranges::count(written, **next, &std::pair<BlobRef, std::string>::first) == 1);
        ++walked;
      }
    }
    CHECK(walked + lost >= written.size());
    flip(arena.path(), offset);
  }
}

TEST_CASE("a dictionary pays on real short texts, and one damaged copy costs nothing") {
  const std::vector<std::string> texts = real_texts();
  const std::vector<std::string_view> samples(texts.begin(), texts.end());
  std::uint64_t raw = 0;
  for (const std::string& text : texts) raw += text.size();
  const auto dictionary = train_dictionary(samples, raw * 20);
  REQUIRE(dictionary);

  const auto stored = [&](Arena& arena, const BlobOptions& options) {
    auto writer = arena.writer(options);
    std::uint64_t bytes = 0;
    for (const std::string& text : texts) {
      const auto ref = writer->append(as_bytes(text), Compression::automatic);
      REQUIRE(ref);
      bytes += ref->stored_bytes;
    }
    arena.finish(*writer);
    return bytes;
  };
  Arena plain;
  Arena trained;
  const std::uint64_t without = stored(plain, {});
  const std::uint64_t with = stored(trained, {.dictionary = *dictionary});
  fmt::print("{} texts, {} bytes raw; zstd {} bytes; with a dictionary of {} bytes: {} bytes\n",
             texts.size(), raw, without, dictionary->size(), with);
  CHECK(with < without * 9 / 10);
  CHECK(!plain.reader->has_dictionary());
  CHECK(trained.reader->has_dictionary());
  const std::vector<BlobRef> refs = all(*trained.reader);
  REQUIRE(refs.size() == texts.size());
  for (std::size_t i = 0; i < refs.size(); ++i) CHECK(read(*trained.reader, refs[i]) == texts[i]);

  flip(trained.path(), trained.base() + 100);
  trained.open();
  CHECK(trained.reader->has_dictionary());
  CHECK(read(*trained.reader, refs.back()) == texts.back());

  const std::uint64_t records_end = refs.back().offset + 40 + refs.back().stored_bytes;
  flip(trained.path(), trained.base() + records_end + 4200);
  trained.open();
  CHECK(!trained.reader->has_dictionary());
  std::string out;
  const Status lost = trained.reader->read(refs[refs.size() / 2], out);
  REQUIRE(!lost);
  CHECK(lost.error().code == Errc::damaged);
}

TEST_CASE("no dictionary is made where it does not pay") {
  CHECK(!train_dictionary({}));
  const std::string one = prose(500, 1);
  CHECK(!train_dictionary(std::vector<std::string_view>(5, one)));
  std::vector<std::string> random;
  for (std::uint64_t i = 0; i < 400; ++i) random.push_back(noise(400, i));
  CHECK(!train_dictionary(std::vector<std::string_view>(random.begin(), random.end())));
  // It would pay over many more texts like these, but not over these alone.
  const std::vector<std::string> texts = real_texts();
  const std::vector<std::string_view> few(texts.begin(), texts.begin() + 60);
  CHECK(!train_dictionary(few));
}

namespace {

using Header = blob_format::RecordHeader;

// A file whose container is sound and whose section holds just these bytes.
struct Forged : Arena {
  explicit Forged(std::string_view section) {
    auto writer =
        SegmentWriter::create(real_os(), directory.path(), kPalace, FileKind::blob, 7, 0, 0);
    REQUIRE(writer);
    REQUIRE((*writer)->begin_section(SectionKind::blob_records, 8));
    REQUIRE((*writer)->append(as_bytes(section)));
    REQUIRE((*writer)->end_section(1));
    auto finished = (*writer)->finish();
    REQUIRE(finished);
    info = *finished;
    auto opened = Segment::open(real_os(), directory.path(), kPalace, FileKind::blob, info);
    REQUIRE(opened);
    segment = *opened;
    if (auto made = BlobReader::open(segment)) reader = *made;
  }
};

std::string forged_record(std::uint32_t flags, std::uint64_t raw, std::uint64_t stored,
                          std::string_view body, std::uint64_t offset) {
  Header header{blob_format::kRecordMagic, flags, raw, stored, 0, 0};
  header.sum = blob_format::sum_of(header, 7, offset);
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += body;
  bytes.resize(blob_format::padded(bytes.size()));
  return bytes;
}

std::string frame_claiming(std::uint64_t size) {
  // Magic, a descriptor with an eight-byte size and one segment, and one raw block of nothing.
  std::string frame("\x28\xb5\x2f\xfd\xe0", 5);
  Encoder(frame).fixed(size);
  frame.append("\x01\x00\x00", 3);
  return frame;
}

}  // namespace

TEST_CASE("forged headers with good sums give errors and no large allocation") {
  const std::string packed = [] {
    std::string out(10000, '\0');
    const std::string text = prose(5000, 1);
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
  }();
  struct Case {
    const char* what;
    std::uint32_t flags;
    std::uint64_t raw;
    std::string body;
  };
  const std::vector<Case> cases = {
      {"claims a gigabyte, frame too", 2, kMaxBlobBytes, frame_claiming(kMaxBlobBytes)},
      {"claims a gigabyte, frame less", 2, kMaxBlobBytes, packed},
      {"claims more than the limit", 2, kMaxBlobBytes * 2, frame_claiming(kMaxBlobBytes * 2)},
      {"no zstd at all", 2, 100, "hello, this is not zstd"},
      {"a wrong size", 2, 4999, packed},
      {"a wrong hash", 2, 5000, packed},
      {"a cut frame", 2, 5000, packed.substr(0, packed.size() / 2)},
      {"a dictionary that is not there", 3, 5000, packed},
      {"a trailer that is not there", 1 | kBlobStreamed, 8, "12345678"},
      {"unknown flags", 1 | (1U << 15), 8, "12345678"},
      {"raw of two sizes", 1, 9, "12345678"},
  };
  for (const Case& c : cases) {
    INFO(c.what);
    std::string section = forged_record(c.flags, c.raw, c.body.size(), c.body, 0);
    section += std::string(24, '\0');
    const Forged arena(section);
    REQUIRE(arena.reader);
    std::string out;
    const Status status = arena.reader->read({7, 0, c.flags, c.raw, c.body.size()}, out);
    REQUIRE(!status);
    CHECK(status.error().code == Errc::damaged);
    CHECK(out.capacity() < 10'000'000);
    BlobCursor cursor(*arena.reader);
    for (int i = 0; i < 10; ++i) (void)cursor.next();
  }
}

TEST_CASE("a record in the wrong place, or reaching past the section, is not served") {
  const std::string good = forged_record(1, 8, 8, "12345678", 0);
  const auto view = [](const Forged& arena, std::uint64_t offset, std::uint64_t bytes) {
    return arena.reader->view({7, offset, 1, bytes, bytes});
  };
  const Forged twice(good + good + std::string(24, '\0'));
  CHECK(view(twice, 0, 8));
  CHECK(!view(twice, good.size(), 8));
  const Forged long_one(forged_record(1, 32, 32, "12345678", 0) + std::string(24, '\0'));
  CHECK(!view(long_one, 0, 32));
  const Forged no_trailer(forged_record(1 | kBlobStreamed, 8, 8, "12345678", 0) +
                          std::string(16 + 24, '\0'));
  CHECK(!no_trailer.reader->view({7, 0, 1 | kBlobStreamed, 8, 8}));
}

TEST_CASE("references out of range, misaligned or into another file are errors") {
  Arena arena;
  auto writer = arena.writer();
  const auto ref = writer->append(as_bytes("payload"), Compression::raw);
  REQUIRE(ref);
  arena.finish(*writer);
  const auto code = [&](BlobRef changed) {
    std::string out;
    const auto view = arena.reader->view(changed);
    const Status status = arena.reader->read(changed, out);
    REQUIRE(!status);
    REQUIRE(!view);
    CHECK(view.error().code == status.error().code);
    return status.error().code;
  };
  BlobRef changed = *ref;
  changed.file = 8;
  CHECK(code(changed) == Errc::invalid_argument);
  for (const std::uint64_t offset : {std::uint64_t{4}, std::uint64_t{8}, std::uint64_t{1} << 20,
                                     ~std::uint64_t{0}, ~std::uint64_t{0} - 7}) {
    changed = *ref;
    changed.offset = offset;
    CHECK(code(changed) == Errc::damaged);
  }
  changed = *ref;
  changed.raw_bytes = changed.stored_bytes = 8;
  CHECK(code(changed) == Errc::damaged);
}

TEST_CASE("random sections in a sound container never crash a reader") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::string out;
  for (int round = 0; round < 150; ++round) {
    std::string section;
    while (section.size() < 2000) {
      std::string body = random() % 2 == 0 ? frame_claiming(random() % 5000) : noise(60, random());
      const std::uint32_t flags = static_cast<std::uint32_t>(random() % 4) |
                                  (random() % 8 == 0 ? kBlobStreamed : 0) |
                                  (random() % 8 == 0 ? kBlobDictionary : 0);
      const std::uint64_t raw = random() % 3 == 0 ? body.size() : random() % 6000;
      section += forged_record(flags, raw, random() % 9 == 0 ? random() : body.size(), body,
                               section.size());
    }
    for (std::uint64_t i = random() % 5; i > 0; --i) {
      section[random() % section.size()] = static_cast<char>(random());
    }
    const Forged arena(std::string_view(section).substr(0, random() % section.size()));
    if (!arena.reader) continue;
    BlobCursor cursor(*arena.reader);
    for (int steps = 0; steps < 1000; ++steps) {
      const auto next = cursor.next();
      if (!next) continue;
      if (!*next) break;
      (void)arena.reader->read(**next, out);
      (void)arena.reader->view(**next);
    }
  }
}

TEST_CASE("a file number that is taken and a bad dictionary are refused") {
  Arena arena;
  auto writer = arena.writer();
  const auto again = BlobWriter::create(real_os(), arena.directory.path(), kPalace, 7);
  REQUIRE(!again);
  CHECK(again.error().code == Errc::already_exists);
  const std::string large(std::size_t{2} << 20, 'x');
  const auto refused =
      BlobWriter::create(real_os(), arena.directory.path(), kPalace, 8, {.dictionary = large});
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::invalid_argument);
}
