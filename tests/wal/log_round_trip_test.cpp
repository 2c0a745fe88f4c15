#include <catch2/catch.hpp>

#include "storage/os.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/wal/log_fixture.hpp"

using namespace aeon;
using namespace aeon::test;
using wal::FrameKind;
using wal::LogEndKind;
using wal::Urgency;

TEST_CASE("commits come back in order with headers, payloads and a chain that verifies") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const auto start = log.create();
  auto writer = log.writer();
  must(log.append(*writer, {"one", "", payload_of(3, 5000)}));
  must(writer->sync());
  must(log.append(*writer, {"four"}));
  const Replay replay = log.replay(start);
  CHECK(replay.payloads == std::vector<std::string>{"one", "", payload_of(3, 5000), "four"});
  CHECK(replay.end.kind == LogEndKind::end_of_log);
  CHECK(replay.end.position == writer->position());
  REQUIRE(replay.headers.size() == 4);
  CHECK(wal::verify_chain(wal::genesis_chain(kPalace), replay.headers) == 4);
  CHECK(replay.headers[0].author == 7);
  CHECK(replay.headers[0].kinds == 3);
  CHECK(replay.headers[3].commit == 4);
  CHECK(replay.frames[2].durable == 0);
  CHECK(replay.frames[3].durable == 3);
}

TEST_CASE("unsynced groups are packed and a group after a sync starts at a boundary") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  must(log.append(*writer, {"a"}));
  must(log.append(*writer, {"b"}));
  must(writer->sync());
  must(log.append(*writer, {"c"}));
  must(log.append(*writer, {"d"}));
  const auto frames = log.replay().frames;
  REQUIRE(frames.size() == 4);
  CHECK(frames[0].offset == 4096);
  CHECK(frames[1].offset == 4096 + wal::frame_bytes(1));
  CHECK(frames[2].offset == 8192);
  CHECK(frames[3].offset == 8192 + wal::frame_bytes(1));
}

TEST_CASE("a closed log says so, also after it was reopened and closed again") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  must(log.append(*writer, {"a", "b"}));
  CHECK(log.replay().end.kind == LogEndKind::end_of_log);
  must(writer->append_close(storage::as_bytes("manifest 1")));
  CHECK(writer->durable_commit() == 2);
  CHECK(log.replay().end.kind == LogEndKind::clean_close);
  writer = log.writer();
  must(log.append(*writer, {"c"}));
  CHECK(log.replay().end.kind == LogEndKind::end_of_log);
  must(writer->append_close({}));
  const Replay replay = log.replay();
  CHECK(replay.end.kind == LogEndKind::clean_close);
  CHECK(replay.payloads == std::vector<std::string>{"a", "b", "c"});
  REQUIRE(replay.frames.size() == 5);
  CHECK(replay.frames[2].kind == FrameKind::close);
  CHECK(replay.frames[2].header.commit == 2);
  CHECK(replay.frames[2].durable == 2);
}

TEST_CASE("the log goes on over many files of growing size") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const auto start = log.create();
  auto writer = log.writer();
  std::vector<std::string> written;
  for (std::uint64_t n = 1; written.size() < 600; ++n) {
    std::vector<std::string> group;
    for (std::uint64_t i = 0; i < 1 + n % 5; ++i) {
      group.push_back(payload_of(written.size() + 1, 4000 + 37 * n));
      written.push_back(group.back());
    }
    must(log.append(*writer, group));
    if (n % 3 == 0) must(writer->sync());
  }
  const Replay replay = log.replay(start);
  CHECK(replay.payloads == written);
  CHECK(replay.end.kind == LogEndKind::end_of_log);
  CHECK(replay.end.position == writer->position());
  const auto logs = must(wal::list_logs(log.os(), directory.path()));
  REQUIRE(logs.size() >= 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto file = must(log.os().open_file(log.path(logs[i]), storage::OpenMode::read));
    CHECK(must(file->size()) == wal::kFirstFileBytes << (2 * i));
  }
  // From the start of any file the rest is read just so.
  const Replay tail = log.replay(log.start(logs[1]));
  REQUIRE(!tail.headers.empty());
  CHECK(tail.headers.size() == written.size() + 1 - tail.headers.front().commit);
  CHECK(tail.payloads.back() == written.back());
}

TEST_CASE("a group larger than any file gets a file of its own size") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  const std::string large(wal::kMaxPayloadBytes, 'x');
  must(log.append(*writer, {"small", large}));
  must(log.append(*writer, {"after"}));
  const Replay replay = log.replay();
  REQUIRE(replay.payloads.size() == 3);
  CHECK(replay.payloads[1] == large);
  CHECK(replay.payloads[2] == "after");
}

TEST_CASE("a payload over the limit is refused and the writer stays usable") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  const Status refused = log.append(*writer, {"a", std::string(wal::kMaxPayloadBytes + 1, 'x')});
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::too_large);
  must(log.append(*writer, {"b"}));
  CHECK(log.replay().payloads == std::vector<std::string>{"b"});
}

TEST_CASE("a follower reads what was appended since, up to where it is told") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const auto start = log.create();
  auto writer = log.writer();
  auto follower = log.reader(start);
  CHECK(!must(follower->next()));
  std::uint64_t commit = 0;
  for (int round = 0; round < 300; ++round) {  // crosses files
    must(log.append(*writer, {payload_of(1, 3000), payload_of(2, 100)}));
    if (round % 4 == 0) must(writer->sync());
    CHECK(!must(follower->next(commit)));
    for (int i = 0; i < 2; ++i) {
      const auto frame = must(follower->next(writer->last_commit()));
      REQUIRE(frame);
      CHECK(frame->header.commit == ++commit);
      CHECK(frame->header.chain == follower->position().chain);
    }
    CHECK(!must(follower->next()));
    CHECK(!follower->recycled());
  }
  CHECK(follower->position() == writer->position());
  CHECK(must(wal::list_logs(log.os(), directory.path())).size() >= 2);
}

TEST_CASE("two writers take turns when each skips to where the other stopped") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const auto start = log.create();
  auto first = log.writer();
  auto second = log.writer();
  auto first_reader = log.reader(start);
  auto second_reader = log.reader(start);
  std::vector<std::string> written;
  for (int turn = 0; turn < 200; ++turn) {
    auto& writer = turn % 2 == 0 ? *first : *second;
    auto& reader = turn % 2 == 0 ? *first_reader : *second_reader;
    while (must(reader.next())) {
    }
    must(writer.skip_to(reader.position(), 0));
    written.push_back(payload_of(written.size(), 5000));
    must(log.append(writer, {written.back()}));
    if (turn % 3 == 0) must(writer.sync());
  }
  CHECK(log.replay(start).payloads == written);
}

TEST_CASE("a commit header survives its encoding and an erased salt leaves the chain whole") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  must(log.append(*writer, {"a", "b", "c"}));
  auto headers = log.replay().headers;
  std::string bytes;
  for (const auto& header : headers) wal::encode_commit_header(header, bytes);
  REQUIRE(bytes.size() == 3 * wal::kCommitHeaderBytes);
  const std::string_view all = bytes;
  CHECK(must(wal::decode_commit_header(all.substr(88, 88))) == headers[1]);
  CHECK(!wal::decode_commit_header(all.substr(88, 87)));
  CHECK(!wal::decode_commit_header(std::string(88, '\0')));
  headers[1].payload_salt = 0;
  const auto genesis = wal::genesis_chain(kPalace);
  CHECK(wal::verify_chain(genesis, headers) == 3);
  headers[1].operations += 1;
  CHECK(wal::verify_chain(genesis, headers) == 1);
}

TEST_CASE("a log of another palace or a newer format is refused by name") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  const auto foreign =
      wal::open_log(log.os(), {directory.path(), {9, 9}}, 1, storage::OpenMode::read);
  REQUIRE(!foreign);
  CHECK(foreign.error().code == Errc::foreign_file);
  wal::LogHead head = must(wal::open_log(log.os(), log.place(), 1, storage::OpenMode::read)).head;
  head.flags = 0x8000;
  std::array<std::byte, storage::kPageBytes> page;
  wal::encode_head(head, page);
  overwrite(log.os(), log.path(), 0, storage::as_view(page));
  const auto newer = wal::open_log(log.os(), log.place(), 1, storage::OpenMode::read);
  REQUIRE(!newer);
  CHECK(newer.error().code == Errc::newer_format);
}

TEST_CASE("a writer that takes over from a dead one cuts its torn tail first") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const auto start = log.create();
  auto dead = log.writer();
  auto heir = log.writer();
  must(log.append(*dead, {"kept"}));
  must(dead->sync());
  must(log.append(*dead, {"whole", "torn", "behind it"}));
  const auto frames = log.replay(start).frames;
  overwrite(log.os(), log.path(), frames[2].offset + wal::kFrameHeaderBytes, "#");
  auto reader = log.reader(start);
  while (must(reader->next())) {
  }
  const wal::LogEnd end = must(reader->examine_end());
  REQUIRE(end.kind == LogEndKind::torn);
  must(heir->skip_to(end, 1));
  CHECK(log.replay(start).end.kind == LogEndKind::end_of_log);
  CHECK(heir->durable_commit() == 2);
  must(log.append(*heir, {"news"}));
  CHECK(log.replay(start).payloads == std::vector<std::string>{"kept", "whole", "news"});
  CHECK(log.replay(start).frames[2].offset % wal::kBoundary == 0);
}

TEST_CASE("a sync by another process fences the sectors it acknowledged") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  must(log.append(*writer, {"a"}));
  must(log.append(*writer, {"b"}));
  must(writer->skip_to(writer->position(), 1));  // not all of it: still packed
  must(log.append(*writer, {"c"}));
  must(writer->skip_to(writer->position(), 3));
  CHECK(writer->durable_commit() == 3);
  must(log.append(*writer, {"d"}));
  const auto frames = log.replay().frames;
  REQUIRE(frames.size() == 4);
  CHECK(frames[2].offset == frames[1].offset + wal::frame_bytes(1));
  CHECK(frames[3].offset == 8192);
  CHECK(frames[3].durable == 3);
}
