#include "storage/segment.hpp"

#include <catch2/catch.hpp>

#include <random>
#include <thread>

#include "storage/codec.hpp"
#include "storage/segment_format.hpp"
#include "tests/support/segment_files.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using namespace aeon::storage;
using aeon::test::flip;
using aeon::test::kPalace;
using aeon::test::random_text;
using aeon::test::TempDirectory;
using aeon::test::write_segment;

namespace {

Result<std::shared_ptr<const Segment>> open_segment(const std::string& directory,
                                                    const SegmentInfo& info) {
  return Segment::open(real_os(), directory, kPalace, FileKind::segment, info);
}

}  // namespace

TEST_CASE("sections come back as they were written, whatever their sizes") {
  const TempDirectory scratch;
  std::uint64_t number = 0;
  const std::size_t mib = std::size_t{1} << 20;
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{4032},
                                  std::size_t{4096}, mib - 4096, mib, 3 * mib + 17}) {
    const std::string first = random_text(bytes, bytes);
    const std::string second = random_text(bytes / 3, bytes + 1);
    const SegmentInfo info = write_segment(scratch.path(), ++number, {first, second});
    const auto segment = open_segment(scratch.path(), info);
    REQUIRE(segment);
    REQUIRE((*segment)->sections().size() == 2);
    const Section* fences = (*segment)->find(SectionKind::run_fences);
    REQUIRE(fences != nullptr);
    CHECK(fences->bytes == second.size());
    CHECK(fences->items == second.size());
    CHECK(fences->offset % 64 == 0);
    const Section& blocks = (*segment)->sections()[0];
    CHECK(as_view((*segment)->read(blocks.offset, blocks.bytes).value()) == first);
    CHECK(as_view((*segment)->read(fences->offset, fences->bytes).value()) == second);
    CHECK((*segment)->find(SectionKind::blob_records) == nullptr);
    CHECK((*segment)->scrub().empty());
    CHECK((*segment)->damaged_pages() == 0);
    CHECK((*segment)->info() == info);
  }
}

TEST_CASE("many small appends equal one large append") {
  const TempDirectory scratch;
  const std::string text = random_text(5'000'000, 5);
  const SegmentInfo whole = write_segment(scratch.path(), 1, {text});
  REQUIRE(real_os().rename(scratch / "seg-000001", scratch / "whole"));
  auto writer =
      SegmentWriter::create(real_os(), scratch.path(), kPalace, FileKind::segment, 1, 10, 20);
  REQUIRE((*writer)->begin_section(SectionKind::run_blocks));
  std::mt19937_64 random(7);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t count = std::min<std::size_t>(random() % 3'000'000, text.size() - at);
    REQUIRE((*writer)->append(as_bytes(text).subspan(at, count)));
    at += count;
  }
  REQUIRE((*writer)->end_section(text.size()));
  CHECK((*writer)->finish().value() == whole);
}

TEST_CASE("align pads within a section") {
  const TempDirectory scratch;
  auto writer =
      SegmentWriter::create(real_os(), scratch.path(), kPalace, FileKind::blob, 1, 1, 1).value();
  REQUIRE(writer->begin_section(SectionKind::blob_records, 4096));
  REQUIRE(writer->append(as_bytes("abc")));
  REQUIRE(writer->align(64));
  CHECK(writer->section_offset() == 64);
  REQUIRE(writer->align(64));
  CHECK(writer->section_offset() == 64);
  REQUIRE(writer->align(4096));
  CHECK(writer->section_offset() == 4096);
  REQUIRE(writer->end_section(1));
  const SegmentInfo info = writer->finish().value();
  const auto segment = Segment::open(real_os(), scratch.path(), kPalace, FileKind::blob, info);
  REQUIRE(segment);
  CHECK((*segment)->sections()[0].offset == 4096);
  CHECK((*segment)->sections()[0].bytes == 4096);
}

TEST_CASE("every flipped byte of a segment is found by open or scrub") {
  const TempDirectory scratch;
  const std::string path = scratch / "seg-000001";
  const SegmentInfo info =
      write_segment(scratch.path(), 1, {random_text(9000, 1), random_text(700, 2)});
  for (std::uint64_t offset = 0; offset < info.bytes; ++offset) {
    flip(path, offset, 0x10);
    const auto segment = open_segment(scratch.path(), info);
    bool found = !segment && segment.error().code == Errc::damaged;
    if (segment) {
      const auto bad = (*segment)->scrub();
      // A flipped entry of the table shows twice: in the table page and in the page it describes.
      found = !bad.empty() && std::ranges::find(bad, offset / kPageBytes) != bad.end() &&
              (*segment)->damaged_pages() == bad.size();
    }
    flip(path, offset, 0x10);
    if (!found) {
      INFO("offset " << offset);
      REQUIRE(found);
    }
  }
  REQUIRE(open_segment(scratch.path(), info));
}

TEST_CASE("a damaged page is named, remembered and does not hide its neighbours") {
  const TempDirectory scratch;
  const std::string text = random_text(40'960, 3);
  const SegmentInfo info = write_segment(scratch.path(), 1, {text});
  flip(scratch / "seg-000001", 5 * kPageBytes + 100, 1);
  const auto segment = open_segment(scratch.path(), info).value();
  const auto bad = segment->read(4 * kPageBytes, 3 * kPageBytes);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == Errc::damaged);
  CHECK(bad.error().message.find("seg-000001: page 5 (offset 20480)") != std::string::npos);
  CHECK(segment->damaged_pages() == 1);
  CHECK(segment->checked(5 * kPageBytes + 4095, 1) == nullptr);
  CHECK(segment->checked(4 * kPageBytes + 1, 4095) != nullptr);
  CHECK(segment->checked(6 * kPageBytes, 4096) != nullptr);
  CHECK(segment->damaged_pages() == 1);
  segment->populate();
  CHECK(segment->damaged_pages() == 1);
  CHECK(segment->scrub() == std::vector<std::uint64_t>{5});
}

TEST_CASE("damage in the sum table costs only the page whose entry it hit") {
  const TempDirectory scratch;
  const SegmentInfo info = write_segment(scratch.path(), 1, {random_text(40'000, 4)});
  const std::uint64_t table = info.bytes - 2 * kPageBytes;
  flip(scratch / "seg-000001", table + 3 * 8, 1);
  const auto segment = open_segment(scratch.path(), info).value();
  CHECK(segment->checked(kPageBytes, 2 * kPageBytes) != nullptr);
  CHECK(segment->checked(4 * kPageBytes, 4 * kPageBytes) != nullptr);
  const auto bad = segment->read(3 * kPageBytes, 1);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message.find("table of sums") != std::string::npos);
}

TEST_CASE("pages that changed places do not verify") {
  const TempDirectory scratch;
  const SegmentInfo info = write_segment(scratch.path(), 1, {random_text(40'000, 4)});
  auto file = real_os().open_file(scratch / "seg-000001", OpenMode::read_write).value();
  std::vector<std::byte> one(kPageBytes), two(kPageBytes);
  const std::uint64_t table = info.bytes - 2 * kPageBytes;
  for (const std::uint64_t offset : {std::uint64_t{2 * kPageBytes}, std::uint64_t{table}}) {
    REQUIRE(file->read_at(one, offset));
    REQUIRE(file->read_at(two, 3 * kPageBytes));
    REQUIRE(file->write_at(two, offset));
    REQUIRE(file->write_at(one, 3 * kPageBytes));
    const auto segment = open_segment(scratch.path(), info);
    CHECK((!segment || segment.value()->scrub().size() >= 2));
  }
}

TEST_CASE("a page that changed places together with its sum does not verify") {
  const TempDirectory scratch;
  const SegmentInfo info = write_segment(scratch.path(), 1, {random_text(40'000, 4)});
  auto file = real_os().open_file(scratch / "seg-000001", OpenMode::read_write).value();
  const std::uint64_t table = info.bytes - 2 * kPageBytes;
  const auto swap_ranges = [&](std::uint64_t a, std::uint64_t b, std::size_t bytes) {
    std::vector<std::byte> one(bytes), two(bytes);
    REQUIRE(file->read_at(one, a));
    REQUIRE(file->read_at(two, b));
    REQUIRE(file->write_at(one, b));
    REQUIRE(file->write_at(two, a));
  };
  swap_ranges(2 * kPageBytes, 3 * kPageBytes, kPageBytes);
  swap_ranges(table + 2 * 8, table + 3 * 8, 8);
  const auto segment = open_segment(scratch.path(), info).value();
  CHECK(segment->checked(2 * kPageBytes, 1) == nullptr);
  CHECK(segment->checked(3 * kPageBytes, 1) == nullptr);
  CHECK(segment->checked(4 * kPageBytes, 1) != nullptr);
}

TEST_CASE("a footer with a true sum and any content leads nowhere outside the file") {
  const TempDirectory scratch;
  const SegmentInfo info = write_segment(scratch.path(), 1, {random_text(9000, 4), "fences"});
  auto file = real_os().open_file(scratch / "seg-000001", OpenMode::read_write).value();
  const std::uint64_t at = info.bytes - kPageBytes;
  std::vector<std::byte> footer(kPageBytes);
  REQUIRE(file->read_at(footer, at));
  const std::uint64_t salt = segment_format::file_salt(kPalace, FileKind::segment, 1);
  std::mt19937_64 random(12);
  int opened = 0;
  for (int round = 0; round < 2000; ++round) {
    auto changed = footer;
    for (std::uint64_t i = random() % 3; i < 3; ++i) {
      const std::uint64_t value = random() >> (random() % 64);
      std::memcpy(changed.data() + 8 + random() % 128, &value, sizeof value);
    }
    SegmentInfo expected = info;
    expected.footer_sum = segment_format::own_sum(changed.data(), salt, at / kPageBytes);
    std::memcpy(changed.data() + kPageBytes - 8, &expected.footer_sum, 8);
    REQUIRE(file->write_at(changed, at));
    const auto segment = open_segment(scratch.path(), expected);
    if (!segment) {
      REQUIRE(segment.error().code == Errc::damaged);
      continue;
    }
    ++opened;
    for (const Section& section : (*segment)->sections()) {
      REQUIRE((*segment)->checked(section.offset, section.bytes) != nullptr);
    }
    static_cast<void>((*segment)->scrub());
  }
  CHECK(opened > 0);
  CHECK(opened < 2000);
}

TEST_CASE("requests outside the data are damage, not access") {
  const TempDirectory scratch;
  const SegmentInfo info = write_segment(scratch.path(), 1, {random_text(5000, 4)});
  const auto segment = open_segment(scratch.path(), info).value();
  const std::uint64_t end = info.bytes - 2 * kPageBytes;
  CHECK(segment->checked(end, 0) != nullptr);
  CHECK(segment->checked(end, 1) == nullptr);
  CHECK(segment->checked(end - 1, 1) != nullptr);
  CHECK(segment->checked(0, end + 1) == nullptr);
  CHECK(segment->checked(~std::uint64_t{0}, 2) == nullptr);
  CHECK(segment->read(8, ~std::uint64_t{0}).error().code == Errc::damaged);
  CHECK(segment->damaged_pages() == 0);
}

TEST_CASE("open tells missing, foreign, newer and mistaken files apart") {
  const TempDirectory scratch;
  const std::string path = scratch / "seg-000001";
  const SegmentInfo info = write_segment(scratch.path(), 1, {"hello"});
  SegmentInfo other = info;
  other.number = 2;
  CHECK(open_segment(scratch.path(), other).error().code == Errc::missing_file);
  REQUIRE(real_os().link(path, scratch / "seg-000002"));
  CHECK(open_segment(scratch.path(), other).error().code == Errc::damaged);
  CHECK(Segment::open(real_os(), scratch.path(), {9, 9}, FileKind::segment, info).error().code ==
        Errc::foreign_file);
  for (auto field : {&SegmentInfo::bytes, &SegmentInfo::footer_sum, &SegmentInfo::first_commit,
                     &SegmentInfo::last_commit}) {
    SegmentInfo wrong = info;
    wrong.*field += kPageBytes;
    CHECK(open_segment(scratch.path(), wrong).error().code == Errc::damaged);
  }
  CHECK(SegmentWriter::create(real_os(), scratch.path(), kPalace, FileKind::segment, 1, 1, 1)
            .error()
            .code == Errc::already_exists);

  // A later version keeps the first 64 bytes and their sum.
  auto file = real_os().open_file(path, OpenMode::read_write).value();
  std::string head(64, '\0');
  REQUIRE(file->read_at(std::as_writable_bytes(std::span(head)), 0));
  head[8] = kFormatVersion + 1;
  const std::uint64_t sum = hash64(as_bytes(head).first(56), 0x64616568);
  std::memcpy(head.data() + 56, &sum, 8);
  REQUIRE(file->write_at(as_bytes(head), 0));
  CHECK(open_segment(scratch.path(), info).error().code == Errc::newer_format);
}

TEST_CASE("threads that touch the same pages first agree") {
  const TempDirectory scratch;
  const SegmentInfo info = write_segment(scratch.path(), 1, {random_text(4'000'000, 6)});
  flip(scratch / "seg-000001", 500 * kPageBytes, 1);
  const auto segment = open_segment(scratch.path(), info).value();
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t page = 1; page < 900; ++page) {
        const bool good = segment->checked(page * kPageBytes, kPageBytes) != nullptr;
        if (good != (page != 500)) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(segment->damaged_pages() == 1);
}
