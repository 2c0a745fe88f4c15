#include <random>

#include <catch2/catch.hpp>

#include "storage/os.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/wal/log_fixture.hpp"

using namespace aeon;
using namespace aeon::test;
using wal::LogEndKind;

namespace {

// Whether `replay` holds the first payloads of `written` and nothing else.
bool is_prefix(const Replay& replay, const std::vector<std::string>& written) {
  return replay.payloads.size() <= written.size() &&
         std::equal(replay.payloads.begin(), replay.payloads.end(), written.begin());
}

struct Closed {
  std::vector<std::string> written;
  std::string bytes;  // of log-1
  std::vector<wal::FrameView> frames;
};

Closed closed_log(Log& log) {
  Closed closed;
  log.create();
  auto writer = log.writer();
  for (std::uint64_t n = 1; n <= 6; ++n) {
    closed.written.push_back(payload_of(n, 30 * n));
    must(log.append(*writer, {closed.written.back()}));
    if (n % 2 == 0) must(writer->sync());
  }
  must(writer->append_close(storage::as_bytes("at manifest 12")));
  closed.bytes = read_whole(log.os(), log.path());
  closed.frames = log.replay().frames;
  return closed;
}

}  // namespace

TEST_CASE("no changed byte of a closed log's head, headers or payloads goes unnoticed") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const Closed closed = closed_log(log);
  const auto start = log.start();
  REQUIRE(closed.frames.size() == 7);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges{{0, wal::kHeadBytes}};
  for (const auto& frame : closed.frames) {
    ranges.emplace_back(frame.offset,
                        frame.offset + wal::kFrameHeaderBytes + frame.header.payload_bytes);
  }
  std::size_t damaged = 0;
  for (const auto& [from, to] : ranges) {
    for (std::uint64_t at = from; at < to; ++at) {
      const char old = closed.bytes[at];
      for (const char changed : {static_cast<char>(old ^ (1 << at % 8)), '\0', '\xff'}) {
        if (changed == old) continue;
        overwrite(log.os(), log.path(), at, {&changed, 1});
        const auto replay = log.try_replay(start);
        INFO("byte " << at << " from " << int{old} << " to " << int{changed});
        if (replay) {
          CHECK(replay->end.kind != LogEndKind::clean_close);
          CHECK(is_prefix(*replay, closed.written));
          damaged += replay->end.kind == LogEndKind::damaged;
          // Only the close frame itself is behind everything that says what was acknowledged.
          if (at < closed.frames.back().offset) CHECK(replay->end.kind == LogEndKind::damaged);
        } else {
          CHECK(at < wal::kHeadBytes);
        }
        overwrite(log.os(), log.path(), at, {&old, 1});
      }
    }
  }
  CHECK(damaged > 1000);
  CHECK(log.replay(start).end.kind == LogEndKind::clean_close);
}

TEST_CASE("a log cut short at any length reads as a prefix and never as closed") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const Closed closed = closed_log(log);
  const auto start = log.start();
  const std::uint64_t end = closed.frames.back().offset + 200;
  std::size_t longest = 0;
  for (std::uint64_t length = 1; length < end; length += 1 + length / 4096 * 6) {
    replace(log.os(), log.path(), std::string_view(closed.bytes).substr(0, length));
    const auto replay = log.try_replay(start);
    INFO("length " << length);
    if (!replay) {
      CHECK(length < wal::kHeadBytes);
      continue;
    }
    CHECK(is_prefix(*replay, closed.written));
    CHECK(replay->end.kind == LogEndKind::damaged);
    CHECK(replay->headers.size() >= longest);
    longest = replay->headers.size();
  }
  CHECK(longest == closed.written.size());
}

TEST_CASE("zeros from any place on leave a prefix; a writer goes on behind it") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const auto start = log.create();
  auto writer = log.writer();
  std::vector<std::string> written;
  for (std::uint64_t n = 1; n <= 12; ++n) {
    written.push_back(payload_of(n, 20 * n));
    must(log.append(*writer, {written.back()}));
  }
  const std::string whole = read_whole(log.os(), log.path());
  for (std::uint64_t at = 4096; at < writer->position().offset; at += 13) {
    std::string bytes = whole;
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), '\0');
    replace(log.os(), log.path(), bytes);
    const Replay before = log.replay(start);
    INFO("zeros from " << at);
    REQUIRE(is_prefix(before, written));
    CHECK((before.end.kind == LogEndKind::torn || before.end.kind == LogEndKind::end_of_log));
    auto next = log.writer(before.end);
    CHECK(log.replay(start).end.kind == LogEndKind::end_of_log);
    must(log.append(*next, {"news"}));
    const Replay after = log.replay(start);
    CHECK(after.payloads.size() == before.payloads.size() + 1);
    CHECK(after.payloads.back() == "news");
    CHECK(after.end.kind == LogEndKind::end_of_log);
  }
}

TEST_CASE("lost sectors of an unsynced group leave a prefix that holds all that was synced") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const auto start = log.create();
  auto writer = log.writer();
  std::vector<std::string> written;
  const auto add = [&](std::uint64_t count) {
    std::vector<std::string> group;
    for (std::uint64_t i = 0; i < count; ++i) {
      group.push_back(payload_of(written.size(), 50 + 97 * (written.size() % 7)));
      written.push_back(group.back());
    }
    must(log.append(*writer, group));
  };
  add(5);
  must(writer->sync());
  const std::uint64_t synced_bytes = wal::align_up(writer->position().offset, wal::kBoundary);
  const std::string synced = read_whole(log.os(), log.path());
  add(9);
  add(9);
  const std::uint64_t end = writer->position().offset;
  const std::string whole = read_whole(log.os(), log.path());
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  std::size_t torn = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bytes = whole;
    const auto density = 1 + random() % 8;
    for (std::uint64_t at = synced_bytes; at < end; at += 512) {
      if (random() % density != 0) continue;
      std::copy_n(synced.begin() + static_cast<std::ptrdiff_t>(at), 512,
                  bytes.begin() + static_cast<std::ptrdiff_t>(at));
    }
    replace(log.os(), log.path(), bytes);
    const Replay first = log.replay(start);
    REQUIRE(is_prefix(first, written));
    CHECK(first.payloads.size() >= 5);
    CHECK(first.end.kind != LogEndKind::damaged);
    CHECK(first.end.kind != LogEndKind::clean_close);
    torn += first.end.kind == LogEndKind::torn;
    auto next = log.writer(first.end);
    const Replay second = log.replay(start);
    CHECK(second.payloads == first.payloads);
    CHECK(second.end.kind == LogEndKind::end_of_log);
    CHECK(second.end.position == first.end.position);
  }
  CHECK(torn > 100);
}

TEST_CASE("damage before acknowledged commits is told from a torn tail, with place and range") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const auto start = log.create();
  auto writer = log.writer();
  for (std::uint64_t n = 1; n <= 4; ++n) {
    must(log.append(*writer, {payload_of(n)}));
    must(writer->sync());
  }
  must(log.append(*writer, {payload_of(5)}));  // knows 4 durable
  const auto frames = log.replay(start).frames;
  overwrite(log.os(), log.path(), frames[2].offset + 120, "#");
  const Replay replay = log.replay(start);
  CHECK(replay.payloads.size() == 2);
  CHECK(replay.end.kind == LogEndKind::damaged);
  CHECK(replay.end.first_missing == 3);
  CHECK(replay.end.last_missing == 4);
  CHECK(replay.end.message.find("log-000001 offset") != std::string::npos);
  const auto refused = wal::LogWriter::open(log.os(), log.place(), replay.end);
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::damaged);
}

TEST_CASE("the end of a file damaged or a whole file missing before the next one is damage") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const auto start = log.create();
  auto writer = log.writer();
  while (writer->position().log < 3) must(log.append(*writer, {payload_of(1, 30000)}));
  const auto frames = log.replay(start).frames;
  const auto last_of_first = std::find_if(frames.rbegin(), frames.rend(),
                                          [](const auto& frame) { return frame.log == 1; });
  SECTION("a byte of the last frame of the first file") {
    overwrite(log.os(), log.path(1), last_of_first->offset + 200, "#");
    const Replay replay = log.replay(start);
    CHECK(replay.end.kind == LogEndKind::damaged);
    CHECK(replay.end.first_missing == last_of_first->header.commit);
    CHECK(replay.end.last_missing == last_of_first->header.commit);
  }
  SECTION("the second file is gone") {
    must(log.os().unlink(log.path(2)));
    const Replay replay = log.replay(start);
    CHECK(replay.end.kind == LogEndKind::damaged);
    CHECK(replay.end.first_missing == last_of_first->header.commit + 1);
    CHECK(replay.end.message.find("log-000002") != std::string::npos);
  }
  SECTION("the head of the second file is damaged") {
    overwrite(log.os(), log.path(2), 40, "#");
    CHECK(log.replay(start).end.kind == LogEndKind::damaged);
  }
}
