// Crashes at every I/O of seeded histories, with several power cuts each. After each of them the
// log must read as a prefix of what was written that holds all that was synced, and reading it
// again must change nothing.
#include <cstdlib>
#include <random>

#include <catch2/catch.hpp>

#include "tests/sim/sim_os.hpp"
#include "tests/wal/log_fixture.hpp"
#include "wal/spares.hpp"

using namespace aeon;
using namespace aeon::test;
using wal::FileSource;
using wal::LogEndKind;
using wal::Urgency;

namespace {

const std::string kDirectory = "/palace";

std::uint64_t seed_count(std::uint64_t usual) {
  const char* wanted = std::getenv("AEON_WAL_SEEDS");
  return wanted == nullptr ? usual : std::strtoull(wanted, nullptr, 10);
}

// What the world was told.
struct Model {
  std::vector<std::string> written;  // commit n is written[n - 1]; the last may be under way
  std::uint64_t synced = 0;
  wal::LogPosition base;  // where the manifest says that reading starts
};

void check_prefix(const Replay& replay, const Model& model) {
  const std::uint64_t first = model.base.next_commit;
  const std::uint64_t end = first + replay.payloads.size();
  REQUIRE(end <= model.written.size() + 1);
  REQUIRE(std::equal(replay.payloads.begin(), replay.payloads.end(),
                     model.written.begin() + static_cast<std::ptrdiff_t>(first - 1)));
  REQUIRE(end > model.synced);
  REQUIRE(wal::verify_chain(model.base.chain, replay.headers) == replay.headers.size());
}

// Recovers on a machine after a crash; `again` more crashes happen during the recovery itself.
void check_recovery(SimOs& machine, const Model& model, std::uint64_t seed, int again) {
  Log log(machine, kDirectory);
  must(wal::distrust_cache(machine, kDirectory, model.base.log));
  const Replay first = log.replay(model.base);
  CAPTURE(first.end.message);
  REQUIRE(first.end.kind != LogEndKind::damaged);
  REQUIRE(first.end.kind != LogEndKind::recycled);
  check_prefix(first, model);
  if (again > 0) {
    machine.observe([&](std::uint64_t io) {
      const auto cut = machine.power_cut(seed * 31 + io, {.reorder_directory = true});
      check_recovery(*cut, model, seed + io, again - 1);
    });
  }
  auto writer = log.writer(first.end);
  machine.observe(nullptr);
  const Replay second = log.replay(model.base);
  REQUIRE(second.payloads == first.payloads);
  REQUIRE(second.end.position == first.end.position);
  REQUIRE(
      (second.end.kind == LogEndKind::end_of_log || second.end.kind == LogEndKind::clean_close));
  must(log.append(*writer, {"after the crash"}));
  must(writer->sync());
  if (seed % 3 == 1) {  // life goes on over the next files, spares taken over included
    for (int i = 0; i < 2; ++i) {
      must(writer->rotate(Urgency::reclaiming, FileSource::any));
      must(log.append(*writer, {"in the next file"}));
    }
    const Replay later = log.replay(model.base);
    REQUIRE(later.payloads.size() == first.payloads.size() + 3);
    REQUIRE(later.end.kind == LogEndKind::end_of_log);
  }
  if (seed % 3 != 0) return;
  const auto off = machine.power_cut(seed);
  const Replay third = Log(*off, kDirectory).replay(model.base);
  REQUIRE(third.payloads.size() == first.payloads.size() + 1);
  REQUIRE(third.payloads.back() == "after the crash");
  REQUIRE(third.end.kind == LogEndKind::end_of_log);
}

// A random life of one log. Stops at the first error that poisons, which it returns.
class History {
 public:
  History(SimOs& os, std::uint64_t seed) : os_(os), random_(seed), log_(os, kDirectory) {
    must(os_.make_directory(kDirectory));
    must(os_.sync_directory("/"));
    model.base = log_.create();
    writer_ = log_.writer();
    // Two small spares, so that small files go round from the first rotation on.
    must(wal::prepare_spare(os_, kDirectory, wal::kFirstFileBytes));
    must(wal::prepare_spare(os_, kDirectory, wal::kFirstFileBytes + 1));
  }

  // Every step may be refused or poison under injected faults.
  void run(int steps) {
    for (int i = 0; i < steps && !poisoned(); ++i) step();
  }
  [[nodiscard]] bool poisoned() const { return writer_->poison().has_value(); }
  [[nodiscard]] wal::LogWriter& writer() { return *writer_; }
  [[nodiscard]] Log& log() { return log_; }
  Model model;
  std::uint64_t refusals = 0;

 private:
  void step() {
    const auto dice = random_() % 100;
    if (dice < 50) return append();
    if (dice < 70) return note(writer_->sync());
    if (dice < 80) return rotate();
    if (dice < 90) return retire();
    if (dice < 96) return note(writer_->append_close(storage::as_bytes("closed")));
    reopen();
  }
  void note(const Status& status) {
    if (!status) ++refusals;
    model.synced = std::max(model.synced, writer_->durable_commit());
  }
  void append() {
    std::vector<std::string> group;
    for (auto n = 1 + random_() % 4; n-- > 0;) {
      const std::size_t bytes = random_() % 8 == 0 ? random_() % 70000 : random_() % 700;
      group.push_back(payload_of(model.written.size() + 1, bytes));
      model.written.push_back(group.back());
    }
    const Status status = log_.append(*writer_, group);
    // A refused group was never written; one whose write failed may have been.
    if (!status && !poisoned()) model.written.resize(model.written.size() - group.size());
    note(status);
  }
  void rotate() {
    // Without spares files grow fourfold each time, and the test's time with them.
    const auto spares = wal::list_spares(os_, kDirectory);
    if (!spares) return note(std::unexpected(spares.error()));
    if (spares->size() < 2 && rotations_++ > 0) return retire();
    note(writer_->rotate(Urgency::ordinary, FileSource::any));
  }
  void retire() {
    if (writer_->position().log == model.base.log) return;
    const std::uint64_t gone = model.base.log;
    auto next = wal::LogReader::start_of(os_, log_.place(), gone + 1);
    if (!next) return note(std::unexpected(next.error()));
    model.base = *next;  // the manifest is durable before a log is retired
    note(wal::retire_log(os_, kDirectory, gone, random_() % 4 != 0));
  }
  void reopen() {  // as after the death of the process: what was written is there
    auto replay = log_.try_replay(model.base);
    if (!replay) return note(std::unexpected(replay.error()));
    check_prefix(*replay, model);
    auto writer = wal::LogWriter::open(os_, log_.place(), replay->end);
    if (!writer) return note(std::unexpected(writer.error()));
    writer_ = std::move(*writer);
  }

  SimOs& os_;
  std::mt19937_64 random_;
  Log log_;
  std::unique_ptr<wal::LogWriter> writer_;
  int rotations_ = 0;
};

}  // namespace

TEST_CASE("after a crash at any I/O the log holds a prefix with everything synced") {
  const std::uint64_t first = std::getenv("AEON_WAL_SEED") == nullptr
                                  ? 1
                                  : std::strtoull(std::getenv("AEON_WAL_SEED"), nullptr, 10);
  std::uint64_t crashes = 0;
  for (std::uint64_t seed = first; seed < first + seed_count(2); ++seed) {
    INFO("AEON_WAL_SEED=" << seed);
    SimOs os(seed);
    History history(os, seed);
    os.observe([&](std::uint64_t io) {
      INFO("before I/O " << io);
      for (std::uint64_t sample = 0; sample < 3; ++sample) {
        const PowerCut policy{.reorder_directory = sample == 1, .shred = sample == 2};
        const auto off = os.power_cut(seed * 1000 + io * 3 + sample, policy);
        check_recovery(*off, history.model, io, sample == 0 ? 1 : 0);
        ++crashes;
      }
    });
    history.run(45);
    os.observe(nullptr);
    REQUIRE(!history.poisoned());
    REQUIRE(history.refusals == 0);
  }
  CHECK(crashes > 0);
  WARN(crashes << " crashes");
}

TEST_CASE("a rotation into a spare survives the loss of any directory operations") {
  SimOs os(11);
  History history(os, 11);
  history.model.written = {"first"};
  must(history.log().append(history.writer(), {"first"}));
  const auto before = must(wal::list_spares(os, kDirectory)).size();
  os.observe([&](std::uint64_t io) {
    for (std::uint64_t sample = 0; sample < 24; ++sample) {
      const auto off = os.power_cut(io * 100 + sample, {.reorder_directory = true});
      check_recovery(*off, history.model, 1, 0);
    }
  });
  must(history.writer().rotate(Urgency::ordinary, FileSource::any));
  os.observe(nullptr);
  CHECK(must(wal::list_spares(os, kDirectory)).size() == before - 1);
}

TEST_CASE("whichever call fails, the writer refuses or is poisoned and nothing synced is lost") {
  std::uint64_t fired = 0;
  for (const SimCall call :
       {SimCall::open, SimCall::create, SimCall::read, SimCall::write, SimCall::sync,
        SimCall::rename, SimCall::unlink, SimCall::sync_directory, SimCall::list}) {
    for (const int code : {EIO, ENOSPC}) {
      // Every one of the first calls, then fewer and fewer.
      for (std::uint64_t skip = 0;; skip += 1 + skip / 12) {
        INFO("call " << static_cast<int>(call) << " errno " << code << " skip " << skip);
        SimOs os(7);
        History history(os, 7);
        os.inject({.call = call, .skip = skip, .os_errno = code, .for_ever = skip % 2 == 0});
        history.run(40);
        if (os.faults_fired() == 0) break;
        ++fired;
        os.clear_faults();
        if (history.poisoned()) {
          const Status refused = history.log().append(history.writer(), {"more"});
          REQUIRE(!refused);
          CHECK(refused.error().code == Errc::read_only);
          CHECK(!history.writer().sync());
        }
        const auto off = os.power_cut(skip, {.reorder_directory = true, .shred = true});
        check_recovery(*off, history.model, skip, 0);
        if (skip % 4 == 0) {
          const auto dead = os.process_death(skip);
          check_recovery(*dead, history.model, skip, 0);
        }
      }
    }
  }
  CHECK(fired > 100);
  WARN(fired << " faults");
}

TEST_CASE("a failed sync poisons for good, though the device recovers") {
  SimOs os(3);
  History history(os, 3);
  must(history.log().append(history.writer(), {"kept"}));
  must(history.writer().sync());
  must(history.log().append(history.writer(), {"lost"}));
  os.inject({.call = SimCall::sync});
  const Status failed = history.writer().sync();
  REQUIRE(!failed);
  CHECK(failed.error().code == Errc::io_error);
  for (int i = 0; i < 2; ++i) {
    const Status refused = history.writer().sync();
    REQUIRE(!refused);
    CHECK(refused.error().code == Errc::read_only);
    CHECK(refused.error().message.find("sync") != std::string::npos);
  }
  CHECK(history.writer().durable_commit() == 1);
  const auto off = os.power_cut(1);
  CHECK(Log(*off, kDirectory).replay().payloads.front() == "kept");
  // The page cache still shows the commit that never reached the disk; recovery must not.
  const auto dead = os.process_death();
  CHECK(Log(*dead, kDirectory).replay().payloads.size() == 2);
  must(wal::distrust_cache(*dead, kDirectory, 1));
  CHECK(Log(*dead, kDirectory).replay().payloads.size() == 1);
}

TEST_CASE("on a full disk ordinary commits are refused and reclaiming ones get the last spare") {
  SimOs os(5);
  must(os.make_directory(kDirectory));
  Log log(os, kDirectory);
  log.create();
  auto writer = log.writer();
  must(log.append(*writer, {payload_of(1)}));
  os.set_capacity(os.used_bytes() + 1000);
  std::uint64_t commits = 1;
  Status refused;
  while ((refused = log.append(*writer, {payload_of(2, 9000)}))) ++commits;
  CHECK(refused.error().code == Errc::disk_full);
  CHECK(!writer->poison());
  CHECK(!log.append(*writer, {payload_of(2, 9000)}));
  CHECK(writer->last_commit() == commits);
  const std::uint64_t full = os.used_bytes();
  must(log.append(*writer, {payload_of(3, 9000)}, Urgency::reclaiming));
  CHECK(os.used_bytes() == full);
  CHECK(writer->position().log == 2);
  must(writer->sync());
  // Once a log is given back there is a reserve again, and with more space all is as before.
  must(wal::retire_log(os, kDirectory, 1, true));
  while ((refused = log.append(*writer, {payload_of(2, 9000)}))) {
  }
  CHECK(refused.error().code == Errc::disk_full);
  os.set_capacity(UINT64_MAX);
  must(log.append(*writer, {payload_of(4, 9000)}));
  CHECK(writer->position().log == 3);
  const auto off = os.power_cut(1);
  CHECK(Log(*off, kDirectory).replay(log.start(2)).end.kind != LogEndKind::damaged);
}
