// Damage in every byte of every file of a small closed palace. Whatever is changed: opening or
// verify names the file, and every read says what a model says, or fails as damaged, or is marked
// partial. A sample of the bytes is changed in every run; all of them with AEON_DAMAGE_EVERY=1.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>

#include <fmt/format.h>

#include "engine/engine_state.hpp"
#include "engine/palace.hpp"
#include "storage/manifest.hpp"
#include "tests/model/batch_maker.hpp"
#include "tests/model/model_check.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using aeon::test::Model;
using aeon::test::Reads;
using aeon::test::SimOs;

namespace {

const std::string kDirectory = "/palace";
constexpr std::size_t kPage = storage::kPageBytes;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

OpenOptions on(SimOs& os, bool read_only) {
  OpenOptions options;
  options.background = false;
  options.read_only = read_only;
  options.os = &os;
  return options;
}

// A closed palace and what it says at each of its commits.
class Subject {
 public:
  explicit Subject(std::uint64_t seed)
      : os(seed),
        random_(seed),
        maker_(random_(), {.memories = 20, .refused_in = 0, .large_in = 1'000'000}) {}

  // Two segments, their blob files, one with a stored payload, and commits in the log alone.
  void fill() {
    create();
    commits(14);
    settle();
    payload();
    commits(8);
    settle();
    commits(6);
    close();
  }
  // The first log file is retired when the second segment is there.
  void fill_two_logs() {
    create();
    commits(3);
    settle();
    while (!os.exists(kDirectory + "/log-000002")) large();
    settle();
    commits(2);
    close();
  }
  // Many texts of one kind, so that their blob file has a dictionary.
  void fill_with_texts() {
    create();
    Batch batch;
    for (int i = 0; i < 120; ++i) batch.remember(text(i));
    commit(batch);
    settle();
    close();
  }

  [[nodiscard]] const Model& at(CommitNumber commit) const {
    return std::prev(states_.upper_bound(commit))->second;
  }
  [[nodiscard]] const Model& newest() const { return states_.rbegin()->second; }
  // Those that carry data: spares do not, and the control file is made anew by whoever opens.
  [[nodiscard]] std::vector<std::string> files() {
    std::vector<std::string> names = os.list_directory(kDirectory).value();
    std::erase_if(names, [](const std::string& name) {
      return name.starts_with("spare") || name == "control" || name == "staging";
    });
    return names;
  }

  // Where the log's frames still carry something.
  [[nodiscard]] wal::LogPosition settled() {
    engine::EngineState state;
    const auto manifest = storage::Manifest::open(os, kDirectory, true);
    REQUIRE(manifest.has_value());
    REQUIRE(engine::decode_engine_state(manifest->state().engine_state, state));
    return state.position;
  }

  SimOs os;

 private:
  void create() {
    const std::vector<SpaceSpec> specs = {
        {.name = "c", .dimension = 8, .metric = Metric::cosine, .model = ""},
        {.name = "l",
         .dimension = 5,
         .metric = Metric::l2,
         .precision = Precision::float32,
         .model = "m"}};
    palace_ = Palace::create(kDirectory, specs, on(os, false));
    REQUIRE(palace_->has_value());
    Batch batch;
    for (const SpaceSpec& spec : specs) batch.create_space(spec);
    states_[0] = {};
    note(batch, 1, 0);
  }
  void note(const Batch& batch, CommitNumber commit, TimeNs time) {
    Model next = newest();
    REQUIRE(next.apply(batch, commit, time).has_value());
    states_[commit] = std::move(next);
  }
  void commit(const Batch& batch) {
    const auto ack = (*palace_)->commit(batch);
    REQUIRE(ack.has_value());
    note(batch, ack->commit, ack->time);
  }
  void commits(int count) {
    while (count > 0) {
      const Batch batch = maker_.next(newest());
      Model probe = newest();
      if (!probe.apply(batch, probe.commit + 1, 0)) continue;
      commit(batch);
      --count;
    }
  }
  void large() {
    NewMemory memory;
    memory.embed = false;
    memory.content.assign(60'000, 'a');
    Batch batch;
    batch.remember(memory);
    commit(batch);
  }
  void payload() {
    NewMemory memory;
    memory.content.assign(9000, 'p');
    memory.embed = false;
    Batch told;
    told.remember(memory);
    memory.payload = (*palace_)->store_payload(ContentType::text, memory.content).value();
    memory.content.clear();
    Batch batch;
    batch.remember(memory);
    const auto ack = (*palace_)->commit(std::move(batch));
    REQUIRE(ack.has_value());
    note(told, ack->commit, ack->time);
  }
  NewMemory text(int number) {
    NewMemory memory;
    memory.embed = false;
    memory.content = fmt::format("Entry {} of the ledger: {} of {} were paid to the keeper of",
                                 number, random_() % 1000, random_() % 100'000);
    while (memory.content.size() < 400) {
      memory.content +=
          fmt::format(" the {} house by the river, who signed for it;", random_() % 50);
    }
    return memory;
  }
  void settle() {
    REQUIRE((*palace_)->checkpoint());
    Model same = newest();
    same.commit = (*palace_)->snapshot().commit();
    states_[same.commit] = std::move(same);
  }
  void close() {
    REQUIRE(test::difference((*palace_)->snapshot(), newest()) == "");
    REQUIRE((*palace_)->close());
    palace_.reset();
  }

  std::mt19937_64 random_;
  test::BatchMaker maker_;
  std::optional<Result<Palace>> palace_;
  std::map<CommitNumber, Model> states_;
};

struct Seen {
  bool noticed = false;
  std::string wrong;    // what a read said that it must not
  std::string message;  // by which it was noticed, or not
};

class Observer {
 public:
  explicit Observer(const Subject& subject) : subject_(subject) {}

  // Opens for reading, as verify does.
  Seen look(SimOs& os, const std::string& file) const {
    Seen seen;
    const auto palace = Palace::open(kDirectory, on(os, true));
    if (!palace) {
      seen.message = palace.error().message;
      seen.noticed = seen.message.find(file) != std::string::npos;
      return seen;
    }
    seen.wrong = reads(*palace);
    const auto report = palace->verify();
    if (!report) {
      seen.message = report.error().message;
      seen.noticed = seen.message.find(file) != std::string::npos;
      return seen;
    }
    for (const Damage& damage : report->damage) {
      seen.message += fmt::format("{}: {}; ", damage.file, damage.what);
    }
    seen.noticed = seen.message.find(file) != std::string::npos;
    return seen;
  }

  std::string reads(const Palace& palace) const {
    const Snapshot snapshot = palace.snapshot();
    const Model& model = subject_.at(snapshot.commit());
    const std::string found = test::difference(snapshot, model, Reads::damaged);
    return !found.empty()
               ? found
               : test::recall_difference(snapshot, model, snapshot.commit(), 6, Reads::damaged);
  }

 private:
  const Subject& subject_;
};

// Which bytes of a file to change. Where one sum covers a page a sample stands for the rest.
class Places {
 public:
  Places(std::uint64_t seed, const std::string& name, std::uint64_t bytes)
      : random_(seed), every_(setting("AEON_DAMAGE_EVERY", 0) != 0), bytes_(bytes) {
    const bool log = name.starts_with("log");
    const bool manifest = name.starts_with("manifest");
    from_end_ = log || manifest ? 0 : kPage;
    head_ = log || manifest ? 128 : 64;
    one_in_ = log ? 16 : manifest ? 4 : 40;
  }
  [[nodiscard]] bool next(std::uint64_t& at) {
    if (at + 1 >= bytes_) return false;
    const bool dense = every_ || at < head_ || (from_end_ != 0 && at + 40 >= bytes_);
    at += dense ? 1 : 1 + random_() % (2 * one_in_);
    at = std::min(at, bytes_ - 1);
    return true;
  }

 private:
  std::mt19937_64 random_;
  bool every_;
  std::uint64_t bytes_;
  std::uint64_t from_end_ = 0;
  std::uint64_t head_ = 0;
  std::uint64_t one_in_ = 1;
};

// Whether a change there harms nothing and need not be noticed: log frames that are settled.
bool is_stale(const wal::LogPosition& settled, const std::string& file, std::uint64_t at) {
  return file == storage::file_name("log", settled.log) && at >= kPage && at < settled.offset;
}

void sweep(Subject& subject, const std::string& file, std::uint64_t& changed) {
  const Observer observer(subject);
  const wal::LogPosition settled = subject.settled();
  const std::string path = kDirectory + "/" + file;
  const std::string bytes = subject.os.contents(path);
  Places places(changed, file, bytes.size());
  std::uint64_t unnoticed = 0;
  for (std::uint64_t at = 0; places.next(at);) {
    const auto old = static_cast<std::byte>(bytes[at]);
    for (const std::byte mask : {std::byte{1} << at % 8, old, ~old}) {
      if (mask == std::byte{0} || (at > 128 && at % 3 != 0 && mask != std::byte{1} << at % 8)) {
        continue;
      }
      subject.os.corrupt(path, at, mask);
      const Seen seen = observer.look(subject.os, file);
      subject.os.corrupt(path, at, mask);
      ++changed;
      CAPTURE(file, at, static_cast<int>(mask), seen.message);
      REQUIRE(seen.wrong == "");
      if (seen.noticed || is_stale(settled, file, at)) continue;
      CHECK(seen.noticed);
      REQUIRE(++unnoticed < 20);
    }
  }
}

const std::string kGone = "gone";
const std::string kForeign = "of another palace";

// Changes a clone as `change` says; what is not noticed or wrong fails the test.
template <typename Change>
void look_at_clone(Subject& subject, const std::string& file, const std::string& what,
                   Change&& change) {
  const auto clone = subject.os.process_death();
  change(*clone);
  const std::string path = kDirectory + "/" + file;
  if (clone->contents(path) == subject.os.contents(path) && clone->exists(path)) return;
  const Seen seen = Observer(subject).look(*clone, file);
  CAPTURE(file, what, seen.message);
  CHECK(seen.wrong == "");
  // Without its own manifest a palace does not know its files: it is enough that something is said.
  const bool nameless = file.starts_with("manifest") && (what == kGone || what == kForeign);
  CHECK((seen.noticed || (nameless && !seen.message.empty())));
}

void overwrite(SimOs& os, const std::string& path, std::uint64_t at, const std::string& bytes) {
  const std::string old = os.contents(path).substr(at, bytes.size());
  for (std::size_t i = 0; i < old.size(); ++i) {
    os.corrupt(path, at + i, static_cast<std::byte>(old[i] ^ bytes[i]));
  }
}

}  // namespace

TEST_CASE("no changed byte of a closed palace is served, and none goes unnoticed") {
  Subject subject(setting("AEON_DAMAGE_SEED", 1));
  std::uint64_t changed = 0;
  SECTION("of every kind of file") {
    subject.fill();
    for (const std::string& file : subject.files()) sweep(subject, file, changed);
  }
  SECTION("of a blob file with a dictionary") {
    subject.fill_with_texts();
    for (const std::string& file : subject.files()) {
      if (!file.starts_with("log")) sweep(subject, file, changed);
    }
  }
  SECTION("of a manifest whose older records name files that are gone") {
    subject.fill_two_logs();
    sweep(subject, storage::file_name("manifest", 2), changed);
  }
  WARN(changed << " changes; all bytes with AEON_DAMAGE_EVERY=1");
}

TEST_CASE("no misplaced page and no file cut, missing or foreign goes unnoticed") {
  const std::uint64_t seed = setting("AEON_DAMAGE_SEED", 1);
  Subject subject(seed);
  subject.fill();
  Subject other(seed + 1000);
  other.fill();
  const wal::LogPosition settled = subject.settled();
  std::mt19937_64 random(seed);
  for (const std::string& file : subject.files()) {
    const std::string path = kDirectory + "/" + file;
    const std::string bytes = subject.os.contents(path);
    const std::string foreign = other.os.contents(path);  // may be shorter, or nothing at all
    const std::uint64_t used = bytes.find_last_not_of('\0') / kPage + 1;
    for (int i = 0; i < 30; ++i) {
      const std::uint64_t a = random() % used;
      const std::uint64_t b = random() % used;
      if (is_stale(settled, file, a * kPage) && is_stale(settled, file, b * kPage)) continue;
      look_at_clone(subject, file, fmt::format("pages {} and {} swapped", a, b), [&](SimOs& os) {
        overwrite(os, path, a * kPage, bytes.substr(b * kPage, kPage));
        overwrite(os, path, b * kPage, bytes.substr(a * kPage, kPage));
      });
      if (is_stale(settled, file, a * kPage) || foreign.size() < (a + 1) * kPage) continue;
      look_at_clone(subject, file, fmt::format("page {} of another palace", a), [&](SimOs& os) {
        overwrite(os, path, a * kPage, foreign.substr(a * kPage, kPage));
      });
    }
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{kPage},
                                     bytes.size() / 2, bytes.size() - kPage, bytes.size() - 1}) {
      look_at_clone(subject, file, fmt::format("cut to {}", size),
                    [&](SimOs& os) { os.resize(path, size); });
    }
    // The log and the manifest end where their last record says, whatever follows.
    if (file.starts_with("seg") || file.starts_with("blob")) {
      look_at_clone(subject, file, "grown",
                    [&](SimOs& os) { os.resize(path, bytes.size() + kPage); });
    }
    look_at_clone(subject, file, kGone, [&](SimOs& os) { REQUIRE(os.unlink(path)); });
    look_at_clone(subject, file, kForeign, [&](SimOs& os) {
      os.resize(path, foreign.size());
      overwrite(os, path, 0, foreign);
    });
  }
}

TEST_CASE("a damaged palace that is opened for writing wipes nothing and serves nothing wrong") {
  Subject subject(setting("AEON_DAMAGE_SEED", 1));
  subject.fill();
  const Observer observer(subject);
  std::mt19937_64 random(setting("AEON_DAMAGE_SEED", 1));
  std::vector<std::string> files = subject.files();
  files.emplace_back("control");
  for (const std::string& file : files) {
    const std::string path = kDirectory + "/" + file;
    const std::uint64_t used = subject.os.contents(path).find_last_not_of('\0') + 1;
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t at = random() % used;
      CAPTURE(file, at);
      const auto clone = subject.os.process_death();
      clone->corrupt(path, at, std::byte{1} << random() % 8);
      const std::string damaged = clone->contents(path);
      auto palace = Palace::open(kDirectory, on(*clone, false));
      if (!palace) {
        CAPTURE(palace.error().message);
        CHECK(palace.error().message.find(file) != std::string::npos);
        CHECK(clone->contents(path) == damaged);
        continue;
      }
      CHECK(observer.reads(*palace) == "");
      const bool cut = palace->stats().value().recovery_bytes_cut != 0;
      Batch batch;
      NewMemory memory;
      memory.content = "after the damage";
      batch.remember(memory);
      const auto ack = palace->commit(std::move(batch));
      if (!ack) {
        CAPTURE(ack.error().message);
        CHECK((ack.error().code == Errc::read_only || ack.error().code == Errc::damaged));
      }
      (void)palace->close();
      if (!file.starts_with("log") && !file.starts_with("manifest") && file != "control") {
        CHECK(clone->contents(path) == damaged);
      }
      if (!ack && !cut && file != "control") CHECK(clone->contents(path) == damaged);
      auto again = Palace::open(kDirectory, on(*clone, true));
      REQUIRE(again.has_value());
      if (!ack) {
        CHECK(observer.reads(*again) == "");
        continue;
      }
      Memory kept;
      REQUIRE(again->snapshot().get(ack->ids[0], kept).has_value());
      CHECK(kept.content == "after the damage");
    }
  }
}

// Enough rows to be grouped and found by routes. What a damaged one answers may be more than what a
// whole one does, or partial; never less without a word, and never wrong.
TEST_CASE("damage in grouped rows and their routes leaves out, but serves nothing wrong") {
  constexpr int kRows = 9000;
  SimOs os(1);
  std::mt19937_64 random(setting("AEON_DAMAGE_SEED", 1));
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> rows;
  {
    const SpaceSpec spec{.name = "v", .dimension = 4, .metric = Metric::l2, .model = ""};
    auto palace = Palace::create(kDirectory, {spec}, on(os, false)).value();
    while (rows.size() < kRows) {
      Batch batch;
      for (int i = 0; i < 1000; ++i) {
        NewMemory memory;
        memory.embed = false;
        rows.push_back({normal(random), normal(random), normal(random), normal(random)});
        memory.vectors.push_back({"v", rows.back(), ""});
        batch.remember(std::move(memory));
      }
      REQUIRE(palace.commit(std::move(batch), Durability::process).has_value());
    }
    REQUIRE(palace.checkpoint());
  }
  const auto ask = [&](std::vector<Answer>& answers) {
    auto palace = Palace::open(kDirectory, on(os, true));
    answers.clear();
    for (std::size_t i = 0; palace && i < 4; ++i) {
      Query query;
      query.vector = rows[i * 1000];
      query.target_recall = 0.9F;
      const Status got = palace->recall(query, answers.emplace_back());
      REQUIRE(got.has_value());
    }
    return palace.has_value();
  };
  std::vector<Answer> whole;
  REQUIRE(ask(whole));
  std::vector<Answer> damaged;
  const std::string path = kDirectory + "/seg-000001";
  const std::uint64_t bytes = os.contents(path).size();
  std::uint64_t partial = 0;
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t at = random() % bytes;
    os.corrupt(path, at, std::byte{1});
    const bool opened = ask(damaged);
    os.corrupt(path, at, std::byte{1});
    for (std::size_t j = 0; opened && j < damaged.size(); ++j) {
      CAPTURE(at, j);
      partial += damaged[j].partial ? 1 : 0;
      for (std::size_t k = 0; k < damaged[j].hits.size(); ++k) {
        const Hit& hit = damaged[j].hits[k];
        double distance = 0;
        for (std::size_t d = 0; d < 4; ++d) {
          const double off = double{rows[hit.id - 1][d]} - double{rows[j * 1000][d]};
          distance += off * off;
        }
        REQUIRE(std::fabs(-distance - double{hit.score}) < 2e-2);
        if (!damaged[j].partial) REQUIRE(hit.score >= whole[j].hits[k].score);
      }
      if (!damaged[j].partial) REQUIRE(damaged[j].hits.size() == whole[j].hits.size());
    }
  }
  CHECK(partial > 0);
}
