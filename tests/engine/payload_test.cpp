// Payloads that are stored ahead of their commit: of every size, by several openings, in place.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/watched_os.hpp"

using namespace aeon;

namespace {

std::string some_text(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; text.size() < bytes; ++i) text += fmt::format("line {} of many\n", i);
  text.resize(bytes);
  return text;
}

Result<Ack> remember(Palace& palace, StoredPayload payload, std::string key) {
  Batch batch;
  NewMemory memory;
  memory.key = std::move(key);
  memory.payload = std::move(payload);
  batch.remember(std::move(memory));
  return palace.commit(std::move(batch), Durability::sync);
}

void check_content(const Palace& palace, const std::string& key, const std::string& content) {
  const Snapshot snapshot = palace.snapshot();
  const auto id = snapshot.find_key("", key);
  REQUIRE(id.has_value());
  Memory memory;
  REQUIRE(snapshot.get(*id, memory).has_value());
  CHECK(memory.content == content);
  const auto view = snapshot.view_content(*id);
  REQUIRE(view.has_value());
  REQUIRE(view->has_value());
  CHECK(**view == content);
}

// Says when a settled file is about to be opened.
class MappingOs final : public test::WatchedOs {
 public:
  MappingOs() : WatchedOs([](std::string_view, const std::string&) {}) {}
  Result<std::unique_ptr<storage::Mapping>> map_read(const std::string& path) override {
    if (mapping) mapping();
    return WatchedOs::map_read(path);
  }
  std::function<void()> mapping;
};

std::size_t files_staged(const std::string& directory) {
  const std::filesystem::path staging = directory + "/staging";
  if (!std::filesystem::exists(staging)) return 0;
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(staging), {}));
}

}  // namespace

TEST_CASE("a payload of any size is there before and after checkpoint, merge and reopening") {
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  const std::vector<std::size_t> sizes = {0, 1, 300, kMaxInlineBytes + 1, 5'000'000};
  {
    auto palace = Palace::create(directory, {}).value();
    for (const std::size_t size : sizes) {
      auto payload = palace.store_payload(ContentType::text, some_text(size));
      REQUIRE(payload.has_value());
      REQUIRE(remember(palace, *payload, fmt::format("{}", size)).has_value());
    }
    for (const std::size_t size : sizes) {
      check_content(palace, fmt::format("{}", size), some_text(size));
    }
    REQUIRE(palace.compact().has_value());
    for (const std::size_t size : sizes) {
      check_content(palace, fmt::format("{}", size), some_text(size));
    }
  }
  auto palace = Palace::open(directory).value();
  for (const std::size_t size : sizes) {
    check_content(palace, fmt::format("{}", size), some_text(size));
  }
  CHECK(palace.verify().value().damage.empty());
  CHECK(files_staged(directory) == 0);
}

TEST_CASE("a payload that one opening stored is read by the others, as soon as its commit is") {
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  auto writer = Palace::create(directory, {}).value();
  auto follower = Palace::open(directory).value();
  OpenOptions only_read;
  only_read.read_only = true;
  auto reader = Palace::open(directory, only_read).value();
  for (int i = 0; i < 20; ++i) {
    const std::string content = some_text(1000 * static_cast<std::size_t>(i) + 7);
    const std::string key = fmt::format("{}", i);
    auto payload = writer.store_payload(ContentType::text, content);
    REQUIRE(payload.has_value());
    REQUIRE(remember(writer, *payload, key).has_value());
    if (i % 5 == 4) REQUIRE(writer.checkpoint().has_value());
    REQUIRE(follower.fresh_snapshot().has_value());
    check_content(follower, key, content);
    REQUIRE(reader.fresh_snapshot().has_value());
    check_content(reader, key, content);
  }
}

TEST_CASE("a commit with payloads that came to their end in another order is followed") {
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  OpenOptions quiet;
  quiet.background = false;
  auto writer = Palace::create(directory, {}, quiet).value();
  MappingOs os;
  OpenOptions looking = quiet;
  looking.os = &os;
  auto follower = Palace::open(directory, looking).value();
  std::optional<StoredPayload> inner;
  const std::string content = some_text(5000);
  const auto outer = writer.store_payload(
      ContentType::text, content.size(), [&](std::span<std::byte> piece) -> Result<std::size_t> {
        inner = writer.store_payload(ContentType::text, content).value();
        // The follower has met this one before the other is there.
        REQUIRE(remember(writer, *inner, "inner").has_value());
        REQUIRE(follower.fresh_snapshot().has_value());
        inner = writer.store_payload(ContentType::text, content).value();
        REQUIRE(writer.checkpoint().has_value());
        REQUIRE(follower.fresh_snapshot().has_value());
        std::ranges::copy(std::as_bytes(std::span(content)), piece.begin());
        return content.size();
      });
  REQUIRE(outer.has_value());
  Batch batch;
  for (const StoredPayload& payload : {*outer, *inner}) {
    NewMemory memory;
    memory.key = payload.place.file == outer->place.file ? "first" : "second";
    memory.payload = payload;
    batch.remember(std::move(memory));
  }
  REQUIRE(writer.commit(std::move(batch), Durability::process).has_value());
  // Whoever sees the commit sees its payloads, at every moment on the way there.
  int looks = 0;
  os.mapping = [&] {
    ++looks;
    if (!follower.snapshot().find_key("", "first")) return;
    check_content(follower, "first", content);
  };
  REQUIRE(follower.fresh_snapshot().has_value());
  os.mapping = nullptr;
  CHECK(looks > 0);
  for (const char* key : {"inner", "first", "second"}) check_content(follower, key, content);
}

TEST_CASE("what can't be a payload is refused and leaves nothing") {
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  auto palace = Palace::create(directory, {}).value();

  SECTION("text that is not UTF-8, wherever the pieces are cut") {
    std::string text = some_text((1 << 20) - 1) + "\xc3\xa9" + some_text(100);
    REQUIRE(palace.store_payload(ContentType::text, text).has_value());
    text[1 << 20] = 'x';
    const auto cut = palace.store_payload(ContentType::text, text);
    REQUIRE(!cut.has_value());
    CHECK(cut.error().code == Errc::invalid_utf8);
    CHECK(cut.error().message.find("byte 1048575") != std::string::npos);
    const auto open_end = palace.store_payload(ContentType::text, "abc\xc3");
    REQUIRE(!open_end.has_value());
    CHECK(open_end.error().code == Errc::invalid_utf8);
    CHECK(palace.store_payload(ContentType::bytes, "abc\xc3").has_value());
  }
  SECTION("a source that ends early, fails, or is too long") {
    const auto nothing = [](std::span<std::byte>) { return Result<std::size_t>(0); };
    CHECK(palace.store_payload(ContentType::bytes, 10, nothing).error().code ==
          Errc::invalid_argument);
    const auto failing = [](std::span<std::byte>) -> Result<std::size_t> {
      return fail(Errc::io_error, "the tape tore");
    };
    CHECK(palace.store_payload(ContentType::bytes, 10, failing).error().message == "the tape tore");
    CHECK(palace.store_payload(ContentType::bytes, kMaxPayloadBytes + 1, nothing).error().code ==
          Errc::too_large);
  }
  SECTION("a payload of another palace, or content beside it") {
    auto other = Palace::create(scratch / "other", {}).value();
    (void)other.store_payload(ContentType::bytes, "first").value();
    const StoredPayload foreign = other.store_payload(ContentType::bytes, "second").value();
    CHECK(remember(palace, foreign, "k").error().code == Errc::invalid_argument);
    StoredPayload forged = palace.store_payload(ContentType::bytes, "mine").value();
    forged.place.offset += 8;
    CHECK(remember(palace, forged, "k").error().code == Errc::invalid_argument);
    NewMemory both;
    both.payload = palace.store_payload(ContentType::bytes, "mine").value();
    both.content = "too";
    Batch batch;
    batch.remember(std::move(both));
    CHECK(palace.commit(std::move(batch)).error().code == Errc::invalid_argument);
  }
  CHECK(files_staged(directory) == 0);
  CHECK(palace.snapshot().commit() == 0);
  CHECK(palace.verify().value().damage.empty());
}

TEST_CASE("what a process left staged is removed by who opens the palace alone") {
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  (void)Palace::create(directory, {}).value();
  std::filesystem::create_directory(directory + "/staging");
  std::ofstream(directory + "/staging/blob-000009") << "half";
  auto palace = Palace::open(directory).value();
  CHECK(files_staged(directory) == 0);
}
