// Long random histories of a palace beside a model of it (tests/model): after every step each read
// must say what the model says. Steps are commits, good and bad, checkpoints, compactions, openings
// of the same path in this process and in another, closings, held snapshots, looks at the past.
// More of it: AEON_MODEL_SEED=1 AEON_MODEL_SEEDS=100 AEON_MODEL_STEPS=3000 model_test
#include <catch2/catch.hpp>

#include <cstdlib>
#include <deque>
#include <list>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/model/batch_maker.hpp"
#include "tests/model/model_check.hpp"
#include "tests/model/payloads.hpp"
#include "tests/sim/sim_os.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using aeon::test::Model;

namespace {

constexpr std::size_t kMostOpenings = 3;
constexpr std::size_t kMostHeld = 4;
constexpr std::size_t kMostPasts = 60;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Course {
 public:
  // `os` null: the real machine, with threads that follow and checkpoint by themselves.
  Course(std::uint64_t seed, test::SimOs* os, std::string directory)
      : random_(seed),
        maker_(random_(), {.memories = seed % 4 == 0 ? 250U : 60U}),
        os_(os),
        directory_(std::move(directory)) {}

  void run(std::uint64_t steps) {
    begin();
    for (std::uint64_t i = 0; i < steps; ++i) {
      const std::size_t at = pick(openings_.size());
      note(fmt::format("step {} by opening {}:", i, at));
      step(at);
      check_step();
      if (i % 50 == 49) check_thoroughly(openings_.front().palace);
    }
    check_thoroughly(openings_.front().palace);
    while (!openings_.empty()) close(0);
    open(false);
    require_same(openings_.back().palace.snapshot(), model_, 40);
    check_thoroughly(openings_.back().palace);
  }

  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  struct Opening {
    std::unique_ptr<test::SimOs> process;  // null: this one
    Palace palace;
  };
  struct Held {
    const Opening* of;
    Snapshot snapshot;
    Model model;
  };

  unsigned pick(std::size_t below) { return static_cast<unsigned>(random_() % below); }
  [[nodiscard]] bool real() const { return os_ == nullptr; }

  void note(std::string what) {
    journal_.push_back(std::move(what));
    if (journal_.size() > 40) journal_.pop_front();
  }
  void require(bool holds, const std::string& what) {
    if (holds) return;
    std::string journal;
    for (const std::string& line : journal_) journal += line + "\n";
    FAIL("\n" << journal << what);
  }
  template <typename Value>
  void require_ok(const Result<Value>& result, const std::string& what) {
    require(result.has_value(), result ? "" : what + ": " + result.error().message);
  }
  void require_same(const Snapshot& snapshot, const Model& model, int queries) {
    const std::string found = test::difference(snapshot, model);
    require(found.empty(), found);
    const std::string recalled = test::recall_difference(snapshot, model, random_(), queries);
    require(recalled.empty(), recalled);
  }

  OpenOptions options(test::SimOs* os) const {
    OpenOptions options;
    options.background = real();
    options.os = os;
    if (real()) options.checkpoint_bytes = 256 << 10;
    return options;
  }

  void begin() {
    const std::vector<SpaceSpec> spaces = maker_.spaces();
    Batch batch;
    for (const SpaceSpec& spec : spaces) batch.create_space(spec);
    auto palace = Palace::create(directory_, spaces, options(os_));
    require_ok(palace, "create");
    require(model_.apply(batch, palace->snapshot().commit(), 0).has_value(), "the spaces");
    openings_.push_back({nullptr, std::move(*palace)});
  }

  void step(std::size_t at) {
    Opening& opening = *std::next(openings_.begin(), static_cast<std::ptrdiff_t>(at));
    const unsigned choice = pick(100);
    if (choice < 4) return settle(opening, false);
    if (choice < 6) return settle(opening, true);
    if (choice == 6 && pick(3) == 0) return purge(opening);
    if (choice < 9) return reopen(at);
    if (choice < 13) return openings_.size() < kMostOpenings ? open(pick(2) == 0) : close(at);
    if (choice < 20) return hold(opening);
    if (choice < 24) return look_back(opening);
    commit(opening);
  }

  void commit(Opening& opening) {
    Batch batch = maker_.next(model_);
    Model next = model_;
    // Of the time and number the palace tells after; a refusal depends on neither.
    const Batch told = batch;
    require_ok(test::store_ahead(opening.palace, batch, random_, 20), "storing ahead");
    const auto level = static_cast<Durability>(1 + pick(3));
    const auto ack = opening.palace.commit(std::move(batch), level);
    const CommitNumber number = ack ? ack->commit : model_.commit + 1;
    const auto expected = next.apply(told, number, ack ? ack->time : 0);
    note(fmt::format("commit of {} operations: {}", told.operations().size(),
                     ack ? fmt::format("number {}", ack->commit) : ack.error().message));
    if (!expected) {
      require(!ack, fmt::format("it should be refused as {}", errc_name(expected.error())));
      require(ack.error().code == expected.error(),
              fmt::format("it should be refused as {}, not {}", errc_name(expected.error()),
                          errc_name(ack.error().code)));
      ++refused_;
      return;
    }
    require_ok(ack, "it should be taken");
    require(ack->ids == *expected, "it has other ids");
    require(ack->level == level, "it has another level");
    require(real() ? number > model_.commit : number == model_.commit + 1, "it is out of order");
    remember_past();
    for (const Batch::Operation& operation : told.operations()) {
      if (const auto* erase = std::get_if<Erase>(&operation)) forget_past_of(erase->id);
    }
    all_follow_ = next.spaces.size() != model_.spaces.size();
    model_ = std::move(next);
  }

  void settle(Opening& opening, bool merge) {
    note(merge ? "compact" : "checkpoint");
    const std::uint64_t before = opening.palace.fresh_snapshot().value().state_hash().value();
    const Status done = merge ? opening.palace.compact() : opening.palace.checkpoint();
    if (real() && !done && done.error().code == Errc::busy) return;
    require_ok(done, "settling");
    const Snapshot after = opening.palace.snapshot();
    require(after.state_hash().value() == before, "settling changed the state's hash");
    // It may be a commit of its own, of no content.
    require(real() || after.commit() <= model_.commit + 1, "settling made commits");
    remember_past();
    model_.commit = after.commit();
  }

  void open(bool in_another_process) {
    note("open");
    std::unique_ptr<test::SimOs> process;
    if (in_another_process && !real()) process = os_->another_process();
    auto palace = Palace::open(directory_, options(process ? process.get() : os_));
    require_ok(palace, "open");
    openings_.push_back({std::move(process), std::move(*palace)});
  }

  void close(std::size_t at) {
    note("close");
    const auto opening = std::next(openings_.begin(), static_cast<std::ptrdiff_t>(at));
    held_.remove_if([&](const Held& held) { return held.of == &*opening; });
    require_ok(opening->palace.close(), "close");
    openings_.erase(opening);
  }

  void reopen(std::size_t at) {
    close(at);
    const bool clean = openings_.empty();
    open(false);
    const auto stats = openings_.back().palace.stats();
    require_ok(stats, "stats");
    require(!clean || stats->cleanly_closed, "it was not closed cleanly");
    require(stats->recovery_bytes_cut == 0, "opening cut bytes of the log");
  }

  void hold(Opening& opening) {
    if (held_.size() == kMostHeld) held_.pop_front();
    held_.push_back({&opening, opening.palace.fresh_snapshot().value(), model_});
  }

  void look_back(Opening& opening) {
    note("look back");
    if (pasts_.empty()) return;
    const auto past = std::next(pasts_.begin(), pick(pasts_.size()));
    const auto snapshot = opening.palace.snapshot_at(past->first);
    if (!snapshot && snapshot.error().code == Errc::too_old) {
      require(past->first < opening.palace.stats()->oldest_readable, "it is not too old");
      ++too_old_;
      pasts_.erase(past);
      return;
    }
    if (!snapshot) {  // this opening has not seen it
      require(snapshot.error().code == Errc::invalid_argument &&
                  past->first > opening.palace.snapshot().commit(),
              snapshot.error().message);
      return;
    }
    require_same(*snapshot, past->second, 2);
  }

  void remember_past() {
    pasts_[model_.commit] = model_;
    if (pasts_.size() > kMostPasts) pasts_.erase(std::next(pasts_.begin(), pick(kMostPasts)));
  }

  // Whether an earlier commit still shows what was erased since is nobody's business.
  void forget_past_of(MemoryId id) {
    std::erase_if(pasts_, [id](const auto& past) { return past.second.find(id) != nullptr; });
  }

  void purge(Opening& opening) {
    note("purge");
    const Status done = opening.palace.purge();
    if (real() && !done && done.error().code == Errc::busy) return;
    require_ok(done, "purging");
    require(real() || opening.palace.stats()->erasures_pending == 0, "erasures are left");
    const Snapshot after = opening.palace.snapshot();
    remember_past();
    model_.commit = after.commit();
  }

  // Most openings follow, and all do where there is a new space: batches are checked against the
  // spaces that an opening has seen. One held snapshot says what it always said.
  void check_step() {
    for (Opening& opening : openings_) {
      if (!all_follow_ && pick(3) == 0) continue;
      const auto snapshot = opening.palace.fresh_snapshot();
      require_ok(snapshot, "a fresh snapshot");
      require(real() ? snapshot->commit() >= model_.commit : snapshot->commit() == model_.commit,
              fmt::format("the newest commit is {}, not {}", snapshot->commit(), model_.commit));
      require_same(*snapshot, model_, 2);
    }
    all_follow_ = false;
    if (held_.empty()) return;
    const Held& held = *std::next(held_.begin(), pick(held_.size()));
    note(fmt::format("the snapshot held at commit {}:", held.snapshot.commit()));
    require_same(held.snapshot, held.model, 1);
  }

  void check_thoroughly(Palace& palace) {
    note("verify");
    const auto report = palace.verify();
    require_ok(report, "verify");
    for (const Damage& damage : report->damage) require(false, damage.file + ": " + damage.what);
    require(report->memories == model_.memories.size(), "verify counts other memories");
    const auto stats = palace.stats();
    require_ok(stats, "stats");
    const std::string found = test::stats_difference(*stats, model_);
    require(found.empty(), found);
  }

  std::mt19937_64 random_;
  test::BatchMaker maker_;
  test::SimOs* os_;
  const std::string directory_;
  std::list<Opening> openings_;
  std::list<Held> held_;  // after the openings, so that it goes first
  Model model_;
  std::map<CommitNumber, Model> pasts_;
  std::deque<std::string> journal_;
  bool all_follow_ = false;
  std::uint64_t refused_ = 0;
  std::uint64_t too_old_ = 0;
};

}  // namespace

TEST_CASE("a palace says what a model of it says, after every step of long histories") {
  const std::uint64_t first = setting("AEON_MODEL_SEED", 1);
  const std::uint64_t seeds = setting("AEON_MODEL_SEEDS", 3);
  const std::uint64_t steps = setting("AEON_MODEL_STEPS", 1500);
  std::uint64_t refused = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    INFO("again: AEON_MODEL_SEED=" << seed << " AEON_MODEL_SEEDS=1 AEON_MODEL_STEPS=" << steps);
    test::SimOs os(seed);
    Course course(seed, &os, "/palace");
    course.run(steps);
    refused += course.refused();
  }
  WARN(seeds << " histories of " << steps << " steps, " << refused << " batches refused; again "
             << "with AEON_MODEL_SEED=" << first << " AEON_MODEL_SEEDS=" << seeds
             << " AEON_MODEL_STEPS=" << steps);
}

TEST_CASE("a palace on this machine says what a model of it says, with upkeep in the background") {
  const std::uint64_t seed = setting("AEON_MODEL_SEED", 1);
  const std::uint64_t steps = setting("AEON_MODEL_STEPS", 1500) / 4;
  INFO("again: AEON_MODEL_SEED=" << seed << " AEON_MODEL_STEPS=" << 4 * steps);
  const test::TempDirectory scratch;
  Course(seed, nullptr, scratch / "palace").run(steps);
}
