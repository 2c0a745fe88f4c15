// Groups that are large enough to be applied while they are synced: the outcome is that of a sync
// followed by an application, whatever the sync says.
#include <catch2/catch.hpp>

#include <fmt/format.h>

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
  options.os = &os;
  return options;
}

Batch large_batch(int number) {
  Batch batch;
  for (int i = 0; i < 40; ++i) {
    NewMemory memory;
    memory.key = fmt::format("{}/{}", number, i);
    memory.content.assign(2000, static_cast<char>('a' + number % 26));
    memory.session.assign(1, 's');
    batch.remember(std::move(memory));
  }
  return batch;
}

bool is_whole(const Snapshot& snapshot, int number) {
  Memory memory;
  for (int i = 0; i < 40; ++i) {
    const auto id = snapshot.find_key("", fmt::format("{}/{}", number, i));
    if (!id || !snapshot.get(*id, memory) || memory.content.size() != 2000) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a large commit whose sync fails is not seen, and the palace takes no more commits") {
  for (std::uint64_t skip = 0; skip < 12; ++skip) {
    CAPTURE(skip);
    SimOs os(skip + 1);
    auto palace = Palace::create(kDirectory, {}, on(os)).value();
    REQUIRE(palace.commit(large_batch(0), Durability::sync).has_value());
    os.inject(SimFault{SimCall::sync, skip, EIO, true});
    int number = 1;
    std::uint64_t hash = palace.snapshot().state_hash().value();
    std::uint64_t memories = palace.stats().value().memories;
    auto ack = palace.commit(large_batch(number), Durability::sync);
    while (ack) {
      hash = palace.snapshot().state_hash().value();
      memories = palace.stats().value().memories;
      ack = palace.commit(large_batch(++number), Durability::sync);
    }
    CHECK(ack.error().code == Errc::io_error);
    CHECK(!palace.snapshot().find_key("", fmt::format("{}/0", number)).has_value());
    CHECK(palace.snapshot().state_hash().value() == hash);
    CHECK(palace.stats().value().memories == memories);
    CHECK(palace.commit(large_batch(99), Durability::process).error().code == Errc::read_only);
    os.clear_faults();
    const auto machine = os.power_cut(skip);
    auto again = Palace::open(kDirectory, on(*machine)).value();
    for (int i = 0; i < number; ++i) CHECK(is_whole(again.snapshot(), i));
    CHECK(again.verify().value().damage.empty());
  }
}

TEST_CASE("large commits that were acknowledged survive power loss, and no other is half there") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    SimOs os(seed + 1);
    auto palace = Palace::create(kDirectory, {}, on(os)).value();
    const int commits = static_cast<int>(1 + seed % 5);
    for (int i = 0; i < commits; ++i) {
      REQUIRE(palace.commit(large_batch(i), Durability::sync).has_value());
      REQUIRE(is_whole(palace.snapshot(), i));
    }
    REQUIRE(palace.commit(large_batch(commits), Durability::process).has_value());
    const auto machine = os.power_cut(seed);
    auto again = Palace::open(kDirectory, on(*machine)).value();
    for (int i = 0; i < commits; ++i) REQUIRE(is_whole(again.snapshot(), i));
    const bool last = again.snapshot().find_key("", fmt::format("{}/0", commits)).has_value();
    CHECK(last == is_whole(again.snapshot(), commits));
    CHECK(again.verify().value().damage.empty());
  }
}
