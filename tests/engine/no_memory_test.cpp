// Memory runs out at each allocation in turn, once or for good: every call says so by its error,
// the palace goes on as a model says or takes no more writes, and the next opening shows one of the
// two states that the call lies between.
#include <catch2/catch.hpp>

#include <filesystem>
#include <functional>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/model/batch_maker.hpp"
#include "tests/model/model_check.hpp"
#include "tests/support/allocations.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using test::FailingAllocations;
using Fails = FailingAllocations::Fails;

namespace {

namespace fs = std::filesystem;

OpenOptions quiet() { return {.background = false}; }

// A palace with settled and unsettled commits, closed, and what it must say.
struct Written {
  explicit Written(std::uint64_t seed) : maker(seed, {.memories = 25, .refused_in = 0}) {
    Palace palace = Palace::create(path(), maker.spaces(), quiet()).value();
    Batch spaces;
    const auto made = palace.snapshot().spaces().value();
    for (const SpaceSpec& spec : made) spaces.create_space(spec);
    REQUIRE(model.apply(spaces, palace.snapshot().commit(), 0).has_value());
    for (int i = 0; i < 24; ++i) {
      const Batch told = next();
      const auto ack = palace.commit(Batch(told), Durability::process);
      REQUIRE(ack);
      REQUIRE(model.apply(told, ack->commit, ack->time).has_value());
      if (i == 6 || i == 14) {
        REQUIRE(palace.checkpoint());
        model.commit = palace.snapshot().commit();
      }
    }
  }
  // A batch that is not refused.
  [[nodiscard]] Batch next() {
    for (;;) {
      Batch batch = maker.next(model);
      test::Model after = model;
      if (after.apply(batch, model.commit + 1, 0)) return batch;
    }
  }
  [[nodiscard]] std::string path() const { return scratch / "written"; }

  const test::TempDirectory scratch;
  test::BatchMaker maker;
  test::Model model;
};

// Which allocations fail: the first ones all, later ones here and there.
std::uint64_t next_of(std::uint64_t n, std::uint64_t all) {
  return n < all ? n + 1 : n + 1 + n / 24;
}

void require_same(const Snapshot& snapshot, const test::Model& model) {
  const std::string found = test::difference(snapshot, model);
  if (!found.empty()) FAIL(found);
}

void require_whole(const Palace& palace) {
  const auto report = palace.verify();
  REQUIRE(report);
  for (const Damage& damage : report->damage) FAIL(damage.file << ": " << damage.what);
}

// A copy of a written palace, opened.
class Trial {
 public:
  explicit Trial(const Written& written) : path_(written.scratch / "trial") {
    fs::remove_all(path_);
    fs::copy(written.path(), path_, fs::copy_options::recursive);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Palace open() const {
    auto palace = Palace::open(path_, quiet());
    if (!palace) FAIL(palace.error().message);
    return std::move(*palace);
  }

 private:
  const std::string path_;
};

// Runs `call` with the n-th allocation failing for n = 1, 2, ... until none does, once and for
// good; `after` judges each.
void at_each_allocation(std::uint64_t all, const std::function<void(std::uint64_t, Fails)>& trial,
                        const std::function<bool()>& failed) {
  for (const Fails fails : {Fails::once, Fails::from_then_on}) {
    std::uint64_t trials = 0;
    std::uint64_t n = 1;
    for (;; n = next_of(n, all)) {
      INFO("allocation " << n << (fails == Fails::once ? " fails" : " and all after it fail"));
      trial(n, fails);
      ++trials;
      if (!failed()) break;
    }
    CHECK(trials > 3);
  }
}

// Upkeep changes nothing that can be seen, whether it comes to its end or not.
void check_upkeep(const Written& written, const std::function<Status(Palace&)>& call) {
  bool failed = false;
  at_each_allocation(
      40,
      [&](std::uint64_t n, Fails fails) {
        const Trial trial(written);
        {
          Palace palace = trial.open();
          Status done;
          {
            const FailingAllocations failing(n, fails);
            done = call(palace);
            failed = failing.failed();
          }
          if (!done) REQUIRE(done.error().code == Errc::no_memory);
          test::Model model = written.model;
          model.commit = palace.snapshot().commit();  // it may make a commit of no content
          require_same(palace.snapshot(), model);
          require_whole(palace);
          if (!palace.stats()->read_only) REQUIRE(call(palace));
          model.commit = palace.snapshot().commit();
          require_same(palace.snapshot(), model);
        }
        const Palace again = trial.open();
        test::Model model = written.model;
        model.commit = again.snapshot().commit();
        require_same(again.snapshot(), model);
        require_whole(again);
      },
      [&] { return failed; });
}

}  // namespace

TEST_CASE("a commit that runs out of memory happens whole or not at all") {
  Written written(20261127);
  const Batch batch = written.next();
  bool failed = false;
  std::uint64_t refused = 0;
  std::uint64_t poisoned = 0;
  at_each_allocation(
      200,
      [&](std::uint64_t n, Fails fails) {
        const Trial trial(written);
        test::Model before = written.model;
        bool is_doubtful = false;
        std::optional<test::Model> after;
        {
          Palace palace = trial.open();
          Batch own = batch;
          Result<Ack> ack = std::unexpected(Error{});
          {
            const FailingAllocations failing(n, fails);
            ack = palace.commit(std::move(own), Durability::sync);
            failed = failing.failed();
          }
          test::Model next = before;
          REQUIRE(next.apply(batch, ack ? ack->commit : before.commit + 1, ack ? ack->time : 0));
          const bool read_only = palace.stats()->read_only;
          if (ack) {
            REQUIRE_FALSE(read_only);
            before = next;
          } else {
            REQUIRE(ack.error().code == Errc::no_memory);
            ++(read_only ? poisoned : refused);
            if (read_only) after = next;
            is_doubtful = read_only;
          }
          require_same(palace.snapshot(), before);
          if (!read_only) {
            require_whole(palace);
            const auto more = palace.commit(Batch(batch), Durability::process);
            if (!more) REQUIRE(more.error().code != Errc::no_memory);
            if (more) REQUIRE(before.apply(batch, more->commit, more->time));
            require_same(palace.snapshot(), before);
          }
        }
        const Palace again = trial.open();
        require_whole(again);
        const std::string found = test::difference(again.snapshot(), before);
        // Times are not known of a commit that nobody acknowledged.
        if (is_doubtful && !found.empty()) {
          REQUIRE(again.snapshot().commit() == after->commit);
        } else if (!found.empty()) {
          FAIL(found);
        }
      },
      [&] { return failed; });
  WARN(refused << " commits refused, " << poisoned << " that left the palace read-only");
  CHECK(refused > 0);
}

TEST_CASE("upkeep that runs out of memory changes nothing") {
  const Written written(7);
  SECTION("checkpoint") {
    check_upkeep(written, [](Palace& palace) { return palace.checkpoint(); });
  }
  SECTION("compact") {
    check_upkeep(written, [](Palace& palace) { return palace.compact(); });
  }
  SECTION("purge") {
    check_upkeep(written, [](Palace& palace) { return palace.purge(); });
  }
  SECTION("maintain") {
    check_upkeep(written, [](Palace& palace) -> Status {
      AEON_TRY(palace.maintain(std::chrono::nanoseconds::zero()));
      return {};
    });
  }
}

TEST_CASE("an opening that runs out of memory fails and leaves the palace as it was") {
  const Written written(99);
  bool failed = false;
  at_each_allocation(
      120,
      [&](std::uint64_t n, Fails fails) {
        const Trial trial(written);
        {
          Result<Palace> palace = std::unexpected(Error{});
          {
            const FailingAllocations failing(n, fails);
            palace = Palace::open(trial.path(), quiet());
            failed = failing.failed();
          }
          if (!palace) REQUIRE(palace.error().code == Errc::no_memory);
          if (palace) require_same(palace->snapshot(), written.model);
        }
        const Palace again = trial.open();
        require_same(again.snapshot(), written.model);
        require_whole(again);
      },
      [&] { return failed; });
}

TEST_CASE("closing without memory leaves what the next opening needs") {
  const Written written(5);
  bool failed = false;
  at_each_allocation(
      200,
      [&](std::uint64_t n, Fails fails) {
        const Trial trial(written);
        {
          auto palace = std::make_unique<Palace>(trial.open());
          NewMemory memory;
          memory.content = "so that there is something to close";
          Batch batch;
          batch.remember(std::move(memory));
          REQUIRE(palace->commit(std::move(batch), Durability::process));
          const FailingAllocations failing(n, fails);
          palace.reset();
          failed = failing.failed();
        }
        const Palace again = trial.open();
        CHECK(again.stats()->memories == written.model.memories.size() + 1);
        require_whole(again);
      },
      [&] { return failed; });
}

TEST_CASE("reads that run out of memory say so and succeed the next time") {
  const Written written(3);
  const Trial trial(written);
  const Palace palace = trial.open();
  const Snapshot snapshot = palace.snapshot();
  std::vector<MemoryId> ids;
  REQUIRE(snapshot.list(0, 10, ids));
  REQUIRE_FALSE(ids.empty());
  Query by_text;
  by_text.text = "the boat";
  by_text.explain = true;
  Query filtered = by_text;
  filtered.filter = R"({"not": {"field": "a", "op": "exists"}})";
  WalkQuery walk;
  walk.from = {ids.data(), 1};
  using Read = std::function<Status()>;
  const auto status = [](auto result) {
    return result ? Status{} : Status(std::unexpected(std::move(result).error()));
  };
  const auto fresh_recall = [&](const Query& query) {
    Answer answer;
    return snapshot.recall(query, answer);
  };
  const std::vector<std::pair<std::string_view, Read>> reads = {
      {"recall", [&] { return fresh_recall(by_text); }},
      {"recall with a filter", [&] { return fresh_recall(filtered); }},
      {"recall_batch",
       [&] {
         const std::array queries = {by_text, by_text};
         std::array<Answer, 2> answers;
         return snapshot.recall_batch(queries, answers);
       }},
      {"get",
       [&] {
         Memory memory;
         return snapshot.get(ids[0], memory, true);
       }},
      {"list",
       [&] {
         std::vector<MemoryId> found;
         return snapshot.list(0, 100, found);
       }},
      {"neighbours",
       [&] {
         std::vector<Edge> edges;
         return snapshot.neighbours(ids[0], Direction::out, "", 100, edges);
       }},
      {"reach",
       [&] {
         WalkAnswer answer;
         return snapshot.reach(walk, answer);
       }},
      {"rank",
       [&] {
         WalkAnswer answer;
         return snapshot.rank(walk, answer);
       }},
      {"activate",
       [&] {
         WalkAnswer answer;
         return snapshot.activate(walk, answer);
       }},
      {"spaces", [&] { return status(snapshot.spaces()); }},
      {"tenants", [&] { return status(snapshot.tenants()); }},
      {"state_hash", [&] { return status(snapshot.state_hash()); }},
      {"snapshot_at", [&] { return status(palace.snapshot_at(snapshot.commit() + 100)); }},
      {"stats", [&] { return status(palace.stats()); }},
      {"verify", [&] { return status(palace.verify()); }},
  };
  for (const auto& [name, read] : reads) {
    INFO(name);
    const Status usual = read();
    const Errc expected = usual ? Errc{} : usual.error().code;
    for (const Fails fails : {Fails::once, Fails::from_then_on}) {
      bool failed = true;
      for (std::uint64_t n = 1; failed; n = next_of(n, 200)) {
        Status done;
        {
          const FailingAllocations failing(n, fails);
          done = read();
          failed = failing.failed();
        }
        if (!done) {
          INFO(done.error().message);
          REQUIRE((done.error().code == Errc::no_memory || done.error().code == expected));
        }
      }
      const Status again = read();
      CHECK(again.has_value() == usual.has_value());
    }
  }
}
