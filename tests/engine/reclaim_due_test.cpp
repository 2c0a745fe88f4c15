// When what ended is given up: by versions, by the bytes of payloads, and on a palace that rests.
#include <catch2/catch.hpp>

#include <chrono>
#include <filesystem>

#include "engine/keys.hpp"
#include "engine/palace.hpp"
#include "engine/reclaim.hpp"
#include "engine/tail.hpp"
#include "storage/versioned_key.hpp"
#include "tests/sim/sim_os.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using namespace aeon::engine;
using aeon::test::SimOs;
using aeon::test::TempDirectory;

namespace {

constexpr std::size_t kPayloadBytes = 300'000;

OpenOptions on(storage::Os& os) {
  OpenOptions options;
  options.background = false;
  options.os = &os;
  return options;
}

std::vector<MemoryId> remember(Palace& palace, std::size_t count, bool stored_ahead) {
  Batch batch;
  for (std::size_t i = 0; i < count; ++i) {
    NewMemory memory;
    memory.embed = false;
    memory.content_type = ContentType::bytes;
    if (stored_ahead) {
      const std::string payload(kPayloadBytes, 'p');
      memory.payload = palace.store_payload(ContentType::bytes, payload).value();
    } else {
      memory.content = "a small one";
    }
    batch.remember(std::move(memory));
  }
  return palace.commit(std::move(batch), Durability::process).value().ids;
}

void forget(Palace& palace, std::span<const MemoryId> ids) {
  Batch batch;
  for (const MemoryId id : ids) batch.forget(id);
  REQUIRE(palace.commit(std::move(batch), Durability::process).has_value());
}

void set_history(Palace& palace, TimeNs keep) {
  Batch batch;
  batch.set_history(keep);
  REQUIRE(palace.commit(std::move(batch), Durability::process).has_value());
}

std::size_t payload_files(const std::string& directory) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with("blob-")) {
      count += entry.file_size() > kPayloadBytes ? 1 : 0;
    }
  }
  return count;
}

void do_all_upkeep(Palace& palace) {
  REQUIRE_FALSE(palace.maintain(std::chrono::hours(1)).value());
}

}  // namespace

TEST_CASE("a few large payloads are given up though they are few versions") {
  const std::size_t small = GENERATE(std::size_t{0}, std::size_t{300});
  CAPTURE(small);
  const TempDirectory scratch;
  Palace palace = Palace::create(scratch / "palace", {}, on(storage::real_os())).value();
  set_history(palace, 0);
  if (small != 0) (void)remember(palace, small, false);
  const auto ids = remember(palace, 10, true);
  do_all_upkeep(palace);
  REQUIRE(payload_files(scratch / "palace") == 10);
  forget(palace, std::span(ids).first(9));
  do_all_upkeep(palace);
  CHECK(payload_files(scratch / "palace") == 1);
  // What is a small part of all is left alone.
  const std::uint64_t settled = palace.stats()->settled;
  if (small != 0) forget(palace, remember(palace, 3, false));
  do_all_upkeep(palace);
  CHECK(palace.stats()->settled == settled);
  CHECK(palace.verify()->damage.empty());
}

TEST_CASE("payloads that history keeps stay until it is over, also where nothing is committed") {
  constexpr std::int64_t kDay = 86'400'000'000'000;
  SimOs os(11);
  os.set_wall_time(20'000 * kDay);
  Palace palace = Palace::create("/palace", {}, on(os)).value();
  (void)remember(palace, 300, false);
  const auto ids = remember(palace, 3, true);
  const CommitNumber before = palace.snapshot().commit();
  forget(palace, ids);
  do_all_upkeep(palace);
  const std::uint64_t used = os.used_bytes();
  CHECK(palace.stats()->settled == 0);
  os.advance(2 * kDay);
  do_all_upkeep(palace);
  CHECK(palace.stats()->settled != 0);
  CHECK(palace.snapshot_at(before).has_value());
  CHECK(os.used_bytes() > used - kPayloadBytes);
  os.advance(31 * kDay);
  do_all_upkeep(palace);
  CHECK(palace.snapshot_at(before).error().code == Errc::too_old);
  CHECK(palace.stats()->ended_versions == 0);
  CHECK(os.used_bytes() < used - 2 * kPayloadBytes);
  CHECK(palace.verify()->damage.empty());
}

TEST_CASE("places of payloads go with their files, in whatever order these were listed") {
  Tail tail(1);
  std::string key;
  std::string value;
  std::vector<storage::BlobFileInfo> blobs;
  for (const std::uint64_t file : {6U, 5U, 7U}) {
    VersionRecord record;
    record.blob = storage::BlobRef{
        .file = file,
        .flags = static_cast<std::uint32_t>(storage::BlobEncoding::raw) | storage::kBlobStreamed,
        .raw_bytes = 10,
        .stored_bytes = 10};
    version_key(key, file);
    value.clear();
    encode_version(value, record);
    REQUIRE(tail.put(key, 1, value));
    record = {};
    record.live = false;
    value.clear();
    encode_version(value, record);
    REQUIRE(tail.put(key, 2, value));
    payload_key(key, file);
    REQUIRE(tail.put(key, 1, "x"));
    storage::BlobFileInfo info;
    info.file.number = file;
    info.file.bytes = info.live_bytes = 100;
    blobs.push_back(info);
  }
  storage::RunSet runs;
  runs.add(tail.keyed());
  Reclaim reclaim({.horizon = 2, .whole = true, .first_commit = 1, .last_commit = 2});
  REQUIRE(reclaim.plan(runs).has_value());
  reclaim.plan_blobs(blobs);
  CHECK(reclaim.blobs_left().empty());
  for (const std::uint64_t file : {5U, 6U, 7U}) {
    payload_key(key, file);
    CAPTURE(file);
    storage::append_commit(key, 1);
    CHECK_FALSE(reclaim.keeps(key, "x"));
  }
}
