// Openings beside others, of what is damaged, and after a failure.
#include <catch2/catch.hpp>

#include <fstream>

#include "engine/palace.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using aeon::test::SimCall;
using aeon::test::SimFault;
using aeon::test::SimOs;

namespace {

const std::string kDirectory = "/palace";

OpenOptions on(SimOs& os) {
  OpenOptions options;
  options.background = false;
  options.os = &os;
  return options;
}

Batch remember(const std::string& text) {
  Batch batch;
  NewMemory memory;
  memory.content = text;
  memory.embed = false;
  batch.remember(std::move(memory));
  return batch;
}

}  // namespace

TEST_CASE("an opening that makes the control file does not clear it under those who were faster") {
  SimOs os(1);
  {
    REQUIRE(Palace::create(kDirectory, {}, on(os))->close());
  }
  REQUIRE(os.unlink(kDirectory + "/control"));
  const auto slow = os.another_process();
  const auto other = os.another_process();
  std::optional<Result<Palace>> fast;
  std::optional<Result<Palace>> third;
  const std::uint64_t start = os.io_count();
  bool met = false;
  os.observe([&](std::uint64_t io) {
    // The file is there, its zeros are about to be written.
    if (met || io != start + 1) return;
    met = true;
    fast.emplace(Palace::open(kDirectory, on(os)));
    REQUIRE(fast->has_value());
    third.emplace(Palace::open(kDirectory, on(*other)));
    REQUIRE(third->has_value());
    for (int i = 0; i < 3; ++i)
      REQUIRE((*fast)->commit(remember("acknowledged"), Durability::sync));
  });
  auto late = Palace::open(kDirectory, on(*slow));
  os.observe(nullptr);
  REQUIRE(fast.has_value());
  CHECK(late.has_value());
  REQUIRE((*third)->commit(remember("later"), Durability::sync));
  const auto cut = os.power_cut(7);
  auto palace = Palace::open(kDirectory, on(*cut));
  REQUIRE(palace.has_value());
  CHECK(palace->snapshot().commit() == 4);
}

TEST_CASE("a palace that was closed after a failure may be opened again beside the closed one") {
  SimOs os(1);
  auto palace = Palace::create(kDirectory, {}, on(os));
  REQUIRE(palace.has_value());
  os.inject(SimFault{SimCall::sync, 0, EIO, false});
  REQUIRE(!palace->commit(remember("lost"), Durability::sync));
  os.clear_faults();
  (void)palace->close();
  auto again = Palace::open(kDirectory, on(os));
  REQUIRE(again.has_value());
  CHECK(again->commit(remember("kept"), Durability::sync).has_value());
}

TEST_CASE("an opening for reading says that the log is damaged") {
  SimOs os(1);
  {
    auto palace = Palace::create(kDirectory, {}, on(os));
    REQUIRE(palace.has_value());
    for (int i = 0; i < 3; ++i) REQUIRE(palace->commit(remember("text"), Durability::sync));
    REQUIRE(palace->close());
  }
  os.corrupt(kDirectory + "/log-000001", 4096 + 20, std::byte{1});
  OpenOptions options = on(os);
  options.read_only = true;
  auto palace = Palace::open(kDirectory, options);
  REQUIRE(palace.has_value());
  CHECK(palace->snapshot().commit() == 0);
  INFO(palace->stats()->read_only_reason);
  CHECK(palace->stats()->read_only_reason.find("damaged or missing") != std::string::npos);
}

TEST_CASE("figures are given while a log file is retired") {
  SimOs os(1);
  auto palace = Palace::create(kDirectory, {}, on(os));
  REQUIRE(palace.has_value());
  os.inject(SimFault{SimCall::open, 0, ENOENT, false});
  CHECK(palace->stats().has_value());
}

TEST_CASE("an opening alone removes what others left half made") {
  SimOs os(4);
  REQUIRE(Palace::create(kDirectory, {}, on(os))->close());
  const std::vector<std::string> strays = {"fill-000001", "next-000002",
                                           "control.0123456789abcdef"};
  for (const std::string& name : strays) {
    REQUIRE(os.open_file(kDirectory + "/" + name, storage::OpenMode::create).has_value());
  }
  const auto palace = Palace::open(kDirectory, on(os));
  REQUIRE(palace.has_value());
  for (const std::string& name : strays) CHECK_FALSE(os.exists(kDirectory + "/" + name));
}

TEST_CASE("a full disk keeps nobody out, though a payload that nobody names waits to be removed") {
  SimOs os(3);
  const std::string payload(100'000, 'p');
  {
    Palace palace = Palace::create(kDirectory, {}, on(os)).value();
    REQUIRE(palace.store_payload(ContentType::bytes, payload).has_value());
  }
  const std::uint64_t used = os.used_bytes();
  os.set_capacity(used);
  {
    Result<Palace> palace = Palace::open(kDirectory, on(os));
    INFO((palace ? std::string() : palace.error().message));
    REQUIRE(palace.has_value());
    REQUIRE(palace->snapshot().commit() == 0);
    CHECK(palace->commit(remember("small"), Durability::sync).has_value());
  }
  os.set_capacity(2 * used);
  REQUIRE(Palace::open(kDirectory, on(os)).has_value());
  CHECK(os.used_bytes() < used);
}
