// Erased is gone: no file of the directory holds a byte of it, whatever the directory went through,
// while readers, snapshots and other openings go on.
#include <catch2/catch.hpp>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/vector_source.hpp"

using namespace aeon;

namespace {

OpenOptions quiet() {
  OpenOptions options;
  options.background = false;
  return options;
}

// The files that hold `needle`.
std::string files_with(const std::string& directory, std::string_view needle) {
  std::string found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::vector<char> bytes(entry.file_size());
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const std::string_view all(bytes.data(), bytes.size());
    if (all.find(needle) == std::string_view::npos) continue;
    found += entry.path().filename().string();
    found += ' ';
  }
  return found;
}

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// Begins unlike those of its neighbours, so that a file that holds it holds its end as it is: what
// neighbours share stands in a run once.
std::string key_of(int i) {
  return fmt::format("{:08x}-key-of-secret-{:04}", static_cast<unsigned>(i) * 2654435761U, i);
}

// A memory whose text can't be compressed away: what is looked for stands in it as it is.
NewMemory secret(int i, const std::vector<float>& vector) {
  NewMemory memory;
  memory.key = key_of(i);
  memory.session = "secrets";
  memory.content = fmt::format("secret-text-{:04}", i);
  memory.metadata = fmt::format(R"({{"note": "secret-metadata-{:04}"}})", i);
  memory.embed = false;
  memory.vectors.push_back({"v", vector, ""});
  return memory;
}

// Content that can be looked for in a blob file: bytes that zstd gains nothing on are stored raw.
void make_raw(NewMemory& memory, int i) {
  std::mt19937_64 random(static_cast<std::uint64_t>(i));
  memory.content_type = ContentType::bytes;
  for (int word = 0; word < 60; ++word) {
    const std::uint64_t value = random();
    memory.content.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
}

constexpr std::uint32_t kDimension = 32;

Palace make(const std::string& directory, const OpenOptions& options) {
  return Palace::create(directory,
                        {{.name = "v", .dimension = kDimension, .precision = Precision::float32}},
                        options)
      .value();
}

void commit(Palace& palace, Batch batch) {
  const auto ack = palace.commit(std::move(batch), Durability::process);
  INFO((ack ? std::string() : ack.error().message));
  REQUIRE(ack.has_value());
}

}  // namespace

TEST_CASE("no file holds a byte of what was erased") {
  const bool long_text = GENERATE(false, true);
  const bool settled = GENERATE(false, true);
  const bool superseded = GENERATE(false, true);
  const bool forgotten = GENERATE(false, true);
  CAPTURE(long_text, settled, superseded, forgotten);
  const test::TempDirectory scratch;
  Palace palace = make(scratch / "palace", quiet());
  Palace other = Palace::open(scratch / "palace", quiet()).value();
  test::VectorSource source(test::Layout::clustered, kDimension, 5);
  std::vector<std::vector<float>> vectors;
  for (int i = 0; i < 200; ++i) {
    vectors.push_back(source.next());
    Batch batch;
    NewMemory memory = secret(i, vectors.back());
    if (long_text) make_raw(memory, i);
    batch.remember(std::move(memory));
    commit(i % 2 == 0 ? palace : other, std::move(batch));
  }
  if (settled) REQUIRE(palace.checkpoint().has_value());
  REQUIRE(other.fresh_snapshot().has_value());
  const Snapshot held = palace.snapshot();
  const MemoryId id = held.find_key("", key_of(77)).value();
  Memory before;
  REQUIRE(held.get(id, before).has_value());
  const std::vector<float>& vector = vectors[77];
  REQUIRE_FALSE(files_with(scratch / "palace", "secret-text-0077").empty());
  REQUIRE_FALSE(files_with(scratch / "palace", bytes_of(vector)).empty());
  if (superseded) {
    Batch batch;
    NewMemory next = secret(78, vectors[78]);
    next.key.clear();
    next.session.clear();
    batch.supersede(id, next);
    commit(palace, std::move(batch));
    if (settled) REQUIRE(palace.checkpoint().has_value());
  }
  if (forgotten) {
    Batch batch;
    batch.forget(id);
    commit(palace, std::move(batch));
  }
  Batch erase;
  erase.erase(id);
  commit(palace, std::move(erase));
  CHECK(palace.stats()->erasures_pending == 1);
  Memory memory;
  CHECK(palace.snapshot().get(id, memory).error().code == Errc::unknown_id);
  CHECK(other.fresh_snapshot()->get(id, memory).error().code == Errc::unknown_id);
  REQUIRE(palace.purge().has_value());
  CHECK(palace.stats()->erasures_pending == 0);
  const std::string_view content = before.content;
  for (const std::string_view needle :
       {std::string_view("secret-text-0077"), std::string_view("secret-metadata-0077"),
        std::string_view("key-of-secret-0077"), bytes_of(vector),
        long_text ? content.substr(16, 64) : content}) {
    CHECK(files_with(scratch / "palace", needle).empty());
  }
  // Its neighbours are there, the chain of commits holds, and the snapshot still reads it.
  CHECK_FALSE(files_with(scratch / "palace", "secret-text-0079").empty());
  const auto report = palace.verify();
  REQUIRE(report.has_value());
  for (const Damage& damage : report->damage) FAIL(damage.file << ": " << damage.what);
  REQUIRE(held.get(id, memory).has_value());
  CHECK(memory.content == before.content);
  Batch again;
  again.erase(id);
  CHECK(palace.commit(std::move(again)).error().code == Errc::unknown_id);
  // Another opening goes on in the new log.
  Batch batch;
  batch.remember(secret(500, vectors[0]));
  commit(other, std::move(batch));
  REQUIRE(palace.fresh_snapshot()->find_key("", key_of(500)).has_value());
  // A key that was erased may be used again.
  Batch reuse;
  reuse.remember(secret(77, vectors[1]));
  commit(palace, std::move(reuse));
  CHECK(palace.snapshot().find_key("", key_of(77)).value() != id);
}

TEST_CASE("log files that were used before hold nothing of what was erased") {
  const test::TempDirectory scratch;
  Palace palace = make(scratch / "palace", quiet());
  std::vector<float> vector(kDimension, 1.0F);
  Batch first;
  first.remember(secret(1, vector));
  commit(palace, std::move(first));
  // The log that holds it is retired and kept to be used again.
  for (int i = 10; i < 14; ++i) {
    Batch batch;
    NewMemory memory = secret(i, vector);
    memory.content.assign(200'000, 'x');
    batch.remember(std::move(memory));
    commit(palace, std::move(batch));
    REQUIRE(palace.checkpoint().has_value());
  }
  Batch erase;
  erase.erase(palace.snapshot().find_key("", key_of(1)).value());
  commit(palace, std::move(erase));
  REQUIRE(palace.purge().has_value());
  CHECK(files_with(scratch / "palace", "secret-text-0001").empty());
  CHECK(files_with(scratch / "palace", "key-of-secret-0001").empty());
  REQUIRE(palace.close().has_value());
  Palace reopened = Palace::open(scratch / "palace", quiet()).value();
  CHECK(reopened.stats()->erasures_pending == 0);
  CHECK(reopened.snapshot().find_key("", key_of(12)).has_value());
}

TEST_CASE("what is erased goes by itself while others write") {
  const test::TempDirectory scratch;
  Palace palace = make(scratch / "palace", {});
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    Palace own = Palace::open(scratch / "palace").value();
    std::vector<float> vector(kDimension, 0.5F);
    for (int i = 1000; !stop.load(); ++i) {
      Batch batch;
      batch.remember(secret(i, vector));
      if (!own.commit(std::move(batch), Durability::process)) break;
    }
  });
  Batch batch;
  batch.remember(secret(1, std::vector<float>(kDimension, 2.0F)));
  commit(palace, std::move(batch));
  Batch erase;
  erase.erase(palace.fresh_snapshot()->find_key("", key_of(1)).value());
  commit(palace, std::move(erase));
  bool done = false;
  for (int i = 0; i < 3000 && !done; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    done = palace.stats()->erasures_pending == 0;
  }
  stop = true;
  writer.join();
  REQUIRE(done);
  CHECK(files_with(scratch / "palace", "secret-text-0001").empty());
  const auto report = palace.verify();
  REQUIRE(report.has_value());
  for (const Damage& damage : report->damage) FAIL(damage.file << ": " << damage.what);
}

TEST_CASE("an older version never comes to light in place of one that was erased") {
  const test::TempDirectory scratch;
  Palace palace = make(scratch / "palace", quiet());
  std::vector<float> vector(kDimension, 1.0F);
  MemoryId id = 0;
  for (int i = 0; i < 1500;) {
    Batch batch;
    for (int j = 0; j < 500; ++j, ++i) batch.remember(secret(i, vector));
    const auto ack = palace.commit(std::move(batch), Durability::process);
    REQUIRE(ack.has_value());
    id = ack->ids.front();
  }
  REQUIRE(palace.checkpoint().has_value());
  const auto revise = [&](Batch batch) {
    commit(palace, std::move(batch));
    REQUIRE(palace.checkpoint().has_value());
  };
  Batch next;
  NewMemory newer = secret(9000, vector);
  newer.key.clear();
  newer.session.clear();
  next.supersede(id, newer);
  revise(std::move(next));
  const CommitNumber between = palace.snapshot().commit();
  Batch erase;
  erase.erase(id);
  revise(std::move(erase));
  for (int i = 9001; i < 9003; ++i) {
    Batch other;
    other.remember(secret(i, vector));
    revise(std::move(other));
  }
  // The small segments were merged, the large one was not.
  REQUIRE(palace.stats()->segments == 2);
  Memory memory;
  const auto past = palace.snapshot_at(between);
  REQUIRE(past.has_value());
  if (past->get(id, memory)) CHECK(memory.content == "secret-text-9000");
  REQUIRE(palace.purge().has_value());
  CHECK(palace.snapshot_at(between)->get(id, memory).error().code == Errc::unknown_id);
  CHECK(files_with(scratch / "palace", "secret-text-9000").empty());
}

TEST_CASE("contents that merges had dropped before the erase go with it") {
  const bool forgotten = GENERATE(false, true);
  CAPTURE(forgotten);
  const test::TempDirectory scratch;
  Palace palace = make(scratch / "palace", quiet());
  Batch first;
  first.set_history(0);
  for (int i = 0; i < 200; ++i) {
    NewMemory memory = secret(i, std::vector<float>(kDimension, 1.0F));
    make_raw(memory, i);
    first.remember(std::move(memory));
  }
  commit(palace, std::move(first));
  REQUIRE(palace.checkpoint().has_value());
  const MemoryId id = palace.snapshot().find_key("", key_of(77)).value();
  Memory before;
  REQUIRE(palace.snapshot().get(id, before).has_value());
  const std::string_view needle = std::string_view(before.content).substr(16, 64);
  Batch end;
  if (forgotten) {
    end.forget(id);
  } else {
    NewMemory next = secret(78, std::vector<float>(kDimension, 2.0F));
    next.key.clear();
    next.session.clear();
    end.supersede(id, next);
  }
  commit(palace, std::move(end));
  REQUIRE(palace.compact().has_value());
  // No version names it, and the blob file is needed for the others.
  CHECK(palace.stats()->ended_versions == 0);
  REQUIRE(files_with(scratch / "palace", needle).find("blob-") != std::string::npos);
  Batch erase;
  erase.erase(id);
  if (forgotten) {
    CHECK(palace.commit(std::move(erase)).error().code == Errc::unknown_id);
  } else {
    commit(palace, std::move(erase));
  }
  REQUIRE(palace.purge().has_value());
  CHECK(files_with(scratch / "palace", needle).empty());
  Memory other;
  REQUIRE(
      palace.snapshot().get(palace.snapshot().find_key("", key_of(79)).value(), other).has_value());
  CHECK(palace.verify()->damage.empty());
}

TEST_CASE("a key is erased though its version was dropped when history was shorter") {
  const test::TempDirectory scratch;
  Palace palace = make(scratch / "palace", quiet());
  std::vector<float> vector(kDimension, 1.0F);
  Batch many;
  many.set_history(0);
  for (int i = 0; i < 1500; ++i) {
    many.remember(secret(i, vector));
    if (i % 500 == 499) commit(palace, std::exchange(many, {}));
  }
  REQUIRE(palace.checkpoint().has_value());
  const auto settle = [&](Batch batch) {
    commit(palace, std::move(batch));
    REQUIRE(palace.checkpoint().has_value());
  };
  Batch first;
  first.remember(secret(5000, vector));
  settle(std::move(first));
  const MemoryId id = palace.snapshot().find_key("", key_of(5000)).value();
  Batch end;
  end.forget(id);
  settle(std::move(end));
  for (int i = 5002; i < 5004; ++i) {
    Batch other;
    other.remember(secret(i, vector));
    settle(std::move(other));
  }
  // The small segments were merged, and there the version was dropped.
  REQUIRE(palace.stats()->segments == 2);
  REQUIRE(palace.stats()->ended_versions == 0);
  Batch longer;
  longer.set_history(kEndOfTime);
  longer.erase(id);
  commit(palace, std::move(longer));
  REQUIRE(palace.purge().has_value());
  CHECK(files_with(scratch / "palace", "key-of-secret-5000").empty());
}
