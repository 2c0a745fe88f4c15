#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <set>
#include <thread>

#include "storage/codec.hpp"
#include "storage/os.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using namespace aeon::storage;
using aeon::test::TempDirectory;

namespace {

std::unique_ptr<File> must_open(const std::string& path, OpenMode mode) {
  auto file = real_os().open_file(path, mode);
  REQUIRE(file);
  return std::move(*file);
}

// Runs `body` in a child process; true when it returned true there.
template <typename Body>
bool in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("written bytes are read back, short only at the end of the file") {
  const TempDirectory scratch;
  auto file = must_open(scratch / "a", OpenMode::create);
  REQUIRE(file->write_at(as_bytes("hello world"), 5));
  REQUIRE(file->sync());
  CHECK(file->size().value() == 16);
  std::string buffer(32, '#');
  CHECK(file->read_at(std::as_writable_bytes(std::span(buffer)), 5).value() == 11);
  CHECK(buffer.substr(0, 11) == "hello world");
  CHECK(file->read_at(std::as_writable_bytes(std::span(buffer)), 100).value() == 0);
  file->drop_cache();
  CHECK(file->read_at(std::as_writable_bytes(std::span(buffer)).first(1), 4).value() == 1);
  CHECK(buffer[0] == '\0');
}

TEST_CASE("open modes insist on presence or absence and errors name call and path") {
  const TempDirectory scratch;
  const std::string path = scratch / "a";
  const auto missing = real_os().open_file(path, OpenMode::read);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Errc::not_found);
  CHECK(missing.error().message.find("open " + path) == 0);
  CHECK_FALSE(real_os().open_file(path, OpenMode::read_write));
  must_open(path, OpenMode::open_or_create);
  must_open(path, OpenMode::open_or_create);
  const auto present = real_os().open_file(path, OpenMode::create);
  REQUIRE_FALSE(present);
  CHECK(present.error().code == Errc::already_exists);
  const auto written = must_open(path, OpenMode::read)->write_at(as_bytes("x"), 0);
  REQUIRE_FALSE(written);
  CHECK(written.error().message.find("pwrite " + path) == 0);
}

TEST_CASE("a full device is disk_full") {
  auto full = real_os().open_file("/dev/full", OpenMode::read_write);
  if (!full) return;  // not every container has the device
  const auto status = (*full)->write_at(as_bytes("x"), 0);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Errc::disk_full);
  CHECK(status.error().os_errno == ENOSPC);
}

TEST_CASE("directories list sorted names and move, link and unlink files") {
  const TempDirectory scratch;
  Os& os = real_os();
  const std::string room = scratch / "room";
  REQUIRE(os.make_directory(room));
  CHECK(os.make_directory(room).error().code == Errc::already_exists);
  must_open(room + "/b", OpenMode::create);
  must_open(room + "/a", OpenMode::create);
  REQUIRE(os.link(room + "/a", room + "/c"));
  CHECK(os.list_directory(room).value() == std::vector<std::string>{"a", "b", "c"});
  REQUIRE(os.rename(room + "/b", room + "/c"));
  REQUIRE(os.unlink(room + "/a"));
  REQUIRE(os.sync_directory(room));
  CHECK(os.list_directory(room).value() == std::vector<std::string>{"c"});
  CHECK(os.exists(room + "/c"));
  CHECK_FALSE(os.exists(room + "/a"));
  CHECK(os.unlink(room + "/a").error().code == Errc::not_found);
  CHECK(os.list_directory(scratch / "no").error().code == Errc::not_found);
}

TEST_CASE("a read-only mapping sees the file and outlives its name") {
  const TempDirectory scratch;
  must_open(scratch / "a", OpenMode::create)->write_at(as_bytes("mapped"), 0).value();
  auto mapping = real_os().map_read(scratch / "a");
  REQUIRE(mapping);
  REQUIRE(real_os().unlink(scratch / "a"));
  (*mapping)->populate();
  CHECK(as_view((*mapping)->bytes()) == "mapped");
  CHECK((*mapping)->writable().empty());
}

TEST_CASE("an empty or short file is refused instead of mapped") {
  const TempDirectory scratch;
  must_open(scratch / "a", OpenMode::create);
  CHECK(real_os().map_read(scratch / "a").error().code == Errc::damaged);
  CHECK(real_os().map_shared(scratch / "a", 4096).error().code == Errc::damaged);
  CHECK(real_os().map_read(scratch / "no").error().code == Errc::not_found);
}

TEST_CASE("a shared mapping carries stores and wake-ups to another process") {
  const TempDirectory scratch;
  const std::string zeros(4096, '\0');
  must_open(scratch / "control", OpenMode::create)->write_at(as_bytes(zeros), 0).value();
  const auto mapping = real_os().map_shared(scratch / "control", 4096);
  REQUIRE(mapping);
  auto& word = *reinterpret_cast<std::atomic<std::uint32_t>*>((*mapping)->writable().data());
  std::thread waker([&] {
    in_child([&] {
      word.store(1, std::memory_order_release);
      real_os().wake_all(word);
      return true;
    });
  });
  while (word.load(std::memory_order_acquire) == 0) real_os().wait_on(word, 0, 1'000'000'000);
  waker.join();
  CHECK(word.load() == 1);
}

TEST_CASE("a wait ends at its time-out and at once when the word has moved") {
  const std::atomic<std::uint32_t> word{3};
  real_os().wait_on(word, 2, 3'600'000'000'000);
  real_os().wait_on(word, 3, 1'000);
  real_os().wait_on(word, 3, -5);
}

TEST_CASE("locks belong to the open file, not to the process") {
  const TempDirectory scratch;
  auto first = must_open(scratch / "a", OpenMode::create);
  auto second = must_open(scratch / "a", OpenMode::read_write);
  CHECK(first->try_lock(7, LockMode::exclusive).value());
  CHECK_FALSE(second->try_lock(7, LockMode::shared).value());
  CHECK(second->try_lock(8, LockMode::exclusive).value());
  CHECK(first->try_lock(7, LockMode::shared).value());
  CHECK(second->try_lock(7, LockMode::shared).value());
  CHECK_FALSE(first->try_lock(7, LockMode::exclusive).value());
  second->unlock(7);
  CHECK(first->try_lock(7, LockMode::exclusive).value());
  // Closing another descriptor of the file must not free the lock, as it would with POSIX locks.
  must_open(scratch / "a", OpenMode::read_write).reset();
  CHECK_FALSE(second->try_lock(7, LockMode::shared).value());
  first.reset();
  CHECK(second->try_lock(7, LockMode::exclusive).value());
}

TEST_CASE("a lock dies with its process and a waiter gets it") {
  const TempDirectory scratch;
  const std::string path = scratch / "a";
  auto ours = must_open(path, OpenMode::create);
  CHECK(in_child([&] {
    auto theirs = real_os().open_file(path, OpenMode::read_write);
    if (!theirs || !(*theirs)->try_lock(0, LockMode::exclusive).value_or(false)) return false;
    ::_exit(0);  // without unlocking
  }));
  CHECK(ours->try_lock(0, LockMode::exclusive).value());
  auto waiter = must_open(path, OpenMode::read_write);
  std::thread thread([&] { REQUIRE(waiter->lock(0, LockMode::exclusive)); });
  ours->unlock(0);
  thread.join();
  CHECK_FALSE(ours->try_lock(0, LockMode::exclusive).value());
}

TEST_CASE("random numbers differ between calls, threads and forked children") {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 100; ++i) seen.insert(real_os().random_u64());
  std::uint64_t other = 0;
  std::thread([&] { other = real_os().random_u64(); }).join();
  seen.insert(other);
  CHECK(seen.size() == 101);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(in_child([&] {
    const std::uint64_t mine = real_os().random_u64();
    return ::write(ends[1], &mine, sizeof mine) == sizeof mine;
  }));
  std::uint64_t theirs = 0;
  REQUIRE(::read(ends[0], &theirs, sizeof theirs) == sizeof theirs);
  CHECK(theirs != real_os().random_u64());
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("what a device was asked to begin with is there after the sync") {
  const TempDirectory scratch;
  const auto file = real_os().open_file(scratch / "begun", OpenMode::create).value();
  const std::vector<std::byte> bytes(100'000, std::byte{7});
  REQUIRE(file->write_at(bytes, 4096).has_value());
  file->begin_sync(4096, bytes.size());
  file->begin_sync(1U << 30, 1);  // beyond the end: nothing to begin with
  REQUIRE(file->sync().has_value());
  std::vector<std::byte> read(bytes.size());
  REQUIRE(file->read_at(read, 4096).value() == bytes.size());
  CHECK(read == bytes);
}

TEST_CASE("boot id and clocks are sane") {
  CHECK(real_os().boot_id() != 0);
  CHECK(real_os().boot_id() == real_os().boot_id());
  const std::int64_t before = real_os().monotonic_ns();
  CHECK(real_os().monotonic_ns() >= before);
  CHECK(real_os().wall_time_ns() > 1'600'000'000'000'000'000);
  CHECK(real_os().process_id() == static_cast<std::uint32_t>(::getpid()));
}
