#include "storage/manifest.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <random>

#include "storage/codec.hpp"
#include "storage/manifest_record.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using namespace aeon::storage;
using aeon::test::TempDirectory;

namespace {

constexpr PalaceUuid kPalace{77, 88};

ManifestState sample(std::uint64_t commit, std::size_t segments = 3) {
  ManifestState state;
  state.palace = kPalace;
  state.epoch = 4;
  state.settled_commit = commit;
  state.settled_chain = {commit * 3, commit * 5};
  state.first_log = 9;
  state.next_file = commit + 100;
  state.created_ns = -12;
  for (std::uint64_t i = 0; i < segments; ++i) {
    state.segments.push_back({i + 1, i * 10, i * 10 + 9, 4096 * i, i * commit});
  }
  state.blobs.push_back({{50, 1, 2, 8192, 6}, 3, 1000 + commit});
  state.engine_state = "spaces " + std::to_string(commit);
  return state;
}

// `state` as it comes back: the sequence is the manifest's business.
ManifestState numbered(ManifestState state, std::uint64_t sequence) {
  state.sequence = sequence;
  return state;
}

Manifest make(const TempDirectory& scratch, std::uint64_t records) {
  auto manifest = Manifest::create(real_os(), scratch.path(), sample(1));
  REQUIRE(manifest);
  for (std::uint64_t i = 2; i <= records; ++i) REQUIRE(manifest->append(sample(i)));
  return std::move(*manifest);
}

Result<Manifest> reopen(const TempDirectory& scratch, bool read_only = false) {
  return Manifest::open(real_os(), scratch.path(), read_only);
}

std::unique_ptr<File> raw(const TempDirectory& scratch, std::uint64_t number = 1) {
  return real_os().open_file(scratch / file_name("manifest", number), OpenMode::read_write).value();
}

void flip(File& file, std::uint64_t offset) {
  std::byte byte{};
  REQUIRE(file.read_at({&byte, 1}, offset).value() == 1);
  byte ^= std::byte{0x40};
  REQUIRE(file.write_at({&byte, 1}, offset));
}

}  // namespace

TEST_CASE("the last appended state comes back whole") {
  const TempDirectory scratch;
  const Manifest written = make(scratch, 3);
  CHECK(written.state() == numbered(sample(3), 3));
  for (const bool read_only : {true, false}) {
    const auto read = reopen(scratch, read_only);
    REQUIRE(read);
    CHECK(read->state() == written.state());
    CHECK(read->position() == written.position());
    CHECK(read->position().records == 3);
    CHECK(read->recovery_note().bytes == 0);
  }
}

TEST_CASE("a directory without a manifest is not a palace and a palace is not made twice") {
  const TempDirectory scratch;
  CHECK(reopen(scratch).error().code == Errc::not_a_palace);
  CHECK(Manifest::open(real_os(), scratch / "no", true).error().code == Errc::not_a_palace);
  make(scratch, 1);
  CHECK(Manifest::create(real_os(), scratch.path(), sample(1)).error().code ==
        Errc::already_exists);
  CHECK(Manifest::create(real_os(), scratch.path(), {}).error().code == Errc::invalid_argument);
}

TEST_CASE("a manifest opened for reading refuses to append") {
  const TempDirectory scratch;
  make(scratch, 1);
  CHECK(reopen(scratch, true)->append(sample(2)).error().code == Errc::read_only);
}

TEST_CASE("processes that append in turn see each other's records") {
  const TempDirectory scratch;
  Manifest first = make(scratch, 1);
  auto second = reopen(scratch).value();
  auto reader = reopen(scratch, true).value();
  for (std::uint64_t i = 2; i < 300; i += 2) {
    REQUIRE(second.append(sample(i)));
    CHECK(first.append(sample(i + 1)).error().code == Errc::version_conflict);
    CHECK(first.state() == second.state());
    REQUIRE(first.append(sample(i + 1)));
    CHECK(second.refresh().value());
    CHECK_FALSE(second.refresh().value());
    CHECK(second.state() == first.state());
    CHECK(second.position() == first.position());
    if (i % 100 == 0) {
      CHECK(reader.refresh().value());
      CHECK(reader.state() == first.state());
    }
  }
  CHECK(reopen(scratch)->state() == first.state());
}

TEST_CASE("behind a record that another wrote nobody appends, the file is replaced") {
  const TempDirectory scratch;
  Manifest first = make(scratch, 2);
  CHECK(first.position().file_number == 1);
  auto second = reopen(scratch).value();
  REQUIRE(second.append(sample(3)));
  CHECK(second.position().file_number == 2);
  REQUIRE(second.append(sample(4)));
  CHECK(second.position().file_number == 2);
  CHECK(second.position().records == 2);
  REQUIRE(first.refresh().value());
  REQUIRE(first.append(sample(5)));
  CHECK(first.position().file_number == 3);
}

TEST_CASE("a grown file is replaced whole and the old one goes") {
  const TempDirectory scratch;
  Manifest manifest = make(scratch, 1);
  std::uint64_t largest = 0;
  for (std::uint64_t i = 2; i < 200; ++i) {
    REQUIRE(manifest.append(sample(i)));
    largest = std::max(largest, raw(scratch, manifest.position().file_number)->size().value());
  }
  CHECK(largest <= 256 * 1024);
  CHECK(manifest.position().file_number == 4);
  CHECK(real_os().list_directory(scratch.path()).value() ==
        std::vector<std::string>{"manifest-000004"});
  CHECK(reopen(scratch)->state() == manifest.state());
}

TEST_CASE("states larger than the replacement size work") {
  const TempDirectory scratch;
  Manifest manifest = make(scratch, 1);
  for (std::uint64_t i = 2; i < 12; ++i) REQUIRE(manifest.append(sample(i, 20'000)));
  CHECK(reopen(scratch)->state() == manifest.state());
  ManifestState absurd = sample(3);
  absurd.engine_state.resize(65 << 20);
  CHECK(manifest.append(absurd).error().code == Errc::too_large);
  REQUIRE(manifest.append(sample(3)));
}

TEST_CASE("a torn tail is reported, not believed, and the next append leaves it behind") {
  const TempDirectory scratch;
  const auto written = make(scratch, 3).position();
  const std::uint64_t end = raw(scratch)->size().value();
  for (const std::size_t torn : {std::size_t{1}, std::size_t{4096}, std::size_t{9000}}) {
    REQUIRE(raw(scratch)->write_at(as_bytes(std::string(torn, 'x')), end));
    const auto read = reopen(scratch, true).value();
    CHECK(read.state() == numbered(sample(3), 3));
    CHECK(read.recovery_note().bytes == torn);
    CHECK(read.recovery_note().offset == end);
    CHECK(read.recovery_note().path == scratch / "manifest-000001");
    CHECK(read.position() == written);
  }
  auto writer = reopen(scratch).value();
  CHECK(raw(scratch)->size().value() == end + 9000);
  REQUIRE(writer.append(sample(4)));
  CHECK(writer.position().file_number == 2);
  const auto read = reopen(scratch).value();
  CHECK(read.state() == numbered(sample(4), 4));
  CHECK(read.recovery_note().bytes == 0);
}

TEST_CASE("a record that died with its writer does not stop another process") {
  const TempDirectory scratch;
  Manifest survivor = make(scratch, 2);
  const std::uint64_t end = raw(scratch)->size().value();
  REQUIRE(raw(scratch)->write_at(as_bytes(std::string(5000, 'x')), end));
  CHECK_FALSE(survivor.refresh().value());
  CHECK(survivor.recovery_note().bytes == 5000);
  REQUIRE(survivor.append(sample(3)));
  CHECK(reopen(scratch)->state() == survivor.state());
}

TEST_CASE("damage before a valid record is an error that names file and offset") {
  const TempDirectory scratch;
  make(scratch, 4);
  flip(*raw(scratch), 2 * kPageBytes + 100);
  const auto read = reopen(scratch);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == Errc::damaged);
  CHECK(read.error().message.find("manifest-000001: the record at offset 8192") !=
        std::string::npos);
}

TEST_CASE("every flipped byte of a manifest is found") {
  const TempDirectory scratch;
  const Manifest written = make(scratch, 3);
  const auto file = raw(scratch);
  const std::uint64_t size = file->size().value();
  REQUIRE(size == 4 * kPageBytes);
  for (std::uint64_t offset = 0; offset < size; ++offset) {
    flip(*file, offset);
    const auto read = reopen(scratch, true);
    const bool in_last = offset >= 3 * kPageBytes;
    const bool found = in_last ? read && read->recovery_note().bytes == kPageBytes &&
                                     read->position() != written.position()
                               : !read && read.error().code == Errc::damaged;
    flip(*file, offset);
    if (!found) {
      INFO("offset " << offset);
      REQUIRE(found);
    }
  }
  CHECK(reopen(scratch)->state() == written.state());
}

TEST_CASE("records of another place, file or palace are not taken") {
  const TempDirectory scratch;
  make(scratch, 3);
  std::string page(kPageBytes, '\0');
  const auto file = raw(scratch);
  REQUIRE(file->read_at(std::as_writable_bytes(std::span(page)), 3 * kPageBytes));
  REQUIRE(file->write_at(as_bytes(page), 4 * kPageBytes));
  CHECK(reopen(scratch)->recovery_note().bytes == kPageBytes);

  REQUIRE(real_os().rename(scratch / "manifest-000001", scratch / "manifest-000002"));
  CHECK(reopen(scratch).error().code == Errc::damaged);

  const TempDirectory other;
  ManifestState foreign = sample(1);
  foreign.palace = {1, 1};
  REQUIRE(Manifest::create(real_os(), other.path(), foreign));
  REQUIRE(real_os().rename(scratch / "manifest-000002", scratch / "manifest-000001"));
  REQUIRE(raw(other)->read_at(std::as_writable_bytes(std::span(page)), kPageBytes));
  REQUIRE(file->write_at(as_bytes(page), kPageBytes));
  CHECK(reopen(scratch).error().code == Errc::damaged);
}

TEST_CASE("a newer manifest is refused by name and left alone") {
  const TempDirectory scratch;
  make(scratch, 1);
  const auto file = raw(scratch);
  auto head = load<manifest_format::Head>(manifest_format::encode_head(kPalace, 1).data());
  head.version = kFormatVersion + 1;
  head.sum = hash64(std::as_bytes(std::span(&head, 1)).first(40), manifest_format::kHeadMagic);
  REQUIRE(file->write_at(std::as_bytes(std::span(&head, 1)), 0));
  CHECK(reopen(scratch).error().code == Errc::newer_format);
}

TEST_CASE("a record with a true sum and any payload is read or refused, never believed too far") {
  const TempDirectory scratch;
  make(scratch, 1);
  const auto file = raw(scratch);
  std::string record(kPageBytes, '\0');
  REQUIRE(file->read_at(std::as_writable_bytes(std::span(record)), kPageBytes));
  const std::uint64_t seed = place_seed(place_seed(manifest_format::kRecordMagic, 1), kPageBytes);
  constexpr std::size_t kChain = 56;
  std::mt19937_64 random(11);
  std::uint64_t refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string changed = record;
    for (std::uint64_t i = random() % 4; i < 4; ++i) {
      const std::uint64_t value = random() >> (random() % 64);
      const std::size_t at = 72 + random() % 240;
      std::memcpy(changed.data() + at, &value, sizeof value);
    }
    std::memset(changed.data() + kChain, 0, sizeof(Hash128));
    const Hash128 chain = hash128(as_bytes(changed), seed);
    std::memcpy(changed.data() + kChain, &chain, sizeof chain);
    REQUIRE(file->write_at(as_bytes(changed), kPageBytes));
    const auto read = reopen(scratch, true);
    if (!read) {
      ++refused;
      REQUIRE(read.error().code == Errc::damaged);
    }
  }
  CHECK(refused > 100);
  CHECK(refused < 1900);
}

TEST_CASE("a manifest cut short under an open palace is an error") {
  const TempDirectory scratch;
  Manifest manifest = make(scratch, 3);
  std::filesystem::resize_file(scratch / "manifest-000001", 2 * kPageBytes);
  CHECK(manifest.refresh().error().code == Errc::damaged);
  CHECK(manifest.state() == numbered(sample(3), 3));
  CHECK(manifest.append(sample(4)).error().code == Errc::damaged);
  std::filesystem::resize_file(scratch / "manifest-000001", 100);
  CHECK(reopen(scratch).error().code == Errc::damaged);
  std::filesystem::resize_file(scratch / "manifest-000001", 0);
  CHECK(reopen(scratch).error().code == Errc::damaged);
}
