#include <catch2/catch.hpp>

#include "storage/os.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/watched_os.hpp"
#include "tests/wal/log_fixture.hpp"
#include "wal/spares.hpp"

using namespace aeon;
using namespace aeon::test;
using wal::FileSource;
using wal::LogEndKind;
using wal::Urgency;

namespace {

void fill_to_log(Log& log, wal::LogWriter& writer, std::uint64_t number) {
  while (writer.position().log < number) must(log.append(writer, {payload_of(1, 20000)}));
}

// Says when a file was opened.
class OpeningOs final : public WatchedOs {
 public:
  explicit OpeningOs(Hook opened)
      : WatchedOs([](std::string_view, const std::string&) {}), opened_(std::move(opened)) {}
  Result<std::unique_ptr<storage::File>> open_file(const std::string& path,
                                                   storage::OpenMode mode) override {
    auto file = WatchedOs::open_file(path, mode);
    opened_("opened", path);
    return file;
  }

 private:
  Hook opened_;
};

}  // namespace

TEST_CASE("a retired log comes back as a later one and its stale frames never replay") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  fill_to_log(log, *writer, 2);
  must(wal::retire_log(log.os(), directory.path(), 1, true));
  CHECK(!log.os().exists(log.path(1)));
  REQUIRE(must(wal::list_spares(log.os(), directory.path())).size() == 2);
  must(wal::prepare_spare(log.os(), directory.path(), 1u << 20));
  must(writer->rotate(Urgency::ordinary, FileSource::any));  // log-3 has 1 MiB now
  must(wal::retire_log(log.os(), directory.path(), 2, true));
  CHECK(must(wal::list_spares(log.os(), directory.path())).size() == 2);
  must(writer->rotate(Urgency::ordinary, FileSource::any));  // so log-4 may be what log-2 was
  CHECK(read_whole(log.os(), log.path(4)).find(payload_of(1, 20000)) != std::string::npos);
  const auto start = log.start(4);
  CHECK(log.replay(start).payloads.empty());
  CHECK(log.replay(start).end.kind == LogEndKind::end_of_log);
  must(log.append(*writer, {"first of four"}));
  CHECK(log.replay(start).payloads == std::vector<std::string>{"first of four"});
  must(writer->append_close({}));
  CHECK(log.replay(start).end.kind == LogEndKind::clean_close);
}

TEST_CASE("a recycled file is used as it is and reads as nothing but its own frames") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  fill_to_log(log, *writer, 2);
  must(wal::retire_log(log.os(), directory.path(), 1, true));
  // 1 MiB is in use, so the next is to have 4 MiB and a spare of at least 1 MiB is taken for it.
  must(wal::prepare_spare(log.os(), directory.path(), 1u << 20));
  const auto spares = must(wal::list_spares(log.os(), directory.path()));
  const std::string name = spares.back().path;
  // Stale frames of log-2, at the offsets where log-3's frames will be looked for.
  const std::string old = read_whole(log.os(), log.path(2));
  overwrite(log.os(), name, 0, std::string_view(old).substr(0, 900000));
  must(writer->rotate(Urgency::ordinary, FileSource::any));
  CHECK(!log.os().exists(name));
  CHECK(writer->may_hold_stale_bytes());
  const auto start = log.start(3);
  CHECK(log.replay(start).payloads.empty());
  CHECK(log.replay(start).end.kind == LogEndKind::end_of_log);
  must(log.append(*writer, {payload_of(9, 20000)}));
  must(writer->sync());
  must(log.append(*writer, {"x"}));
  CHECK(log.replay(start).payloads == std::vector<std::string>{payload_of(9, 20000), "x"});
  CHECK(log.replay(start).end.kind == LogEndKind::end_of_log);
}

TEST_CASE("a follower of a file that was retired or recycled is told to reload") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  const auto start = log.create();
  auto writer = log.writer();
  must(log.append(*writer, {"a"}));
  auto follower = log.reader(start);
  REQUIRE(must(follower->next()));
  const auto position = follower->position();
  fill_to_log(log, *writer, 3);
  SECTION("unlinked, with the file after it") {
    while (must(follower->next(40))) {
    }
    must(writer->rotate(Urgency::ordinary, FileSource::any));
    for (const std::uint64_t number : {1u, 2u, 3u}) {
      must(wal::retire_log(log.os(), directory.path(), number, false));
    }
    while (must(follower->next())) {
    }
    CHECK(follower->recycled());
    CHECK(must(follower->examine_end()).kind == LogEndKind::recycled);
  }
  SECTION("its bytes replaced by a later log's") {
    const std::string later = read_whole(log.os(), log.path(3));
    overwrite(log.os(), log.path(1), 0, std::string_view(later).substr(0, 100000));
    while (must(follower->next())) {
    }
    CHECK(follower->position() == position);
    CHECK(follower->recycled());
    must(log.os().rename(log.path(1), log.path(3)));
    auto moved = position;
    moved.log = 3;
    const auto opened = wal::LogReader::open(log.os(), log.place(), moved);
    REQUIRE(!opened);
    CHECK(opened.error().code == Errc::too_old);
  }
}

TEST_CASE("a log that must not be recycled is unlinked, and retiring twice is no error") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  fill_to_log(log, *writer, 2);
  const auto before = must(wal::list_spares(log.os(), directory.path())).size();
  must(wal::retire_log(log.os(), directory.path(), 1, false));
  must(wal::retire_log(log.os(), directory.path(), 1, false));
  CHECK(must(wal::list_spares(log.os(), directory.path())).size() == before);
  must(wal::discard_spares(log.os(), directory.path()));
  CHECK(must(wal::list_spares(log.os(), directory.path())).empty());
}

TEST_CASE("spares are never more than two, and the larger ones stay") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  fill_to_log(log, *writer, 4);
  for (const std::uint64_t number : {1u, 2u, 3u}) {
    must(wal::retire_log(log.os(), directory.path(), number, true));
  }
  const auto spares = must(wal::list_spares(log.os(), directory.path()));
  REQUIRE(spares.size() == 2);
  CHECK(spares[0].bytes == 1u << 20);
  CHECK(spares[1].bytes == 4u << 20);
}

TEST_CASE("rotation to a fresh file leaves the spares alone") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  must(log.append(*writer, {"a"}));
  must(wal::prepare_spare(log.os(), directory.path(), 1u << 20));
  must(wal::prepare_spare(log.os(), directory.path(), 1u << 20));
  REQUIRE(must(wal::list_spares(log.os(), directory.path())).size() == 2);
  must(writer->rotate(Urgency::ordinary, FileSource::fresh));
  CHECK(!writer->may_hold_stale_bytes());
  CHECK(writer->durable_commit() == 1);
  CHECK(must(wal::list_spares(log.os(), directory.path())).size() == 2);
}

TEST_CASE("a writer that is behind another's rotation does not overwrite the new file") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto ahead = log.writer();
  auto behind = log.writer();
  must(log.append(*ahead, {"a"}));
  must(ahead->rotate(Urgency::ordinary, FileSource::any));
  must(log.append(*ahead, {"b"}));
  const Status refused = behind->rotate(Urgency::ordinary, FileSource::any);
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::already_exists);
  CHECK(log.replay().payloads == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a log that is retired and taken over while it is opened is missing, not damaged") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  const auto start = log.start(1);
  fill_to_log(log, *writer, 2);
  bool met = false;
  OpeningOs os([&](std::string_view, const std::string& path) {
    if (met || path != log.path(1)) return;
    met = true;
    // As a rotation does that takes over the retired file.
    const std::string later = read_whole(log.os(), log.path(2)).substr(0, 4096);
    must(wal::retire_log(log.os(), directory.path(), 1, true));
    overwrite(log.os(), must(wal::list_spares(log.os(), directory.path())).back().path, 0, later);
  });
  const auto reader = wal::LogReader::open(os, {directory.path(), kPalace}, start);
  REQUIRE(met);
  REQUIRE_FALSE(reader.has_value());
  CHECK(reader.error().code == Errc::missing_file);
}

TEST_CASE("a log that is retired while its cache is distrusted is no error") {
  TempDirectory directory;
  Log log(storage::real_os(), directory.path());
  log.create();
  auto writer = log.writer();
  fill_to_log(log, *writer, 2);
  WatchedOs os([&](std::string_view call, const std::string& path) {
    if (call != "open_to_write" || path != log.path(1)) return;
    must(wal::retire_log(log.os(), directory.path(), 1, true));
  });
  must(wal::distrust_cache(os, directory.path(), 1));
  CHECK_FALSE(log.os().exists(log.path(1)));
}
