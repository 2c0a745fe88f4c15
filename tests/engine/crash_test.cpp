// A palace on the simulated machine, cut off at every I/O of seeded histories. The oracle is a
// model that shares no code with the engine (tests/model): whatever a recovered palace shows must
// be, whole and through every read, what the model says of its commit number.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <map>
#include <random>

#include "engine/palace.hpp"
#include "tests/model/batch_maker.hpp"
#include "tests/model/model_check.hpp"
#include "tests/model/payloads.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using aeon::test::Model;
using aeon::test::PowerCut;
using aeon::test::SimCall;
using aeon::test::SimFault;
using aeon::test::SimOs;

namespace {

const std::string kDirectory = "/palace";

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
  std::map<CommitNumber, Model> states = {{0, Model()}};
  std::optional<Model> under_way;  // what the commit under way would make of the newest state
  CommitNumber synced = 0;         // acknowledged at level sync
  CommitNumber processed = 0;      // acknowledged at any level

  [[nodiscard]] const Model& newest() const { return states.rbegin()->second; }
  // The state at a commit; rotations change nothing and may be the last commit unnoted.
  [[nodiscard]] const Model& at(CommitNumber commit) const {
    if (commit > newest().commit && under_way) return *under_way;
    return std::prev(states.upper_bound(commit))->second;
  }
};

// Seeded histories of everything that writes.
class History {
 public:
  History(std::uint64_t seed, Promises& promises)
      : random_(seed),
        maker_(random_(), {.memories = 20, .refused_in = 10, .large_in = 16, .times = true}),
        promises_(promises) {}

  // False when an error ended it, as it does once the machine is off.
  bool run(SimOs& os, int steps) {
    const std::vector<SpaceSpec> spaces = maker_.spaces();
    Batch batch;
    for (const SpaceSpec& spec : spaces) batch.create_space(spec);
    begin(batch);
    auto palace = Palace::create(kDirectory, spaces, on(os));
    if (!palace) return false;
    acknowledged(batch, palace->snapshot().commit(), 0, Durability::sync);
    // Half of the palaces keep no history, so that merges leave things out.
    if (pick(2) == 0) {
      Batch history;
      history.set_history(0);
      if (!begin(history)) return false;
      const auto ack = palace->commit(history, Durability::process);
      if (!ack) return false;
      acknowledged(history, ack->commit, ack->time, Durability::process);
    }
    for (int i = 0; i < steps; ++i) {
      const unsigned choice = pick(20);
      if (choice == 0) {
        if (!palace->close()) return false;
        palace = Palace::open(kDirectory, on(os));
        if (!palace) return false;
      } else if (choice <= 4) {
        const Status done = choice == 4   ? palace->purge()
                            : choice == 3 ? palace->compact()
                                          : palace->checkpoint();
        if (!done) return false;
        Model same = promises_.newest();
        same.commit = palace->snapshot().commit();
        promises_.states[same.commit] = std::move(same);
      } else if (!commit(*palace)) {
        return false;
      }
    }
    return palace->close().has_value();
  }

 private:
  unsigned pick(std::size_t below) { return static_cast<unsigned>(random_() % below); }

  // Whether the model takes the batch.
  std::expected<void, Errc> begin(const Batch& batch) {
    Model next = promises_.newest();
    const auto ids = next.apply(batch, next.commit + 1, Model::kNoTime);
    if (!ids) return std::unexpected(ids.error());
    promises_.under_way = std::move(next);
    return {};
  }

  bool commit(Palace& palace) {
    Batch batch = maker_.next(promises_.newest());
    const Batch told = batch;
    if (!test::store_ahead(palace, batch, random_, 12)) return false;
    const auto expected = begin(told);
    const Durability level = pick(2) == 0 ? Durability::sync : Durability::process;
    const auto ack = palace.commit(std::move(batch), level);
    // A refused batch is part of life; a broken machine is not.
    if (!ack) return !expected && ack.error().code == expected.error();
    REQUIRE(expected.has_value());
    acknowledged(told, ack->commit, ack->time, level);
    return true;
  }

  void acknowledged(const Batch& batch, CommitNumber commit, TimeNs time, Durability level) {
    Model next = promises_.newest();
    REQUIRE(commit == next.commit + 1);
    REQUIRE(next.apply(batch, commit, time).has_value());
    promises_.under_way.reset();
    promises_.states[commit] = std::move(next);
    promises_.processed = commit;
    if (level == Durability::sync) promises_.synced = commit;
  }

  std::mt19937_64 random_;
  test::BatchMaker maker_;
  Promises& promises_;
};

// Recovers on `machine` and checks everything that was promised. `least` is the oldest commit that
// may be the newest now. Returns false where nothing had been promised and no palace is there.
void check_recovery(SimOs& machine, const Promises& promises, CommitNumber least) {
  CommitNumber commit = 0;
  for (int round = 0; round < 2; ++round) {
    auto palace = Palace::open(kDirectory, on(machine));
    if (!palace) {
      INFO(palace.error().message);
      REQUIRE(least == 0);  // creation was not acknowledged yet
      return;
    }
    const Snapshot snapshot = palace->snapshot();
    REQUIRE(snapshot.commit() >= least);
    REQUIRE(snapshot.commit() <= promises.newest().commit + 1);  // one may be under way
    const Model& model = promises.at(snapshot.commit());
    REQUIRE(test::difference(snapshot, model) == "");
    REQUIRE(test::recall_difference(snapshot, model, snapshot.commit(), 2) == "");
    const auto report = palace->verify();
    REQUIRE(report.has_value());
    for (const Damage& damage : report->damage) UNSCOPED_INFO(damage.file << ": " << damage.what);
    REQUIRE(report->damage.empty());
    if (round == 0) {
      commit = snapshot.commit();
    } else {
      REQUIRE(snapshot.commit() == commit);
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
