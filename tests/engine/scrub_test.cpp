// Settled files read again from the device, by a palace's own thread and by a call.
#include <catch2/catch.hpp>

#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/support/segment_files.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using namespace std::chrono_literals;

namespace {

// A palace whose memories are settled, twice, so that it has several files.
void make_palace(const std::string& path) {
  Palace palace = Palace::create(path, {}, {.background = false}).value();
  for (int round = 0; round < 2; ++round) {
    Batch batch;
    for (int i = 0; i < 200; ++i) {
      NewMemory memory;
      memory.content = fmt::format(
          "{} {}", round, test::random_text(4000, static_cast<std::uint64_t>(200 * round + i)));
      for (char& c : memory.content) c = static_cast<char>('a' + (c & 15));
      batch.remember(std::move(memory));
    }
    REQUIRE(palace.commit(std::move(batch)));
    REQUIRE(palace.checkpoint());
  }
}

OpenOptions quiet(bool read_only = false) { return {.read_only = read_only, .background = false}; }

std::uint64_t settled_bytes(const Palace& palace) {
  const Stats stats = palace.stats().value();
  return stats.segment_bytes + stats.blob_bytes;
}

std::string some_segment(const std::string& path) {
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().filename().string().starts_with("seg-")) return entry.path();
  }
  FAIL("no segment");
  return {};
}

}  // namespace

TEST_CASE("a pass reads every settled file and names the page that rotted") {
  const bool read_only = GENERATE(false, true);
  const test::TempDirectory scratch;
  make_palace(scratch / "p");
  Palace palace = Palace::open(scratch / "p", quiet(read_only)).value();
  REQUIRE(palace.scrub(1h).value());
  Stats stats = palace.stats().value();
  CHECK(stats.scrub.bytes == settled_bytes(palace));
  CHECK(stats.scrub.passes == 1);
  CHECK(stats.scrub.damaged == 0);
  CHECK((stats.scrub.last_end != 0) == !read_only);

  const std::string file = some_segment(scratch / "p");
  test::flip(file, 3 * 4096 + 17, 4);
  REQUIRE(palace.scrub(1h).value());
  stats = palace.stats().value();
  REQUIRE(stats.scrub.damage.size() == 1);
  CHECK(stats.scrub.damaged == 1);
  CHECK(stats.scrub.damage[0].file == file);
  CHECK(stats.scrub.damage[0].offset == 3 * 4096);
  CHECK(stats.scrub.damage[0].bytes == 4096);
}

TEST_CASE("a pass goes on in the next opening, and one opening scrubs at a time") {
  const test::TempDirectory scratch;
  make_palace(scratch / "p");
  std::uint64_t bytes = 0;
  int openings = 0;
  for (bool ended = false; !ended; ++openings) {
    REQUIRE(openings < 1000);
    Palace palace = Palace::open(scratch / "p", quiet()).value();
    Palace other = Palace::open(scratch / "p", quiet()).value();
    ended = palace.scrub(0ns).value();
    bytes += palace.stats()->scrub.bytes;
    const auto second = other.scrub(0ns);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Errc::busy);
    if (ended) CHECK(bytes == settled_bytes(palace));
  }
  CHECK(openings > 2);
}

TEST_CASE("the palace's thread scrubs by itself, once a day") {
  const test::TempDirectory scratch;
  make_palace(scratch / "p");
  const std::string file = some_segment(scratch / "p");
  test::flip(file, 2 * 4096 + 5, 1);
  {
    const Palace palace = Palace::open(scratch / "p").value();
    const auto patience = std::chrono::steady_clock::now() + 60s;
    while (palace.stats()->scrub.passes == 0 && std::chrono::steady_clock::now() < patience) {
      std::this_thread::sleep_for(20ms);
    }
    const ScrubStats scrub = palace.stats()->scrub;
    CHECK(scrub.passes == 1);
    REQUIRE(scrub.damage.size() == 1);
    CHECK(scrub.damage[0].file == file);
  }
  // The next opening knows of the pass, and one that is told not to has no part in it.
  CHECK(Palace::open(scratch / "p", quiet()).value().stats()->scrub.last_end != 0);
}

TEST_CASE("what was found in a file is forgotten when the file is gone") {
  const test::TempDirectory scratch;
  make_palace(scratch / "p");
  Palace palace = Palace::open(scratch / "p", quiet()).value();
  const std::string file = some_segment(scratch / "p");
  test::flip(file, 3 * 4096 + 17, 4);
  REQUIRE(palace.scrub(1h).value());
  test::flip(file, 3 * 4096 + 17, 4);
  REQUIRE(palace.stats()->scrub.damaged == 1);
  REQUIRE(palace.compact());
  REQUIRE_FALSE(std::filesystem::exists(file));
  REQUIRE(palace.scrub(1h).value());
  CHECK(palace.stats()->scrub.damaged == 0);
  CHECK(palace.stats()->scrub.damage.empty());
}
