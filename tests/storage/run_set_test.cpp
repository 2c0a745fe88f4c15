#include "storage/run_set.hpp"

#include <deque>

#include <catch2/catch.hpp>

#include "storage/merge_runs.hpp"
#include "storage/merged_cursor.hpp"
#include "storage/visible_cursor.hpp"
#include "tests/support/allocations.hpp"
#include "tests/support/run_files.hpp"

using namespace aeon;
using namespace aeon::storage;
using namespace aeon::test;

namespace {

using Versions = std::map<std::uint64_t, std::string, std::greater<>>;  // newest first
using Model = std::map<std::string, Versions>;

std::string versioned(std::string key, std::uint64_t commit) {
  append_commit(key, commit);
  return key;
}

// A history over tails and run files: commits go to the active tail, which is frozen now and then;
// frozen tails are settled into runs, and runs are merged, as checkpoints and compaction will.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {}

  void run(int commits) {
    for (int i = 0; i < commits; ++i) {
      commit();
      if (random_() % 120 == 0) tails_.emplace_front(std::size_t{1} << 28);
      if (random_() % 250 == 0) checkpoint();
      if (random_() % 900 == 0) compact();
    }
  }

  void commit() {
    ++commit_;
    for (std::uint64_t writes = 1 + random_() % 5; writes > 0; --writes) {
      // Few keys, some of them written over and over.
      std::string key = random_key(random_, 3, random_() % 3 == 0 ? 3 : 400);
      if (model_[key].contains(commit_)) continue;
      std::string value = std::to_string(commit_) + "/" + random_bytes(random_, random_() % 30);
      REQUIRE(tails_.front().insert(versioned(key, commit_), value));
      model_[key][commit_] = std::move(value);
    }
  }

  // Settles all frozen tails.
  void checkpoint() {
    RunSet set;
    for (std::size_t i = 1; i < tails_.size(); ++i) set.add(tails_[i]);
    if (set.sources().empty()) return;
    settle(set, 0);
    while (tails_.size() > 1) tails_.pop_back();
  }

  void compact() {
    if (runs_.size() < 2) return;
    RunSet set;
    for (const Settled& settled : runs_) set.add(settled.run);
    settle(set, runs_.size());
  }

  [[nodiscard]] RunSet view() const {
    RunSet set;
    for (const RunTail& tail : tails_) set.add(tail);
    for (const Settled& settled : runs_) set.add(settled.run);
    return set;
  }

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] std::uint64_t last_commit() const { return commit_; }
  [[nodiscard]] std::size_t settled_runs() const { return runs_.size(); }
  [[nodiscard]] std::mt19937_64& random() { return random_; }
  [[nodiscard]] const Segment& newest_segment() const { return *runs_.front().segment; }

 private:
  struct Settled {
    std::shared_ptr<const Segment> segment;
    RunReader run;
  };

  // Writes the set as one run in place of the `replaced` newest runs, in slices.
  void settle(const RunSet& set, std::size_t replaced) {
    const auto writer = begin_segment(scratch_.path(), ++files_);
    auto builder = RunBuilder::create(*writer);
    REQUIRE(builder);
    MergedCursor cursor(set);
    cursor.seek_first();
    while (cursor.valid()) {
      REQUIRE(merge_runs(cursor, *builder, [](auto, auto) { return true; }, 100));
    }
    REQUIRE(builder->finish());
    auto segment = open_segment(scratch_.path(), finish_segment(*writer));
    const RunReader run = open_run(*segment);
    runs_.erase(runs_.begin(), runs_.begin() + static_cast<long>(replaced));
    runs_.push_front({std::move(segment), run});
  }

  std::mt19937_64 random_;
  TempDirectory scratch_;
  std::deque<RunTail> tails_ = make_tails();
  std::deque<Settled> runs_;
  Model model_;
  std::uint64_t commit_ = 0;
  std::uint64_t files_ = 0;

  static std::deque<RunTail> make_tails() {
    std::deque<RunTail> tails;
    tails.emplace_front(std::size_t{1} << 28);
    return tails;
  }
};

void require_newest(History& history, const RunSet& set) {
  LookupScratch scratch;
  for (int i = 0; i < 3000; ++i) {
    std::string key = random_key(history.random(), 4, 450);
    if (i % 2 == 0) {
      const auto skip = static_cast<long>(history.random()() % history.model().size());
      key = std::next(history.model().begin(), skip)->first;
    }
    const std::uint64_t commit = history.random()() % (history.last_commit() + 2);
    const auto found = set.newest(key, commit, scratch);
    REQUIRE(found);
    const auto entry = history.model().find(key);
    const Versions none;
    const Versions& versions = entry == history.model().end() ? none : entry->second;
    const auto expected = versions.lower_bound(commit);
    REQUIRE(found->has_value() == (expected != versions.end()));
    if (!found->has_value()) continue;
    REQUIRE((*found)->commit == expected->first);
    REQUIRE((*found)->value == expected->second);
  }
}

void require_merged(const History& history, const RunSet& set) {
  MergedCursor cursor(set);
  cursor.seek_first();
  for (const auto& [key, versions] : history.model()) {
    for (const auto& [commit, value] : versions) {
      REQUIRE(cursor.valid());
      REQUIRE(cursor.key() == versioned(key, commit));
      REQUIRE(cursor.value() == value);
      cursor.next();
    }
  }
  REQUIRE_FALSE(cursor.valid());
  REQUIRE(cursor.status());
}

void require_visible(History& history, const RunSet& set) {
  VisibleCursor cursor(set, 0);
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t commit = history.random()() % (history.last_commit() + 2);
    std::string from = random_key(history.random(), 3, 400);
    std::string prefix = from.substr(0, history.random()() % 3 == 0 ? 8 : history.random()() % 2);
    if (i % 3 == 0) from.clear();
    cursor.reset(set, commit);
    cursor.seek(prefix, from);
    for (auto at = history.model().lower_bound(std::max(prefix, from));
         at != history.model().end() && at->first.starts_with(prefix); ++at) {
      const auto expected = at->second.lower_bound(commit);
      if (expected == at->second.end()) continue;
      REQUIRE(cursor.valid());
      REQUIRE(cursor.user_key() == at->first);
      REQUIRE(cursor.commit() == expected->first);
      REQUIRE(cursor.value() == expected->second);
      cursor.next();
    }
    REQUIRE_FALSE(cursor.valid());
    REQUIRE(cursor.status());
  }
}

}  // namespace

TEST_CASE("a versioned key splits into what it was made of, the newest sorting first") {
  const std::string old_key = versioned("user", 41);
  const std::string new_key = versioned("user", 42);
  REQUIRE(new_key < old_key);
  REQUIRE(split_versioned_key(new_key).user_key == "user");
  REQUIRE(split_versioned_key(new_key).commit == 42);
  REQUIRE(split_versioned_key("12345678").user_key.empty());
  REQUIRE(split_versioned_key("").user_key.empty());
}

TEST_CASE("tails and runs together answer as one map of versions would, at any commit") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    INFO("seed " << seed);
    History history(seed);
    history.run(2500);
    const RunSet set = history.view();
    REQUIRE(set.sources().size() >= 2);
    REQUIRE(history.settled_runs() >= 1);
    require_newest(history, set);
    require_merged(history, set);
    require_visible(history, set);
  }
}

TEST_CASE("an empty set answers nothing") {
  const RunSet set;
  LookupScratch scratch;
  REQUIRE_FALSE(set.newest("a", 1, scratch).value().has_value());
  MergedCursor merged(set);
  merged.seek_first();
  REQUIRE((!merged.valid() && merged.status()));
  VisibleCursor visible(set, 9);
  visible.seek("");
  REQUIRE((!visible.valid() && visible.status()));
}

TEST_CASE("an entry that two sources hold is met once, as the newer one has it") {
  RunTail newer(1 << 20);
  RunTail older(1 << 20);
  RunTail oldest(1 << 20);
  for (const char* key : {"b", "d"}) REQUIRE(newer.insert(versioned(key, 5), "newer"));
  for (const char* key : {"a", "b", "c", "d"}) REQUIRE(older.insert(versioned(key, 5), "older"));
  for (const char* key : {"b", "d", "e"}) REQUIRE(oldest.insert(versioned(key, 5), "oldest"));
  RunSet set;
  set.add(newer);
  set.add(older);
  set.add(oldest);
  std::string met;
  MergedCursor cursor(set);
  for (cursor.seek_first(); cursor.valid(); cursor.next()) {
    met += std::string(cursor.key().substr(0, 1)) + "=" + std::string(cursor.value()) + " ";
  }
  REQUIRE(met == "a=older b=newer c=older d=newer e=oldest ");
}

TEST_CASE("warm lookups and walks allocate nothing") {
  History history(77);
  history.run(1500);
  history.checkpoint();
  history.run(100);
  const RunSet set = history.view();
  REQUIRE(history.settled_runs() >= 1);
  std::vector<std::string> keys;
  for (const auto& [key, versions] : history.model()) keys.push_back(key);
  LookupScratch scratch;
  VisibleCursor cursor;
  std::uint64_t found = 0;
  std::uint64_t walked = 0;
  std::uint64_t before = 0;
  for (int round = 0; round < 2; ++round) {
    before = allocations();
    for (const std::string& key : keys) {
      const auto answer = set.newest(key, history.last_commit(), scratch);
      found += answer && answer->has_value();
    }
    cursor.reset(set, history.last_commit() / 2);
    for (cursor.seek(""); cursor.valid(); cursor.next()) ++walked;
  }
  const std::uint64_t after = allocations();
  REQUIRE(before > 0);
  REQUIRE(after == before);
  REQUIRE(found == 2 * keys.size());
  REQUIRE(walked > keys.size() / 2);
}

TEST_CASE("a merge drops what the predicate does not want") {
  History history(5);
  history.run(800);
  const RunSet set = history.view();
  const TempDirectory scratch;
  const auto writer = begin_segment(scratch.path(), 1);
  auto builder = RunBuilder::create(*writer);
  REQUIRE(builder);
  MergedCursor from(set);
  from.seek_first();
  // Only the newest version of each user key.
  std::string last;
  REQUIRE(merge_runs(from, *builder, [&](std::string_view key, std::string_view) {
    const std::string_view user_key = split_versioned_key(key).user_key;
    if (user_key == last) return false;
    last.assign(user_key);
    return true;
  }));
  REQUIRE(builder->finish());
  const auto segment = open_segment(scratch.path(), finish_segment(*writer));
  const RunReader run = open_run(*segment);
  REQUIRE(run.entries() == history.model().size());
  RunCursor cursor(run);
  cursor.seek_first();
  for (const auto& [key, versions] : history.model()) {
    REQUIRE(cursor.valid());
    REQUIRE(cursor.key() == versioned(key, versions.begin()->first));
    cursor.next();
  }
}

TEST_CASE("damage in one source surfaces, and what lies elsewhere is still answered") {
  History history(11);
  history.run(2000);
  history.checkpoint();
  history.compact();
  history.run(50);
  const std::string path = history.newest_segment().path();
  const Section blocks = *history.newest_segment().find(SectionKind::run_blocks);
  const std::uint64_t page = (blocks.offset + blocks.bytes / 2) / kPageBytes;
  flip_byte(path, page * kPageBytes + 7);
  // Opened after the flip: a page that was checked before would not be looked at again.
  const auto segment = Segment::open(real_os(), path.substr(0, path.rfind('/')), kRunPalace,
                                     FileKind::segment, history.newest_segment().info());
  REQUIRE(segment);
  RunSet set;
  const RunSet whole = history.view();
  bool replaced = false;
  for (const RunSet::Source& source : whole.sources()) {
    if (const auto* const tail = std::get_if<const RunTail*>(&source)) {
      set.add(**tail);
    } else if (!replaced) {
      set.add(open_run(**segment));
      replaced = true;
    } else {
      set.add(std::get<RunReader>(source));
    }
  }
  LookupScratch scratch;
  std::size_t lost = 0;
  for (const auto& [key, versions] : history.model()) {
    const auto found = set.newest(key, history.last_commit(), scratch);
    if (!found) {
      REQUIRE(found.error().code == Errc::damaged);
      ++lost;
    } else {
      REQUIRE(found->has_value());
      REQUIRE((*found)->value == versions.begin()->second);
    }
  }
  REQUIRE(lost > 0);
  REQUIRE(lost < history.model().size() / 4);

  VisibleCursor cursor(set, history.last_commit());
  std::size_t met = 0;
  std::size_t errors = 0;
  cursor.seek("");
  for (;;) {
    for (; cursor.valid(); cursor.next()) {
      REQUIRE(history.model().contains(std::string(cursor.user_key())));
      ++met;
    }
    if (cursor.status()) break;
    REQUIRE(cursor.status().error().code == Errc::damaged);
    REQUIRE(++errors < 10);
    cursor.skip_damage();
  }
  REQUIRE(errors > 0);
  REQUIRE(met < history.model().size());
  REQUIRE(met >= history.model().size() - lost);
}

TEST_CASE("a key too short for a commit is reported and passed over") {
  RunTail tail(1 << 20);
  REQUIRE(tail.insert("short", "x"));
  REQUIRE(tail.insert(versioned("a", 1), "1"));
  REQUIRE(tail.insert(versioned("z", 1), "2"));
  RunSet set;
  set.add(tail);
  VisibleCursor cursor(set, 1);
  cursor.seek("");
  REQUIRE(cursor.value() == "1");
  cursor.next();
  REQUIRE_FALSE(cursor.valid());
  REQUIRE(cursor.status().error().code == Errc::damaged);
  cursor.skip_damage();
  REQUIRE(cursor.valid());
  REQUIRE(cursor.value() == "2");
}
