#include "tests/sim/sim_os.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <set>
#include <thread>

#include "storage/codec.hpp"

using namespace aeon;
using namespace aeon::storage;
using namespace aeon::test;

namespace {

constexpr std::uint64_t kStates = 300;  // seeds tried for each "can happen"

std::unique_ptr<File> make(SimOs& os, const std::string& path) {
  auto file = os.open_file(path, OpenMode::open_or_create);
  REQUIRE(file);
  return std::move(*file);
}

void write(File& file, std::string_view text, std::uint64_t offset = 0) {
  REQUIRE(file.write_at(as_bytes(text), offset));
}

// What the file may hold after a power cut now, and how often.
std::map<std::string, int> outcomes(const SimOs& os, const std::string& path,
                                    PowerCut policy = {}) {
  std::map<std::string, int> found;
  for (std::uint64_t seed = 0; seed < kStates; ++seed) {
    const auto after = os.power_cut(seed, policy);
    ++found[after->exists(path) ? after->contents(path) : "(none)"];
  }
  return found;
}

}  // namespace

TEST_CASE("a synced file under a synced name survives every power cut") {
  SimOs os(1);
  const auto file = make(os, "/a");
  write(*file, "kept");
  REQUIRE(file->sync());
  REQUIRE(os.sync_directory("/"));
  const auto found = outcomes(os, "/a");
  CHECK(found.size() == 1);
  CHECK(found.contains("kept"));
  CHECK(os.pending_items() == 0);
}

TEST_CASE("a write that was not synced may vanish, survive or leave a stale length") {
  SimOs os(1);
  const auto file = make(os, "/a");
  write(*file, "old");
  REQUIRE(file->sync());
  REQUIRE(os.sync_directory("/"));
  write(*file, "newer");
  const auto found = outcomes(os, "/a");
  CHECK(found.contains("old"));
  CHECK(found.contains("newer"));
  CHECK(found.contains("new"));
  CHECK(found.contains(std::string("old\0\0", 5)));
}

TEST_CASE("a synced file whose directory was not synced may have no name") {
  SimOs os(1);
  const auto file = make(os, "/a");
  write(*file, "kept");
  REQUIRE(file->sync());
  const auto found = outcomes(os, "/a");
  CHECK(found.size() == 2);
  CHECK(found.contains("(none)"));
  CHECK(found.contains("kept"));
}

TEST_CASE("pending writes survive in any order and tear at sectors") {
  SimOs os(1);
  const auto file = make(os, "/a");
  write(*file, std::string(1024, '.'));
  REQUIRE(file->sync());
  REQUIRE(os.sync_directory("/"));
  write(*file, std::string(1024, '1'));
  write(*file, std::string(100, '2'), 1024);
  std::set<std::string> shapes;
  for (const auto& [text, count] : outcomes(os, "/a")) {
    std::string shape{text[0], text[512]};
    shape += text.size() > 1024 ? text[1024] : '-';
    CHECK(std::ranges::count(text.substr(0, 512), text[0]) == 512);
    CHECK(std::ranges::count(text.substr(512, 512), text[512]) == 512);
    shapes.insert(shape);
  }
  for (const char* shape : {"..-", "11-", "1.-", ".1-", "112", "..2"}) {
    INFO(shape);
    CHECK(shapes.contains(shape));
  }
  for (const auto& [text, count] : outcomes(os, "/a", {.tear = false})) {
    CHECK(text[0] == text[512]);
  }
}

TEST_CASE("a shredded sector holds garbage") {
  SimOs os(1);
  const auto file = make(os, "/a");
  REQUIRE(os.sync_directory("/"));
  write(*file, std::string(1024, '1'));
  bool garbage = false;
  for (const auto& [text, count] : outcomes(os, "/a", {.shred = true})) {
    garbage |= text.find_first_not_of(std::string("1\0", 2)) != text.npos;
  }
  CHECK(garbage);
}

TEST_CASE("directory operations survive as a prefix, or as any subset on demand") {
  SimOs os(1);
  make(os, "/a");
  REQUIRE(os.sync_directory("/"));
  REQUIRE(os.rename("/a", "/b"));
  REQUIRE(os.link("/b", "/c"));
  REQUIRE(os.unlink("/b"));
  std::set<std::vector<std::string>> ordered, reordered;
  for (std::uint64_t seed = 0; seed < kStates; ++seed) {
    ordered.insert(os.power_cut(seed)->list_directory("/").value());
    reordered.insert(os.power_cut(seed, {.reorder_directory = true})->list_directory("/").value());
  }
  const std::set<std::vector<std::string>> prefixes = {{"a"}, {"b"}, {"b", "c"}, {"c"}};
  CHECK(ordered == prefixes);
  CHECK(reordered.contains({"a", "c"}));
  CHECK(os.power_cut_keeping(0)->list_directory("/").value() == std::vector<std::string>{"a"});
  CHECK(os.power_cut_keeping(1)->list_directory("/").value() == std::vector<std::string>{"b"});
  CHECK(os.power_cut_keeping(7)->list_directory("/").value() == std::vector<std::string>{"c"});
}

TEST_CASE("a directory that was not synced into its parent may be gone with all it holds") {
  SimOs os(1);
  REQUIRE(os.make_directory("/palace"));
  const auto file = make(os, "/palace/a");
  REQUIRE(os.sync_directory("/palace"));
  CHECK_FALSE(os.power_cut_keeping(0)->exists("/palace/a"));
  REQUIRE(os.sync_directory("/"));
  CHECK(os.power_cut_keeping(0)->exists("/palace/a"));
}

TEST_CASE("process death keeps what was written and drops locks, but not what power may take") {
  SimOs os(1);
  const auto file = make(os, "/a");
  write(*file, "cached");
  REQUIRE(file->try_lock(0, LockMode::exclusive).value());
  const auto after = os.process_death();
  CHECK(after->contents("/a") == "cached");
  CHECK(after->boot_id() == os.boot_id());
  CHECK(after->process_id() != os.process_id());
  CHECK(make(*after, "/a")->try_lock(0, LockMode::exclusive).value());
  CHECK(outcomes(*after, "/a").contains("(none)"));
  CHECK(os.power_cut(1)->boot_id() != os.boot_id());
}

TEST_CASE("from its crash on the machine is off and the last write may survive in part") {
  SimOs os(1);
  const auto file = make(os, "/a");
  REQUIRE(os.sync_directory("/"));
  os.crash_at(3);
  write(*file, "one");
  const auto broken = file->write_at(as_bytes(std::string(10'000, '2')), 3);
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == Errc::io_error);
  CHECK(broken.error().message.find("the machine is off") != std::string::npos);
  CHECK(os.is_off());
  std::byte byte{};
  CHECK_FALSE(file->read_at({&byte, 1}, 0));
  CHECK_FALSE(file->sync());
  CHECK_FALSE(os.exists("/a"));
  CHECK_FALSE(os.open_file("/a", OpenMode::read));
  std::set<std::size_t> lengths;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const std::string text = os.process_death(seed)->contents("/a");
    CHECK(text.substr(0, 3) == "one");
    lengths.insert(text.size());
  }
  CHECK(lengths == std::set<std::size_t>{3, 4099, 8195, 10'003});
}

TEST_CASE("a failed sync forgets: readers see bytes that no later sync saves") {
  SimOs os(1);
  const auto file = make(os, "/a");
  write(*file, "old");
  REQUIRE(file->sync());
  REQUIRE(os.sync_directory("/"));
  write(*file, "new");
  os.inject({.call = SimCall::sync});
  const auto failed = file->sync();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().os_errno == EIO);
  CHECK(os.contents("/a") == "new");
  REQUIRE(file->sync());
  CHECK(outcomes(os, "/a").size() == 1);
  CHECK(outcomes(os, "/a").contains("old"));
  file->drop_cache();
  CHECK(os.contents("/a") == "old");
  write(*file, "new");
  REQUIRE(file->sync());
  CHECK(outcomes(os, "/a").contains("new"));
}

TEST_CASE("faults fire at their call, once or for ever") {
  SimOs os(1);
  const auto file = make(os, "/a");
  os.inject({.call = SimCall::write, .skip = 1, .os_errno = ENOSPC});
  os.inject({.call = SimCall::read, .os_errno = EIO, .for_ever = true});
  write(*file, "x");
  CHECK(file->write_at(as_bytes("y"), 1).error().code == Errc::disk_full);
  write(*file, "z", 1);
  std::byte byte{};
  CHECK_FALSE(file->read_at({&byte, 1}, 0));
  CHECK_FALSE(file->read_at({&byte, 1}, 0));
  CHECK(os.faults_fired() == 3);
  os.clear_faults();
  CHECK(file->read_at({&byte, 1}, 1).value() == 1);
  CHECK(byte == std::byte{'z'});
  CHECK(os.calls(SimCall::write) == 3);
}

TEST_CASE("a full disk takes what fits and has room again once a file is gone") {
  SimOs os(1);
  os.set_capacity(10);
  auto file = make(os, "/a");
  const auto full = file->write_at(as_bytes("0123456789ab"), 0);
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Errc::disk_full);
  CHECK(os.contents("/a") == "0123456789");
  write(*file, "overwrites", 0);
  CHECK(os.used_bytes() == 10);
  REQUIRE(os.unlink("/a"));
  CHECK_FALSE(make(os, "/b")->write_at(as_bytes("x"), 0));
  file.reset();
  write(*make(os, "/b"), "x");
}

TEST_CASE("locks conflict between files, convert within one and die with it") {
  SimOs os(1);
  const auto door = os.another_process();
  CHECK(door->process_id() != os.process_id());
  auto first = make(os, "/a");
  const auto second = make(*door, "/a");
  CHECK(first->try_lock(0, LockMode::exclusive).value());
  CHECK_FALSE(second->try_lock(0, LockMode::shared).value());
  CHECK(second->try_lock(1, LockMode::exclusive).value());
  CHECK(first->try_lock(0, LockMode::shared).value());
  CHECK(second->try_lock(0, LockMode::shared).value());
  CHECK_FALSE(first->try_lock(0, LockMode::exclusive).value());
  second->unlock(0);
  CHECK(first->try_lock(0, LockMode::exclusive).value());
  std::thread waiter([&] { CHECK(second->lock(0, LockMode::exclusive)); });
  first.reset();
  waiter.join();
}

TEST_CASE("shared mappings are one memory, kept by process death and not by a power cut") {
  SimOs os(1);
  const auto file = make(os, "/control");
  write(*file, std::string(4096, '\0'));
  REQUIRE(file->sync());
  REQUIRE(os.sync_directory("/"));
  const auto one = os.map_shared("/control", 4096).value();
  const auto two = os.map_shared("/control", 4096).value();
  auto& word = *reinterpret_cast<std::atomic<std::uint32_t>*>(one->writable().data());
  word.store(7);
  CHECK(load<std::uint32_t>(two->bytes().data()) == 7);
  CHECK(os.contents("/control")[0] == 7);
  CHECK(os.process_death()->contents("/control")[0] == 7);
  CHECK(outcomes(os, "/control").size() == 2);
  const std::int64_t before = os.monotonic_ns();
  os.wait_on(word, 7, 1'000'000'000);
  CHECK(os.monotonic_ns() - before >= 1'000'000'000);
}

TEST_CASE("a read-only mapping keeps its bytes whatever happens to the name") {
  SimOs os(1);
  write(*make(os, "/a"), "mapped");
  const auto mapping = os.map_read("/a").value();
  REQUIRE(os.unlink("/a"));
  CHECK(as_view(mapping->bytes()) == "mapped");
  CHECK(os.map_read("/a").error().code == Errc::not_found);
}

TEST_CASE("the same seed gives the same machine, and states are independent of each other") {
  SimOs os(1);
  const auto file = make(os, "/a");
  write(*file, std::string(20'000, 'x'));
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto one = os.power_cut(seed);
    const auto two = os.power_cut(seed);
    CHECK(one->exists("/a") == two->exists("/a"));
    CHECK(one->contents("/a") == two->contents("/a"));
    if (one->exists("/a")) write(*make(*one, "/a"), "changed");
  }
  CHECK(os.contents("/a") == std::string(20'000, 'x'));
}

TEST_CASE("an observer sees every I/O before it happens") {
  SimOs os(1);
  std::vector<std::uint64_t> seen;
  std::vector<std::size_t> sizes;
  os.observe([&](std::uint64_t io) {
    seen.push_back(io);
    sizes.push_back(os.process_death()->contents("/a").size());
  });
  const auto file = make(os, "/a");
  write(*file, "x");
  write(*file, "y", 1);
  REQUIRE(file->sync());
  CHECK(seen == std::vector<std::uint64_t>{0, 1, 2, 3});
  CHECK(sizes == std::vector<std::size_t>{0, 0, 1, 2});
  CHECK(os.io_count() == 4);
}

TEST_CASE("bit rot changes cache and disk alike") {
  SimOs os(1);
  const auto file = make(os, "/a");
  write(*file, "abc");
  REQUIRE(file->sync());
  REQUIRE(os.sync_directory("/"));
  os.corrupt("/a", 1, std::byte{1});
  CHECK(os.contents("/a") == "acc");
  CHECK(os.power_cut(3)->contents("/a") == "acc");
}
