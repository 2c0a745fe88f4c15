#include "storage/scrubber.hpp"

#include <catch2/catch.hpp>

#include "tests/support/segment_files.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/watched_os.hpp"

using namespace aeon;
using namespace aeon::storage;
using test::flip;
using test::kPalace;
using test::random_text;
using test::TempDirectory;
using test::write_segment;

namespace {

const std::atomic<bool> kGoOn{false};

std::shared_ptr<const Segment> segment(const TempDirectory& scratch, std::uint64_t number,
                                       std::size_t bytes) {
  const SegmentInfo info = write_segment(scratch.path(), number, {random_text(bytes, number)});
  return Segment::open(real_os(), scratch.path(), kPalace, FileKind::segment, info).value();
}

std::uint64_t bytes_of(std::span<const Scrubber::Item> items) {
  std::uint64_t bytes = 0;
  for (const Scrubber::Item& item : items) bytes += item.file->info().bytes;
  return bytes;
}

// A machine whose device gives some pages otherwise than memory, or not at all.
class RottenOs final : public test::WatchedOs {
 public:
  enum class Fault { flipped, unreadable };
  RottenOs(Fault fault, std::uint64_t page)
      : WatchedOs([](std::string_view, const std::string&) {}), fault_(fault), page_(page) {}

  Result<std::unique_ptr<File>> open_file(const std::string& path, OpenMode mode) override {
    auto file = real_os().open_file(path, mode);
    if (!file || mode != OpenMode::read_device) return file;
    return std::make_unique<RottenFile>(std::move(*file), fault_, page_);
  }

 private:
  class RottenFile final : public File {
   public:
    RottenFile(std::unique_ptr<File> file, Fault fault, std::uint64_t page)
        : file_(std::move(file)), fault_(fault), at_(page * kPageBytes) {}
    Result<std::size_t> read_at(std::span<std::byte> buffer, std::uint64_t offset) const override {
      const bool touches = offset <= at_ && at_ < offset + buffer.size();
      if (touches && fault_ == Fault::unreadable) {
        return std::unexpected(os_error(EIO, "pread"));
      }
      auto read = file_->read_at(buffer, offset);
      if (touches) buffer[at_ - offset] ^= std::byte{1};
      return read;
    }
    Status write_at(std::span<const std::byte> bytes, std::uint64_t offset) override {
      return file_->write_at(bytes, offset);
    }
    void begin_sync(std::uint64_t, std::uint64_t) noexcept override {}
    Status sync() override { return file_->sync(); }
    Result<std::uint64_t> size() const override { return file_->size(); }
    void drop_cache() override {}
    Result<bool> try_lock(std::uint64_t at, LockMode mode) override {
      return file_->try_lock(at, mode);
    }
    Status lock(std::uint64_t at, LockMode mode) override { return file_->lock(at, mode); }
    void unlock(std::uint64_t at) override { file_->unlock(at); }

   private:
    std::unique_ptr<File> file_;
    const Fault fault_;
    const std::uint64_t at_;
  };

  const Fault fault_;
  const std::uint64_t page_;
};

}  // namespace

TEST_CASE("a pass finds every byte that is flipped behind an open segment") {
  const TempDirectory scratch;
  const std::vector<Scrubber::Item> items = {{1, segment(scratch, 1, 9000)}};
  items[0].file->populate();  // the reader has checked every page and looks at none again
  for (std::uint64_t offset = 0; offset < items[0].file->info().bytes; ++offset) {
    flip(items[0].file->path(), offset, 0x10);
    Scrubber scrubber(real_os());
    Scrubber::Place place;
    const auto ended = scrubber.step(items, place, ~std::uint64_t{0}, kGoOn);
    const auto findings = scrubber.findings();
    const bool found = ended && *ended && !findings.bad.empty() &&
                       std::ranges::find(findings.bad, offset / kPageBytes,
                                         &Scrubber::BadPage::page) != findings.bad.end();
    flip(items[0].file->path(), offset, 0x10);
    if (!found) {
      INFO("offset " << offset);
      REQUIRE(found);
    }
  }
}

TEST_CASE("a pass in steps reads every page once") {
  const TempDirectory scratch;
  const std::vector<Scrubber::Item> items = {{1, segment(scratch, 1, 700'000)},
                                             {3, segment(scratch, 2, 100)},
                                             {8, segment(scratch, 3, 0)}};
  const std::uint64_t pages = bytes_of(items) / kPageBytes;
  for (const std::uint64_t step_pages : {std::uint64_t{1}, std::uint64_t{7}, pages - 1, pages}) {
    Scrubber scrubber(real_os());
    Scrubber::Place place;
    std::uint64_t steps = 0;
    for (bool ended = false; !ended; ++steps) {
      ended = scrubber.step(items, place, step_pages * kPageBytes, kGoOn).value();
      REQUIRE(steps <= pages);
    }
    const auto findings = scrubber.findings();
    CHECK(findings.bytes == bytes_of(items));
    CHECK(findings.passes == 1);
    CHECK(findings.bad.empty());
    CHECK(place.key == 0);
    CHECK(place.page == 0);
  }
}

TEST_CASE("a step that is stopped goes on where it was") {
  const TempDirectory scratch;
  const std::vector<Scrubber::Item> items = {{1, segment(scratch, 1, 50'000)}};
  Scrubber scrubber(real_os());
  Scrubber::Place place;
  const std::atomic<bool> stop{true};
  CHECK_FALSE(scrubber.step(items, place, ~std::uint64_t{0}, stop).value());
  CHECK(scrubber.findings().bytes == 0);
  CHECK(scrubber.step(items, place, ~std::uint64_t{0}, kGoOn).value());
  CHECK(scrubber.findings().bytes == bytes_of(items));
}

TEST_CASE("what the device gives counts, not what memory holds") {
  const TempDirectory scratch;
  const std::vector<Scrubber::Item> items = {{1, segment(scratch, 1, 600'000)}};
  RottenOs os(RottenOs::Fault::flipped, 70);
  Scrubber scrubber(os);
  Scrubber::Place place;
  REQUIRE(scrubber.step(items, place, ~std::uint64_t{0}, kGoOn).value());
  const auto findings = scrubber.findings();
  REQUIRE(findings.bad.size() == 1);
  CHECK(findings.bad_pages == 1);
  CHECK(findings.bad[0].page == 70);
  CHECK(findings.bad[0].path == items[0].file->path());
  // Readers go on with what they have.
  CHECK(items[0].file->checked(0, items[0].file->info().bytes - 2 * kPageBytes) != nullptr);
  CHECK(items[0].file->damaged_pages() == 0);
}

TEST_CASE("a page that can't be read is named, those beside it are read") {
  const TempDirectory scratch;
  const std::vector<Scrubber::Item> items = {{1, segment(scratch, 1, 600'000)}};
  RottenOs os(RottenOs::Fault::unreadable, 33);
  Scrubber scrubber(os);
  Scrubber::Place place;
  REQUIRE(scrubber.step(items, place, ~std::uint64_t{0}, kGoOn).value());
  const auto findings = scrubber.findings();
  REQUIRE(findings.bad.size() == 1);
  CHECK(findings.bad[0].page == 33);
  CHECK(findings.bad[0].what.find("pread") != std::string::npos);
  CHECK(findings.bytes == bytes_of(items));
}

TEST_CASE("findings last until their page is read again or their file is gone") {
  const TempDirectory scratch;
  std::vector<Scrubber::Item> items = {{1, segment(scratch, 1, 9000)},
                                       {2, segment(scratch, 2, 9000)}};
  flip(items[0].file->path(), 5000, 1);
  flip(items[1].file->path(), 5000, 1);
  Scrubber scrubber(real_os());
  Scrubber::Place place;
  const auto pass = [&] {
    REQUIRE(scrubber.step(items, place, ~std::uint64_t{0}, kGoOn).value());
    return scrubber.findings();
  };
  CHECK(pass().bad_pages == 2);
  CHECK(pass().bad_pages == 2);  // not twice
  flip(items[0].file->path(), 5000, 1);
  const auto repaired = pass();
  REQUIRE(repaired.bad.size() == 1);
  CHECK(repaired.bad[0].key == 2);
  // Not there any more while the item still names it, then not named.
  REQUIRE(real_os().unlink(items[1].file->path()));
  CHECK(pass().bad.empty());
  items.pop_back();
  CHECK(pass().passes == 5);
}
