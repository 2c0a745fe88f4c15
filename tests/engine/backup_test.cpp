// Copies of a palace: what they hold, what becomes of them when the machine stops at any I/O, and
// what is refused. The oracle is the model (tests/model).
#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <thread>

#include "engine/palace.hpp"
#include "tests/model/batch_maker.hpp"
#include "tests/model/model_check.hpp"
#include "tests/sim/sim_os.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using aeon::test::Model;
using aeon::test::PowerCut;
using aeon::test::SimCall;
using aeon::test::SimOs;

namespace {

const std::string kPalace = "/palace";
const std::string kCopy = "/copy";

OpenOptions on(SimOs& os, bool read_only = false) {
  OpenOptions options;
  options.read_only = read_only;
  options.background = false;
  options.os = &os;
  return options;
}

// A palace with a model beside it.
struct Written {
  explicit Written(SimOs& machine, std::uint64_t seed)
      : os(machine), maker(seed, {.memories = 25, .refused_in = 0, .large_in = 12}) {
    auto made = Palace::create(kPalace, maker.spaces(), on(os));
    REQUIRE(made.has_value());
    palace.emplace(std::move(*made));
    Batch batch;
    const auto made_spaces = palace->snapshot().spaces().value();
    for (const SpaceSpec& spec : made_spaces) batch.create_space(spec);
    Model first;
    REQUIRE(first.apply(batch, 1, 0).has_value());
    states[1] = std::move(first);
  }
  void write(int commits) {
    for (int i = 0; i < commits; ++i) {
      Batch batch = maker.next(newest());
      const Batch told = batch;
      const auto ack =
          palace->commit(std::move(batch), i % 3 == 0 ? Durability::process : Durability::sync);
      Model next = newest();
      if (!ack) {  // a batch may change a memory twice
        REQUIRE_FALSE(next.apply(told, next.commit + 1, Model::kNoTime).has_value());
        continue;
      }
      REQUIRE(next.apply(told, ack->commit, ack->time).has_value());
      states[ack->commit] = std::move(next);
      if (ack->level == Durability::sync) synced = ack->commit;
    }
  }
  void settle(bool merge) {
    REQUIRE((merge ? palace->compact() : palace->checkpoint()).has_value());
    Model same = newest();
    same.commit = palace->snapshot().commit();
    synced = same.commit;
    states[same.commit] = std::move(same);
  }
  [[nodiscard]] const Model& newest() const { return states.rbegin()->second; }
  [[nodiscard]] const Model& at(CommitNumber commit) const {
    return std::prev(states.upper_bound(commit))->second;
  }

  SimOs& os;
  test::BatchMaker maker;
  std::optional<Palace> palace;
  std::map<CommitNumber, Model> states;
  CommitNumber synced = 0;  // acknowledged so, or settled
};

void check_whole(const Palace& palace) {
  const auto report = palace.verify();
  REQUIRE(report.has_value());
  for (const Damage& damage : report->damage) UNSCOPED_INFO(damage.file << ": " << damage.what);
  REQUIRE(report->damage.empty());
}

// The copy is what the palace was at one commit, which is returned. What a crash tore is there to
// be seen until the copy is opened for writing, or brought up to date.
CommitNumber check_copy(SimOs& os, const Written& written, bool read_only = true,
                        bool torn = false) {
  const auto copy = Palace::open(kCopy, on(os, read_only));
  INFO((copy ? std::string() : copy.error().message));
  REQUIRE(copy.has_value());
  const Snapshot snapshot = copy->snapshot();
  const Model& model = written.at(snapshot.commit());
  REQUIRE(test::difference(snapshot, model) == "");
  REQUIRE(test::recall_difference(snapshot, model, snapshot.commit(), 2) == "");
  if (!torn || !read_only) check_whole(*copy);
  return snapshot.commit();
}

std::map<std::string, std::string> bytes_of(SimOs& os, const std::string& directory) {
  std::map<std::string, std::string> files;
  const auto names = os.list_directory(directory).value();
  for (const std::string& name : names) {
    files[name] = os.contents(directory + "/" + name);
  }
  return files;
}

std::uint64_t hash_at(const Palace& palace, CommitNumber commit) {
  return palace.snapshot_at(commit).value().state_hash().value();
}

}  // namespace

TEST_CASE("a copy holds everything, is brought up to date, and is a palace of its own") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    SimOs os(seed);
    Written written(os, seed);
    std::mt19937_64 random(seed);
    CommitNumber before = 0;
    for (int round = 0; round < 6; ++round) {
      CAPTURE(round);
      written.write(static_cast<int>(random() % 8));
      if (random() % 2 == 0) written.settle(random() % 3 == 0);
      written.write(static_cast<int>(random() % 5));
      const auto done = written.palace->backup(kCopy);
      INFO((done ? std::string() : done.error().message));
      REQUIRE(done.has_value());
      REQUIRE(done->commit == written.palace->snapshot().commit());
      REQUIRE(done->before == before);
      before = done->commit;
      // Opening for writing commits nothing, so it may be brought up to date after that as well.
      REQUIRE(check_copy(os, written, random() % 2 == 0) == done->commit);
    }
    REQUIRE_FALSE(os.exists(kCopy + "/copying"));
    // Whatever is done to one of them, the other stays.
    const auto original = bytes_of(os, kPalace);
    {
      auto copy = Palace::open(kCopy, on(os));
      REQUIRE(copy.has_value());
      for (int i = 0; i < 5; ++i) {
        Batch batch;
        for (int n = 0; n < 20; ++n) {
          batch.remember({.content = std::string(static_cast<std::size_t>(200 + n), 'c')});
        }
        REQUIRE(copy->commit(std::move(batch), Durability::sync).has_value());
        REQUIRE(copy->compact().has_value());
      }
      Batch batch;
      batch.remember({.content = "of its own"});
      REQUIRE(copy->commit(std::move(batch)).has_value());
      check_whole(*copy);
    }
    REQUIRE(bytes_of(os, kPalace) == original);
    REQUIRE(test::difference(written.palace->snapshot(), written.newest()) == "");
    check_whole(*written.palace);
    // It has commits of its own now.
    const auto diverged = written.palace->backup(kCopy);
    REQUIRE_FALSE(diverged.has_value());
    REQUIRE(diverged.error().code == Errc::version_conflict);
  }
}

TEST_CASE("only new files are brought to a copy, by link, or as bytes where that can't be") {
  for (const bool links : {true, false}) {
    SimOs os(5);
    Written written(os, 5);
    written.write(10);
    written.settle(false);
    const auto first = written.palace->backup(kCopy);
    REQUIRE(first.has_value());
    written.write(10);
    written.settle(false);
    if (!links) os.inject({SimCall::link, 0, EXDEV, true});
    const auto second = written.palace->backup(kCopy);
    os.clear_faults();
    REQUIRE(second.has_value());
    CHECK(second->files_kept == first->files_linked);
    CHECK((links ? second->files_linked : second->files_copied) > 0);
    CHECK((links ? second->files_copied : second->files_linked) == 0);
    CHECK((second->bytes_copied > 0) == !links);
    CHECK(check_copy(os, written) == second->commit);
    // Nothing new: nothing is brought, the copy stays what it is.
    const auto third = written.palace->backup(kCopy);
    REQUIRE(third.has_value());
    CHECK(third->files_linked + third->files_copied + third->commits == 0);
    CHECK(check_copy(os, written) == third->commit);
  }
}

TEST_CASE("the machine stops at any I/O of a backup: the copy is the old one or in the history") {
  std::uint64_t states = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SimOs os(seed);
    Written written(os, seed);
    std::mt19937_64 random(seed);
    CommitNumber copied = 0;  // what the copy held before this backup
    const auto look = [&](SimOs& machine) {
      ++states;
      CommitNumber held = 0;
      const bool read_only = random() % 2 == 0;
      auto copy = Palace::open(kCopy, on(machine, read_only));
      if (!copy) {
        INFO(copy.error().message);
        REQUIRE(copied == 0);
        REQUIRE(copy.error().code == Errc::not_a_palace);
      } else {
        copy = std::unexpected(Error{Errc::closed, 0, ""});
        held = check_copy(machine, written, read_only, true);
        REQUIRE(held >= copied);
      }
      // The next run completes it.
      auto palace = Palace::open(kPalace, on(machine));
      REQUIRE(palace.has_value());
      const auto again = palace->backup(kCopy);
      INFO((again ? std::string() : again.error().message));
      REQUIRE(again.has_value());
      REQUIRE(again->commit >= held);
      REQUIRE(again->commit == palace->snapshot().commit());
      REQUIRE(check_copy(machine, written) == again->commit);
      REQUIRE_FALSE(machine.exists(kCopy + "/copying"));
    };
    for (int round = 0; round < 4; ++round) {
      written.write(1 + static_cast<int>(random() % 6));
      if (round != 1) written.settle(round == 3);
      written.write(static_cast<int>(random() % 4));
      os.observe([&](std::uint64_t io) {
        CAPTURE(seed, round, io);
        PowerCut policy;
        policy.shred = random() % 2 == 0;
        policy.reorder_directory = random() % 2 == 0;
        look(*os.power_cut(random(), policy));
        look(*os.process_death(random()));
      });
      const auto done = written.palace->backup(kCopy);
      os.observe(nullptr);
      REQUIRE(done.has_value());
      copied = done->commit;
    }
  }
  WARN(states << " states of an interrupted backup, each completed");
}

TEST_CASE("a failing call or a full disk ends a backup with an error and leaves the old copy") {
  std::uint64_t fired = 0;
  for (const bool existing : {false, true}) {
    for (const SimCall call : {SimCall::write, SimCall::sync, SimCall::create, SimCall::rename,
                               SimCall::link, SimCall::sync_directory, SimCall::open, SimCall::map,
                               SimCall::list, SimCall::make_directory}) {
      for (const int os_errno : {EIO, ENOSPC}) {
        for (std::uint64_t skip = 0; skip < 60; skip += 1 + skip / 6) {
          CAPTURE(existing, static_cast<int>(call), os_errno, skip);
          SimOs os(skip + 1);
          Written written(os, 3);
          written.write(6);
          written.settle(false);
          CommitNumber copied = 0;
          if (existing) copied = written.palace->backup(kCopy).value().commit;
          written.write(4);
          if (skip % 2 == 0) written.settle(false);
          written.write(1);
          const std::uint64_t before = os.faults_fired();
          os.inject({call, skip, os_errno, false});
          const auto done = written.palace->backup(kCopy);
          const bool hit = os.faults_fired() != before;
          os.clear_faults();
          if (!hit) {
            REQUIRE(done.has_value());
            break;
          }
          ++fired;
          // An error in tidying up after the copy was published is reported, too.
          if (!existing && !done && !Palace::open(kCopy, on(os, true))) {
            INFO(Palace::open(kCopy, on(os, true)).error().message);
            REQUIRE((!os.exists(kCopy) ||
                     Palace::open(kCopy, on(os, true)).error().code == Errc::not_a_palace));
          } else {
            REQUIRE(check_copy(os, written, true, true) >= copied);
          }
          const auto machine = os.process_death(skip);
          auto palace = Palace::open(kPalace, on(*machine));
          REQUIRE(palace.has_value());
          // A sync that failed may have cost what was not acknowledged as synced.
          const CommitNumber kept = palace->snapshot().commit();
          REQUIRE(kept >= written.synced);
          REQUIRE(test::difference(palace->snapshot(), written.at(kept)) == "");
          const auto again = palace->backup(kCopy);
          INFO((again ? std::string() : again.error().message));
          REQUIRE(again.has_value());
          REQUIRE(check_copy(*machine, written) == palace->snapshot().commit());
        }
      }
    }
  }
  CHECK(fired > 80);
}

TEST_CASE("what is no place for a copy is refused by name, and nothing is changed") {
  SimOs os(1);
  Written written(os, 1);
  written.write(5);
  written.settle(false);
  const auto refused = [&](const std::string& where, Errc code) {
    CAPTURE(where);
    const auto before = bytes_of(os, kPalace);
    const auto done = written.palace->backup(where);
    REQUIRE_FALSE(done.has_value());
    INFO(done.error().message);
    CHECK(done.error().code == code);
    CHECK((where.empty() || done.error().message.find(where) != std::string::npos));
    CHECK(bytes_of(os, kPalace) == before);
  };
  refused("", Errc::invalid_argument);
  refused(kPalace, Errc::invalid_argument);
  REQUIRE(written.palace->backup(kPalace + "/").error().code == Errc::invalid_argument);
  refused(kPalace + "/inside", Errc::invalid_argument);
  refused("/nowhere/copy", Errc::not_found);
  REQUIRE(os.make_directory("/full").has_value());
  REQUIRE(os.open_file("/full/something", storage::OpenMode::create).has_value());
  refused("/full", Errc::already_exists);
  CHECK(os.list_directory("/full").value() == std::vector<std::string>{"something"});
  REQUIRE(Palace::create("/other", {}, on(os)).has_value());
  const auto other = bytes_of(os, "/other");
  refused("/other", Errc::foreign_file);
  CHECK(bytes_of(os, "/other") == other);
  {
    REQUIRE(written.palace->backup(kCopy).has_value());
    const auto open = Palace::open(kCopy, on(os));
    REQUIRE(open.has_value());
    refused(kCopy, Errc::busy);
  }
  {
    auto compacted = Palace::open(kCopy, on(os));
    Batch batch;
    batch.remember({.content = "of its own"});
    REQUIRE(compacted->commit(std::move(batch)).has_value());
  }
  const auto copy = bytes_of(os, kCopy);
  refused(kCopy, Errc::version_conflict);
  // The control file is nobody's data.
  auto after = bytes_of(os, kCopy);
  after["control"] = copy.at("control");
  CHECK(after == copy);
}

TEST_CASE("a palace that may only be read is copied, too") {
  SimOs os(2);
  Written written(os, 2);
  written.write(8);
  written.settle(false);
  written.write(5);
  auto reader = Palace::open(kPalace, on(os, true));
  REQUIRE(reader.has_value());
  const auto done = reader->backup(kCopy);
  REQUIRE(done.has_value());
  CHECK(done->commit == written.newest().commit);
  CHECK(check_copy(os, written) == done->commit);
  written.write(3);
  written.settle(true);
  const auto again = reader->backup(kCopy);
  REQUIRE(again.has_value());
  CHECK(check_copy(os, written) == written.palace->snapshot().commit());
}

TEST_CASE("copies made while threads write and checkpoints run are what the palace was") {
  const test::TempDirectory scratch;
  OpenOptions options;
  options.checkpoint_bytes = 64 << 10;
  auto palace =
      Palace::create(scratch / "palace", {{.name = "s", .dimension = 8, .model = ""}}, options);
  REQUIRE(palace.has_value());
  std::atomic<bool> stop{false};
  std::atomic<CommitNumber> synced{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<std::uint64_t>(t));
      for (int i = 0; !stop.load(); ++i) {
        Batch batch;
        NewMemory memory;
        memory.key = std::to_string(t) + "/" + std::to_string(random() % 50);
        memory.session = "s" + std::to_string(t);
        memory.content = std::string(100 + random() % 900, 'a');
        std::vector<float> values(8);
        for (float& value : values) value = static_cast<float>(random() % 100) + 1;
        memory.vectors.push_back({"s", values, ""});
        batch.remember(memory);
        const auto ack =
            palace->commit(std::move(batch), i % 4 == 0 ? Durability::sync : Durability::process);
        if (ack && i % 4 == 0) {
          CommitNumber seen = synced.load();
          while (seen < ack->commit && !synced.compare_exchange_weak(seen, ack->commit)) {
          }
        }
        if (i % 40 == 39) (void)(i % 80 == 79 ? palace->compact() : palace->checkpoint());
      }
    });
  }
  std::string problem;
  std::uint64_t linked = 0;
  for (int round = 0; round < 12 && problem.empty(); ++round) {
    const CommitNumber least = synced.load();
    const std::string target = scratch / (round % 4 == 3 ? "new" + std::to_string(round) : "copy");
    const auto done = palace->backup(target);
    if (!done) {
      problem = done.error().message;
      break;
    }
    linked += done->files_linked;
    if (done->commit < least) problem = "a synced commit is missing";
    const auto copy = Palace::open(target, {.read_only = true, .background = false});
    if (!copy) {
      problem = copy.error().message;
    } else if (copy->snapshot().commit() != done->commit) {
      problem = "the copy ends elsewhere";
    } else if (copy->snapshot().state_hash().value() != hash_at(*palace, done->commit)) {
      problem = "the copy says something else";
    } else if (const auto report = copy->verify(); !report || !report->damage.empty()) {
      problem =
          report ? report->damage[0].file + ": " + report->damage[0].what : report.error().message;
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(problem == "");
  CHECK(linked > 10);
}
