#include "storage/run.hpp"

#include <catch2/catch.hpp>

#include "tests/support/run_files.hpp"

using namespace aeon;
using namespace aeon::storage;
using namespace aeon::test;

namespace {

Entries many_entries(std::uint64_t seed, std::size_t count, std::size_t value_bytes) {
  std::mt19937_64 random(seed);
  Entries entries;
  while (entries.size() < count) {
    entries.emplace(random_key(random, 3, 100'000), random_bytes(random, random() % value_bytes));
  }
  return entries;
}

// What a walk over everything finds, passing over damage; counts the errors met.
Entries salvage(RunCursor& cursor, int& errors) {
  Entries found;
  cursor.seek_first();
  for (;;) {
    for (; cursor.valid(); cursor.next()) found.emplace(cursor.key(), cursor.value());
    if (cursor.status()) return found;
    REQUIRE(cursor.status().error().code == Errc::damaged);
    ++errors;
    cursor.skip_block();
  }
}

bool is_subset(const Entries& part, const Entries& whole) {
  return std::ranges::all_of(part, [&](const auto& entry) {
    const auto at = whole.find(entry.first);
    return at != whole.end() && at->second == entry.second;
  });
}

}  // namespace

TEST_CASE("a run gives back its entries and finds every lower bound") {
  const TempDirectory scratch;
  std::uint64_t number = 0;
  for (const std::size_t count : {1UL, 2UL, 17UL, 3000UL}) {
    const Entries entries = many_entries(count, count, 60);
    const SegmentInfo info = write_run(scratch.path(), ++number, entries);
    const auto segment = open_segment(scratch.path(), info);
    const RunReader run = open_run(*segment);
    REQUIRE(run.entries() == count);
    REQUIRE((count < 1000 || run.blocks() > 20));
    RunCursor cursor(run);
    int errors = 0;
    REQUIRE(salvage(cursor, errors) == entries);
    REQUIRE(errors == 0);
    std::mt19937_64 random(count);
    for (int i = 0; i < 3000; ++i) {
      std::string target = random_key(random, 5, 120'000);
      if (i % 2 == 0) {
        target = std::next(entries.begin(), static_cast<long>(random() % count))->first;
      }
      if (i % 7 == 0) target.resize(random() % (target.size() + 1));
      cursor.seek(target);
      REQUIRE(cursor.status());
      const auto expected = entries.lower_bound(target);
      REQUIRE(cursor.valid() == (expected != entries.end()));
      if (!cursor.valid()) continue;
      REQUIRE(cursor.key() == expected->first);
      REQUIRE(cursor.value() == expected->second);
    }
  }
}

TEST_CASE("an empty run is a run") {
  const TempDirectory scratch;
  const auto segment = open_segment(scratch.path(), write_run(scratch.path(), 1, {}));
  const RunReader run = open_run(*segment);
  REQUIRE(run.entries() == 0);
  RunCursor cursor(run);
  cursor.seek_first();
  REQUIRE((!cursor.valid() && cursor.status()));
  cursor.seek("a");
  REQUIRE((!cursor.valid() && cursor.status()));
}

TEST_CASE("large values get blocks of their own and come back as views of the mapping") {
  const TempDirectory scratch;
  std::mt19937_64 random(8);
  Entries entries;
  for (const std::size_t bytes : {0UL, 10UL, 4096UL, 100UL, 512UL << 10, 20UL, 16UL << 20}) {
    entries[random_bytes(random, 30)] = random_bytes(random, bytes);
  }
  entries[std::string(run_format::kMaxKeyBytes, 'k')] = "long key";
  const auto segment = open_segment(scratch.path(), write_run(scratch.path(), 1, entries));
  const RunReader run = open_run(*segment);
  RunCursor cursor(run);
  int errors = 0;
  REQUIRE(salvage(cursor, errors) == entries);
  const Section& section = *segment->find(SectionKind::run_blocks);
  const std::string_view mapped = as_view(segment->read(section.offset, section.bytes).value());
  for (const auto& [key, value] : entries) {
    cursor.seek(key);
    REQUIRE(cursor.valid());
    REQUIRE(cursor.value() == value);
    REQUIRE(cursor.value().data() >= mapped.data());
    REQUIRE(cursor.value().data() + value.size() <= mapped.data() + mapped.size());
  }
}

TEST_CASE("a builder refuses keys that don't ascend and entries over the limits, for good") {
  const TempDirectory scratch;
  const std::string huge(run_format::kMaxValueBytes + 1, 'v');
  const std::string long_key(run_format::kMaxKeyBytes + 1, 'z');
  const std::vector<std::pair<std::string_view, std::string_view>> bad = {
      {"", ""}, {"m", ""}, {"a", ""}, {long_key, ""}, {"n", huge}};
  std::uint64_t number = 0;
  for (const auto& [key, value] : bad) {
    const auto writer = begin_segment(scratch.path(), ++number);
    auto builder = RunBuilder::create(*writer);
    REQUIRE(builder);
    REQUIRE(builder->add("m", "1"));
    REQUIRE(builder->last_key() == "m");
    const Errc expected =
        key.size() + value.size() > 100 ? Errc::too_large : Errc::invalid_argument;
    REQUIRE(builder->add(key, value).error().code == expected);
    REQUIRE(builder->add("zz", "fine").error().code == expected);
    REQUIRE(builder->finish().error().code == expected);
  }
}

TEST_CASE("a segment without a run, or with one that contradicts itself, is refused") {
  const TempDirectory scratch;
  std::uint64_t number = 0;
  for (const std::uint64_t fences : {0UL, 3UL}) {
    const auto writer = begin_segment(scratch.path(), ++number);
    REQUIRE(writer->begin_section(SectionKind::run_blocks));
    REQUIRE(writer->append(as_bytes("0123456789")));
    REQUIRE(writer->end_section(1));
    if (fences != 0) {
      REQUIRE(writer->begin_section(SectionKind::run_fences));
      REQUIRE(writer->append(as_bytes("0123456789")));
      REQUIRE(writer->end_section(fences));
    }
    const auto segment = open_segment(scratch.path(), finish_segment(*writer));
    REQUIRE(RunReader::open(*segment).error().code == Errc::damaged);
  }
}

TEST_CASE("a damaged page of blocks is an error where it lies and nowhere else") {
  const TempDirectory scratch;
  const Entries entries = many_entries(5, 1500, 60);
  const SegmentInfo info = write_run(scratch.path(), 1, entries);
  std::uint64_t first_page = 0;
  std::uint64_t last_page = 0;
  std::string path;
  {
    const auto segment = open_segment(scratch.path(), info);
    const Section& blocks = *segment->find(SectionKind::run_blocks);
    first_page = blocks.offset / kPageBytes;
    last_page = (blocks.offset + blocks.bytes - 1) / kPageBytes;
    path = segment->path();
  }
  REQUIRE(last_page > first_page + 10);
  for (std::uint64_t page = first_page; page <= last_page; ++page) {
    INFO("page " << page);
    flip_byte(path, page * kPageBytes + 100);
    const auto segment = open_segment(scratch.path(), info);
    const RunReader run = open_run(*segment);
    RunCursor cursor(run);
    int errors = 0;
    const Entries found = salvage(cursor, errors);
    REQUIRE(errors >= 1);
    REQUIRE(errors <= 3);
    REQUIRE(is_subset(found, entries));
    // A page is touched by three blocks at most, or four where one is short.
    REQUIRE(found.size() + 400 > entries.size());
    int misses = 0;
    for (const auto& [key, value] : entries) {
      cursor.seek(key);
      if (found.contains(key)) {
        REQUIRE(cursor.valid());
        REQUIRE(cursor.key() == key);
      } else {
        REQUIRE_FALSE(cursor.status());
        REQUIRE(cursor.status().error().code == Errc::damaged);
        REQUIRE(cursor.status().error().message.find(path) != std::string::npos);
        ++misses;
      }
    }
    REQUIRE(misses > 0);
    flip_byte(path, page * kPageBytes + 100);
  }
}

TEST_CASE("a damaged page of fences loses no entry") {
  const TempDirectory scratch;
  const Entries entries = many_entries(6, 40'000, 100);
  const SegmentInfo info = write_run(scratch.path(), 1, entries);
  std::uint64_t first_page = 0;
  std::uint64_t last_page = 0;
  std::string path;
  {
    const auto segment = open_segment(scratch.path(), info);
    const Section& fences = *segment->find(SectionKind::run_fences);
    // The page it shares with the blocks is left alone.
    first_page = (fences.offset + kPageBytes - 1) / kPageBytes;
    last_page = (fences.offset + fences.bytes - 1) / kPageBytes;
    path = segment->path();
  }
  REQUIRE(last_page > first_page + 3);
  const std::vector<std::pair<std::string, std::string>> list(entries.begin(), entries.end());
  std::mt19937_64 random(6);
  for (std::uint64_t page = first_page; page <= last_page + 1; ++page) {
    INFO("page " << page);
    if (page <= last_page) {
      flip_byte(path, page * kPageBytes + 100);
    } else {
      for (std::uint64_t each = first_page; each <= last_page; ++each) {
        flip_byte(path, each * kPageBytes + 100);
      }
    }
    const auto segment = open_segment(scratch.path(), info);
    const RunReader run = open_run(*segment);
    RunCursor cursor(run);
    for (int i = 0; i < (page <= last_page ? 2000 : 20); ++i) {
      const auto& [key, value] = list[random() % list.size()];
      cursor.seek(key);
      REQUIRE(cursor.valid());
      REQUIRE(cursor.key() == key);
      REQUIRE(cursor.value() == value);
    }
    REQUIRE(segment->damaged_pages() > 0);
    int errors = 0;
    REQUIRE(salvage(cursor, errors) == entries);
    REQUIRE(errors == 0);
    if (page <= last_page) flip_byte(path, page * kPageBytes + 100);
  }
}

namespace {

// Damages the second page of fences, and in the middle a block whose fence lies on it.
SegmentInfo write_doubly_damaged(const std::string& directory, const Entries& entries) {
  const SegmentInfo info = write_run(directory, 1, entries);
  const auto segment = open_segment(directory, info);
  const Section& fences = *segment->find(SectionKind::run_fences);
  const Section& blocks = *segment->find(SectionKind::run_blocks);
  const std::uint64_t page = fences.offset / kPageBytes + 1;
  const std::uint64_t number = (page * kPageBytes - fences.offset) / sizeof(run_format::Fence) + 50;
  REQUIRE(fences.items > number + 100);
  const auto fence = load<run_format::Fence>(
      segment->read(fences.offset + number * sizeof(run_format::Fence), 32).value().data());
  flip_byte(segment->path(), page * kPageBytes + 100);
  flip_byte(segment->path(), blocks.offset + fence.block_offset + fence.block_bytes / 2);
  return info;
}

}  // namespace

TEST_CASE("when a block and its fence are damaged the next readable fence leads on") {
  const TempDirectory scratch;
  const Entries entries = many_entries(7, 40'000, 100);
  const auto segment = open_segment(scratch.path(), write_doubly_damaged(scratch.path(), entries));
  const RunReader run = open_run(*segment);
  RunCursor cursor(run);
  int errors = 0;
  const Entries found = salvage(cursor, errors);
  REQUIRE(errors > 0);
  REQUIRE(is_subset(found, entries));
  REQUIRE(found.size() < entries.size());
  REQUIRE(found.size() > entries.size() / 2);
}

TEST_CASE("when a block and its fence are damaged but not the block's head, its length leads on") {
  const TempDirectory scratch;
  std::mt19937_64 random(12);
  Entries entries;
  while (entries.size() < 400) {
    entries.emplace(random_key(random, 2, 100'000), random_bytes(random, 20'000));
  }
  const auto segment = open_segment(scratch.path(), write_doubly_damaged(scratch.path(), entries));
  const RunReader run = open_run(*segment);
  RunCursor cursor(run);
  int errors = 0;
  const Entries found = salvage(cursor, errors);
  REQUIRE(errors == 1);
  REQUIRE(is_subset(found, entries));
  REQUIRE(found.size() == entries.size() - 1);
}

TEST_CASE("runs of garbage under good sums neither crash nor run away") {
  const TempDirectory scratch;
  const Entries entries = many_entries(9, 300, 40);
  std::string blocks;
  std::string fences;
  std::uint64_t fence_count = 0;
  {
    const auto segment = open_segment(scratch.path(), write_run(scratch.path(), 1, entries));
    for (const Section& section : segment->sections()) {
      std::string& into = section.kind == SectionKind::run_blocks ? blocks : fences;
      into = as_view(segment->read(section.offset, section.bytes).value());
      fence_count = section.items;
    }
  }
  std::size_t walked = 0;
  for (std::uint64_t seed = 2; seed <= 400; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const auto spoil = [&random](std::string bytes) {
      for (std::uint64_t flips = random() % 4; flips > 0; --flips) {
        bytes[random() % bytes.size()] = static_cast<char>(random() % 2 == 0 ? 0xff : random());
      }
      if (random() % 10 == 0) bytes.resize(random() % bytes.size());
      return bytes;
    };
    const auto writer = begin_segment(scratch.path(), seed);
    const std::uint64_t count = random() % 10 == 0 ? random() % 1000 : fence_count;
    REQUIRE(writer->begin_section(SectionKind::run_blocks));
    REQUIRE(writer->append(as_bytes(spoil(blocks))));
    REQUIRE(writer->end_section(random() % 10 == 0 ? random() : entries.size()));
    REQUIRE(writer->begin_section(SectionKind::run_fences));
    REQUIRE(writer->append(as_bytes(spoil(fences))));
    REQUIRE(writer->end_section(count));
    const auto segment = open_segment(scratch.path(), finish_segment(*writer));
    const auto run = RunReader::open(*segment);
    if (!run) continue;
    RunCursor cursor(*run);
    int errors = 0;
    walked += salvage(cursor, errors).size();
    REQUIRE(errors <= 2000);
    for (int i = 0; i < 50; ++i) {
      cursor.seek(random_key(random, 4, 120'000));
      for (int step = 0; step < 3 && cursor.valid(); ++step) cursor.next();
      while (!cursor.status()) cursor.skip_block();
    }
    REQUIRE(real_os().unlink(segment->path()));
  }
  REQUIRE(walked > 10'000);
}
