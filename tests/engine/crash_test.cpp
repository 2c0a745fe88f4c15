// A palace on the simulated machine, cut off at every I/O of seeded histories. The oracle is the
// palace itself: it notes a hash of its whole visible state after every commit, and whatever a
// recovered palace shows must be the noted state of its commit number, whole.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <map>
#include <random>

#include "engine/palace.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using aeon::test::PowerCut;
using aeon::test::SimCall;
using aeon::test::SimFault;
using aeon::test::SimOs;

namespace {

const std::string kDirectory = "/palace";
constexpr std::uint32_t kDimension = 8;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

OpenOptions on(SimOs& os) {
  OpenOptions options;
  options.background = false;
  options.os = &os;
  return options;
}

// What was promised and noted while the history ran.
struct Promises {
  std::map<CommitNumber, std::uint64_t> hashes = {{0, 0}};
  CommitNumber synced = 0;     // acknowledged at level sync
  CommitNumber processed = 0;  // acknowledged at any level

  void note(const Palace& palace) {
    const Snapshot snapshot = palace.snapshot();
    hashes[snapshot.commit()] = snapshot.state_hash().value();
  }
  // The state at a commit; rotations change nothing and are not noted.
  [[nodiscard]] std::uint64_t hash_at(CommitNumber commit) const {
    return std::prev(hashes.upper_bound(commit))->second;
  }
};

// Seeded histories of everything that writes.
class History {
 public:
  History(std::uint64_t seed, Promises& promises) : random_(seed), promises_(promises) {}

  // False when an error ended it, as it does once the machine is off.
  bool run(SimOs& os, int steps) {
    auto palace =
        Palace::create(kDirectory, {space("a", Metric::cosine), space("b", Metric::l2)}, on(os));
    if (!palace) return false;
    acknowledged(*palace, Durability::sync);
    for (int i = 0; i < steps; ++i) {
      const unsigned choice = pick(20);
      if (choice == 0) {
        if (!palace->close()) return false;
        palace = Palace::open(kDirectory, on(os));
        if (!palace) return false;
      } else if (choice <= 2) {
        if (!palace->checkpoint()) return false;
        promises_.note(*palace);
      } else if (choice == 3) {
        if (!palace->compact()) return false;
        promises_.note(*palace);
      } else if (!commit(*palace)) {
        return false;
      }
    }
    return palace->close().has_value();
  }

 private:
  static SpaceSpec space(const std::string& name, Metric metric) {
    return {.name = name, .dimension = kDimension, .metric = metric, .model = ""};
  }
  unsigned pick(std::size_t below) { return static_cast<unsigned>(random_() % below); }

  bool commit(Palace& palace) {
    Batch batch;
    std::vector<MemoryRef> made;
    for (unsigned i = 0, count = 1 + pick(4); i < count; ++i) {
      NewMemory next = memory();
      if (pick(12) == 0) {
        auto payload = palace.store_payload(ContentType::text, next.content);
        if (!payload) return false;
        next.payload = std::move(*payload);
        next.content.clear();
      }
      if (pick(24) != 0) made.push_back(batch.remember(std::move(next)));
    }
    if (batch.empty()) return true;  // its payload is nobody's
    if (made.size() > 1) {
      batch.link({.from = made[0], .to = made[1], .type = "refers_to", .weight = 0.5F});
    }
    if (!ids_.empty() && pick(3) == 0) batch.forget(take_id());
    if (!ids_.empty() && pick(3) == 0) batch.supersede(ids_[pick(ids_.size())], plain());
    const Durability level = pick(2) == 0 ? Durability::sync : Durability::process;
    const auto ack = palace.commit(std::move(batch), level);
    if (!ack) {
      // A refused batch (two changes of one memory) is part of life; a broken machine is not.
      return ack.error().code == Errc::invalid_argument;
    }
    ids_.insert(ids_.end(), ack->ids.begin(), ack->ids.end());
    acknowledged(palace, level);
    return true;
  }

  void acknowledged(const Palace& palace, Durability level) {
    promises_.note(palace);
    promises_.processed = palace.snapshot().commit();
    if (level == Durability::sync) promises_.synced = promises_.processed;
  }

  MemoryId take_id() {
    const std::size_t at = pick(ids_.size());
    const MemoryId id = ids_[at];
    std::erase(ids_, id);
    return id;
  }

  NewMemory plain() {
    NewMemory memory;
    // Now and then long, so that log files fill up and rotate.
    const unsigned bytes = pick(2) == 0 ? pick(40) : pick(12) == 0 ? 60'000 : 100 + pick(2000);
    memory.content.assign(bytes, static_cast<char>('a' + pick(26)));
    memory.embed = false;
    if (pick(3) != 0) memory.vectors.push_back({pick(2) == 0 ? "a" : "b", vector(), ""});
    return memory;
  }
  NewMemory memory() {
    NewMemory memory = plain();
    if (pick(2) == 0) memory.session.assign(1, static_cast<char>('p' + pick(3)));
    memory.metadata = pick(4) == 0 ? R"({"page": 3})" : "";
    memory.event_time = static_cast<TimeNs>(pick(1000));
    return memory;
  }
  std::vector<float> vector() {
    std::normal_distribution<float> normal;
    std::vector<float> values(kDimension);
    for (float& value : values) value = normal(random_);
    return values;
  }

  std::mt19937_64 random_;
  Promises& promises_;
  std::vector<MemoryId> ids_;
};

// Recovers on `machine` and checks everything that was promised. `least` is the oldest commit that
// may be the newest now. Returns false where nothing had been promised and no palace is there.
void check_recovery(SimOs& machine, const Promises& promises, CommitNumber least) {
  const std::uint64_t before = promises.hashes.rbegin()->first;
  CommitNumber commit = 0;
  std::uint64_t hash = 0;
  for (int round = 0; round < 2; ++round) {
    auto palace = Palace::open(kDirectory, on(machine));
    if (!palace) {
      INFO(palace.error().message);
      REQUIRE(least == 0);  // creation was not acknowledged yet
      return;
    }
    const Snapshot snapshot = palace->snapshot();
    REQUIRE(snapshot.commit() >= least);
    REQUIRE(snapshot.commit() <= before + 2);  // one batch and one rotation may be under way
    const auto state = snapshot.state_hash();
    REQUIRE(state.has_value());
    if (snapshot.commit() <= before) REQUIRE(*state == promises.hash_at(snapshot.commit()));
    const auto report = palace->verify();
    REQUIRE(report.has_value());
    for (const Damage& damage : report->damage) UNSCOPED_INFO(damage.file << ": " << damage.what);
    REQUIRE(report->damage.empty());
    if (round == 0) {
      commit = snapshot.commit();
      hash = *state;
    } else {
      REQUIRE(snapshot.commit() == commit);
      REQUIRE(*state == hash);
      Batch batch;
      NewMemory memory;
      memory.content = "after the crash";
      batch.remember(memory);
      const auto ack = palace->commit(std::move(batch), Durability::sync);
      REQUIRE(ack.has_value());
      REQUIRE(ack->commit == commit + 1);
    }
  }
}

}  // namespace

TEST_CASE("a power cut or a kill at any I/O loses nothing that was acknowledged") {
  const std::uint64_t first = setting("AEON_SIM_SEED", 1);
  const std::uint64_t seeds = setting("AEON_SIM_SEEDS", 40);
  std::uint64_t states = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    SimOs os(seed);
    Promises promises;
    std::mt19937_64 random(seed);
    os.observe([&](std::uint64_t io) {
      CAPTURE(seed, io);
      PowerCut policy;
      policy.shred = random() % 2 == 0;
      policy.reorder_directory = random() % 2 == 0;
      const auto cut = os.power_cut(random(), policy);
      check_recovery(*cut, promises, promises.synced);
      const auto killed = os.process_death(random());
      check_recovery(*killed, promises, promises.processed);
      states += 2;
    });
    CAPTURE(seed);
    REQUIRE(History(seed, promises).run(os, 25));
  }
  WARN(states << " crash states recovered; again with AEON_SIM_SEED=" << first
              << " AEON_SIM_SEEDS=" << seeds);
}

TEST_CASE("a failing call is an error value, and what was acknowledged before it stays") {
  const std::uint64_t first = setting("AEON_SIM_SEED", 1);
  std::uint64_t fired = 0;
  for (const SimCall call : {SimCall::write, SimCall::sync, SimCall::create, SimCall::rename,
                             SimCall::sync_directory, SimCall::open, SimCall::map}) {
    for (const int os_errno : {EIO, ENOSPC}) {
      for (std::uint64_t skip = 0; skip < 200; skip += 1 + skip / 8) {
        const std::uint64_t seed = first + skip;
        CAPTURE(static_cast<int>(call), os_errno, skip, seed);
        SimOs os(seed);
        Promises promises;
        os.inject(SimFault{call, skip, os_errno, seed % 2 == 0});
        (void)History(seed, promises).run(os, 12);
        if (os.faults_fired() == 0) break;
        ++fired;
        os.clear_faults();
        const auto killed = os.process_death(seed);
        check_recovery(*killed, promises, promises.synced);
        const auto cut = os.power_cut(seed);
        check_recovery(*cut, promises, promises.synced);
      }
    }
  }
  CHECK(fired > 60);
}

TEST_CASE("what a killed process left unsynced is made durable before anything builds on it") {
  const std::uint64_t first = setting("AEON_SIM_SEED", 1);
  const std::uint64_t seeds = setting("AEON_SIM_SEEDS", 10);
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    SimOs os(seed);
    Promises promises;
    std::mt19937_64 random(seed);
    os.observe([&](std::uint64_t io) {
      CAPTURE(seed, io);
      const auto killed = os.process_death(random());
      const std::uint64_t cut_seed = random();
      // Power fails at any I/O of the opening, or after it, or after closing.
      killed->observe([&](std::uint64_t opening_io) {
        CAPTURE(opening_io);
        check_recovery(*killed->power_cut(cut_seed), promises, promises.synced);
      });
      auto palace = Palace::open(kDirectory, on(*killed));
      if (palace && random() % 2 == 0) (void)palace->close();
      killed->observe(nullptr);
      check_recovery(*killed->power_cut(cut_seed), promises, promises.synced);
    });
    CAPTURE(seed);
    REQUIRE(History(seed, promises).run(os, 25));
  }
}
