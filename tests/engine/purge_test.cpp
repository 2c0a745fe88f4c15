// A purge beside other writers, failing calls and a full disk: it says that it is done when it is.
#include <catch2/catch.hpp>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "engine/palace.hpp"
#include "tests/sim/sim_os.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/watched_os.hpp"

using namespace aeon;
using aeon::test::SimCall;
using aeon::test::SimOs;
using aeon::test::TempDirectory;
using aeon::test::WatchedOs;

namespace {

constexpr std::string_view kSecret = "what nobody may read";

OpenOptions on(storage::Os& os) {
  OpenOptions options;
  options.background = false;
  options.os = &os;
  return options;
}

NewMemory text(std::string content) {
  NewMemory memory;
  memory.content = std::move(content);
  memory.embed = false;
  return memory;
}

MemoryId remember(Palace& palace, std::string content) {
  Batch batch;
  batch.remember(text(std::move(content)));
  return palace.commit(std::move(batch), Durability::process).value().ids.front();
}

void erase(Palace& palace, MemoryId id) {
  Batch batch;
  batch.erase(id);
  REQUIRE(palace.commit(std::move(batch), Durability::process).has_value());
}

// The files that hold the secret.
std::string files_with_secret(SimOs& os) {
  std::string found;
  const auto names = os.list_directory("/palace").value();
  for (const std::string& name : names) {
    const std::string path = "/palace/" + name;
    if (os.contents(path).find(kSecret) != std::string::npos) found += name + " ";
  }
  return found;
}

std::string files_with_secret(const std::string& directory) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    std::string bytes(entry.file_size(), '\0');
    std::ifstream(entry.path(), std::ios::binary)
        .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (bytes.find(kSecret) != std::string::npos) found += entry.path().filename().string() + " ";
  }
  return found;
}

}  // namespace

TEST_CASE("a purge that could not give up a file says so, and the next one does") {
  const SimCall call = GENERATE(SimCall::open, SimCall::list, SimCall::unlink, SimCall::rename,
                                SimCall::sync_directory);
  CAPTURE(static_cast<int>(call));
  for (std::uint64_t skip = 0;; ++skip) {
    CAPTURE(skip);
    SimOs os(7);
    std::optional<Palace> palace = Palace::create("/palace", {}, on(os)).value();
    erase(*palace, remember(*palace, std::string(kSecret)));
    os.inject({.call = call, .skip = skip, .os_errno = EMFILE});
    const Status done = palace->purge();
    const bool failed = os.faults_fired() != 0;
    os.clear_faults();
    if (done) {
      REQUIRE(files_with_secret(os) == "");
      if (!failed) break;
      continue;
    }
    palace.reset();
    palace = Palace::open("/palace", on(os)).value();
    REQUIRE(palace->stats()->erasures_pending == 1);
    REQUIRE(palace->purge().has_value());
    REQUIRE(files_with_secret(os) == "");
  }
}

TEST_CASE("after a purge a full disk still takes what frees space") {
  SimOs os(5);
  Palace palace = Palace::create("/palace", {}, on(os)).value();
  erase(palace, remember(palace, std::string(kSecret)));
  REQUIRE(palace.purge().has_value());
  os.set_capacity(os.used_bytes());
  std::vector<MemoryId> ids;
  for (;;) {
    Batch batch;
    for (int i = 0; i < 50; ++i) batch.remember(text(std::string(200, 'x')));
    const auto ack = palace.commit(std::move(batch), Durability::process);
    if (!ack) {
      REQUIRE(ack.error().code == Errc::disk_full);
      break;
    }
    ids.insert(ids.end(), ack->ids.begin(), ack->ids.end());
  }
  REQUIRE(ids.size() > 1000);
  for (std::size_t i = 0; i < 500; ++i) {
    Batch batch;
    batch.forget(ids[i]);
    REQUIRE(palace.commit(std::move(batch), Durability::process).has_value());
  }
}

TEST_CASE("a purge sees that another writer went on in an old log file") {
  const TempDirectory scratch;
  const std::string directory = scratch / "palace";
  int segments = -1;  // made since the purge began
  std::optional<Palace> other;
  WatchedOs os([&](std::string_view call, const std::string& path) {
    if (segments < 0 || call != "create" || path.find("/seg-") == std::string::npos) return;
    if (++segments != 2) return;
    // While the segments are merged the other one fills the new log file.
    for (int i = 0; i < 5; ++i) remember(*other, std::string(250'000, 'x'));
  });
  Palace palace = Palace::create(directory, {}, on(os)).value();
  other = Palace::open(directory, on(storage::real_os())).value();
  erase(palace, remember(palace, std::string(kSecret)));
  {
    // As a log file that was large enough is kept.
    std::string stale(1 << 20, '\0');
    stale.replace(900'000, kSecret.size(), kSecret);
    std::ofstream(directory + "/spare-000009", std::ios::binary) << stale;
  }
  segments = 0;
  REQUIRE(palace.purge().has_value());
  REQUIRE(segments >= 2);
  CHECK(files_with_secret(directory) == "");
  CHECK(palace.fresh_snapshot()->commit() > 5);
  CHECK(palace.verify()->damage.empty());
}

TEST_CASE("an erase that commits in one group with a purge's rotation is still to be purged") {
  using std::chrono::milliseconds;
  const TempDirectory scratch;
  const std::string directory = scratch / "palace";
  Palace* palace = nullptr;
  std::vector<std::thread> threads;
  MemoryId id = 0;
  std::atomic<bool> slow{false};
  const auto commit = [&](Batch batch, Durability level) {
    threads.emplace_back([palace, batch = std::move(batch), level]() mutable {
      (void)palace->commit(std::move(batch), level);
    });
    std::this_thread::sleep_for(milliseconds(20));
  };
  WatchedOs os([&](std::string_view call, const std::string& path) {
    if (call == "sync" && slow.exchange(false)) std::this_thread::sleep_for(milliseconds(100));
    if (call != "unlink" || path.find("/seg-000099") == std::string::npos) return;
    // The purge holds the lock that the first of these waits for; the others queue up behind it.
    slow = true;
    Batch first;
    first.remember(text("first"));
    commit(std::move(first), Durability::sync);
    Batch next;
    next.supersede(id, text(std::string(kSecret)));
    commit(std::move(next), Durability::process);
    Batch end;
    end.erase(id);
    commit(std::move(end), Durability::process);
  });
  Palace opened = Palace::create(directory, {}, on(os)).value();
  palace = &opened;
  id = remember(*palace, "what may be read");
  erase(*palace, remember(*palace, "gone"));
  std::ofstream(directory + "/seg-000099") << "left behind by a checkpoint that died";
  REQUIRE(palace->purge().has_value());
  for (std::thread& thread : threads) thread.join();
  REQUIRE(threads.size() == 3);
  // Whether it came before the rotation or after.
  REQUIRE(palace->purge().has_value());
  CHECK(palace->stats()->erasures_pending == 0);
  CHECK(files_with_secret(directory) == "");
}
