// Every bad input has its own code and a sentence that names it, and changes nothing: not what the
// palace says, not its newest commit.
#include <catch2/catch.hpp>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <limits>

#include "engine/palace.hpp"
#include "storage/checksum.hpp"
#include "storage/codec.hpp"
#include "tests/sim/sim_os.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

OpenOptions on(test::SimOs& os) {
  OpenOptions options;
  options.background = false;
  options.os = &os;
  return options;
}

std::vector<SpaceSpec> spaces() {
  return {{.name = "c", .dimension = 2, .metric = Metric::cosine, .model = ""},
          {.name = "l", .dimension = 2, .metric = Metric::l2, .model = "m"}};
}

NewMemory with_vector(const char* space, std::vector<float> values, const char* model = "") {
  NewMemory memory;
  memory.content = "a";
  memory.vectors.push_back({space, std::move(values), model});
  return memory;
}
template <typename Change>
NewMemory memory_where(Change&& change) {
  NewMemory memory;
  memory.content = "a";
  change(memory);
  return memory;
}

struct BadBatch {
  const char* what;
  Errc code;
  const char* says;  // a part of the message
  std::function<void(Batch&)> add;
};
BadBatch bad_memory(const char* what, Errc code, const char* says, NewMemory memory) {
  return {what, code, says, [memory](Batch& batch) { batch.remember(memory); }};
}

// Memory 1 is there and has the key "k"; memory 2 was forgotten; tenant "t" has memory 3.
std::vector<BadBatch> bad_batches() {
  const std::string longest(1025, 'k');
  return {
      bad_memory("a dimension too many", Errc::wrong_dimension, "3 dimensions",
                 with_vector("c", {1, 2, 3})),
      bad_memory("no dimension", Errc::wrong_dimension, "0 dimensions", with_vector("c", {})),
      bad_memory("NaN", Errc::not_finite, "index 1", with_vector("c", {1, kNan})),
      bad_memory("infinity", Errc::not_finite, "index 0", with_vector("l", {-kInfinity, 1}, "m")),
      bad_memory("zero under cosine", Errc::zero_vector, "\"c\"", with_vector("c", {0, -0.0F})),
      bad_memory("too large a vector", Errc::invalid_argument, "1e+20",
                 with_vector("c", {1e20F, 1})),
      bad_memory("an unknown space", Errc::unknown_space, "nowhere",
                 with_vector("nowhere", {1, 2})),
      bad_memory("another model", Errc::model_mismatch, "\"m\"", with_vector("l", {1, 2}, "n")),
      bad_memory("an unknown tenant", Errc::unknown_tenant, "nobody",
                 memory_where([](NewMemory& m) { m.tenant = "nobody"; })),
      bad_memory("an empty key", Errc::invalid_key, "empty",
                 memory_where([](NewMemory& m) { m.mode = PutMode::if_absent; })),
      bad_memory("an over-long key", Errc::invalid_key, "1025",
                 memory_where([&](NewMemory& m) { m.key = longest; })),
      bad_memory("a key that is no UTF-8", Errc::invalid_utf8, "key",
                 memory_where([](NewMemory& m) { m.key = "\xc3"; })),
      bad_memory("a text that is no UTF-8", Errc::invalid_utf8, "byte 2",
                 memory_where([](NewMemory& m) { m.content = "ab\xff"; })),
      bad_memory("a session that is no UTF-8", Errc::invalid_utf8, "session",
                 memory_where([](NewMemory& m) { m.session = "\xed\xa0\x80"; })),
      bad_memory("metadata that is no JSON", Errc::invalid_json, "metadata",
                 memory_where([](NewMemory& m) { m.metadata = "{"; })),
      bad_memory("metadata that is no object", Errc::invalid_json, "object",
                 memory_where([](NewMemory& m) { m.metadata = "[]"; })),
      bad_memory("a name too long", Errc::too_large, "256",
                 memory_where([](NewMemory& m) { m.kind.assign(256, 'k'); })),
      bad_memory("too much text", Errc::too_large, "payload",
                 memory_where([](NewMemory& m) { m.content.assign(kMaxInlineBytes + 1, 'a'); })),
      bad_memory("a taken key", Errc::key_exists, "memory 1", memory_where([](NewMemory& m) {
                   m.key = "k";
                   m.mode = PutMode::if_absent;
                 })),
      bad_memory("another version", Errc::version_conflict, "version",
                 memory_where([](NewMemory& m) {
                   m.key = "k";
                   m.mode = PutMode::if_version;
                   m.expected_version = 99;
                 })),
      bad_memory("a used id", Errc::already_exists, "id 1",
                 memory_where([](NewMemory& m) { m.wanted_id = 1; })),
      {"an unknown id", Errc::unknown_id, "77", [](Batch& batch) { batch.forget(77); }},
      {"a forgotten id", Errc::unknown_id, "2", [](Batch& batch) { batch.supersede(2, {}); }},
      {"another session", Errc::invalid_argument, "session",
       [](Batch& batch) { batch.supersede(1, memory_where([](auto& m) { m.session = "s"; })); }},
      {"an edge to nothing", Errc::unknown_id, "77",
       [](Batch& batch) {
         batch.link({.from = MemoryRef::of(1), .to = MemoryRef::of(77), .type = "x"});
       }},
      {"an edge between tenants", Errc::invalid_argument, "tenants",
       [](Batch& batch) {
         batch.link({.from = MemoryRef::of(1), .to = MemoryRef::of(3), .type = "x"});
       }},
      {"a weight that is no number", Errc::not_finite, "weight",
       [](Batch& batch) {
         batch.link(
             {.from = MemoryRef::of(1), .to = MemoryRef::of(1), .type = "x", .weight = kNan});
       }},
      {"a space that exists", Errc::already_exists, "\"c\"",
       [](Batch& batch) { batch.create_space(spaces()[0]); }},
      {"a space of no dimension", Errc::wrong_dimension, "dimension 0",
       [](Batch& batch) { batch.create_space({.name = "new"}); }},
  };
}

struct BadQuery {
  const char* what;
  Errc code;
  Query query;
};

template <typename Value>
void require_refused(const Result<Value>& result, Errc code, const std::string& says = "") {
  REQUIRE(!result);
  CAPTURE(result.error().message);
  CHECK(result.error().code == code);
  CHECK(result.error().message.size() > 15);
  CHECK(result.error().message.find(says) != std::string::npos);
}

// A palace as bad_batches() wants it.
Palace make(const std::string& directory, const OpenOptions& options) {
  auto palace = Palace::create(directory, spaces(), options).value();
  Batch batch;
  batch.create_tenant("t");
  batch.remember(memory_where([](NewMemory& m) { m.key = "k"; }));
  batch.remember(memory_where([](NewMemory&) {}));
  batch.remember(memory_where([](NewMemory& m) { m.tenant = "t"; }));
  REQUIRE(palace.commit(std::move(batch)).has_value());
  Batch forget;
  forget.forget(2);
  REQUIRE(palace.commit(std::move(forget)).has_value());
  return palace;
}

// Runs `body` in a child process and returns its exit status: 0 when the body returned true.
int in_child(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

bool refused_as(Errc code, const Result<Palace>& palace) {
  return !palace && palace.error().code == code && palace.error().message.size() > 15;
}

}  // namespace

TEST_CASE("every bad operation has its code, and its whole batch changes nothing") {
  test::SimOs os(1);
  Palace palace = make("/palace", on(os));
  const std::uint64_t hash = palace.snapshot().state_hash().value();
  const CommitNumber commit = palace.snapshot().commit();
  for (const BadBatch& bad : bad_batches()) {
    CAPTURE(bad.what);
    Batch batch;
    batch.create_tenant("never");
    batch.remember(memory_where([](NewMemory& m) { m.key = "never"; }));
    batch.forget(3);
    bad.add(batch);
    // An edge's ends must be there to be of two tenants.
    if (bad.code == Errc::invalid_argument && std::string(bad.says) == "tenants") {
      batch.clear();
      bad.add(batch);
    }
    require_refused(palace.commit(std::move(batch)), bad.code, bad.says);
    CHECK(palace.snapshot().commit() == commit);
    CHECK(palace.snapshot().state_hash().value() == hash);
  }
  require_refused(palace.commit({}), Errc::invalid_argument, "empty");
  CHECK(palace.snapshot().tenants().value() == std::vector<std::string>{"t"});
  REQUIRE(palace.close());
  auto again = Palace::open("/palace", on(os)).value();
  CHECK(again.snapshot().state_hash().value() == hash);
  CHECK(again.verify().value().damage.empty());
}

TEST_CASE("every bad query has its code and leaves the answer as it was") {
  test::SimOs os(1);
  const Palace palace = make("/palace", on(os));
  const std::vector<float> good = {1, 2};
  const std::vector<float> three = {1, 2, 3};
  const std::vector<float> nan = {1, kNan};
  const std::vector<float> zero = {0, 0};
  const BadQuery queries[] = {
      {"dimension", Errc::wrong_dimension, {.space = "c", .vector = three}},
      {"NaN", Errc::not_finite, {.space = "c", .vector = nan}},
      {"zero", Errc::zero_vector, {.space = "c", .vector = zero}},
      {"space", Errc::unknown_space, {.space = "nowhere", .vector = good}},
      {"tenant", Errc::unknown_tenant, {.tenant = "nobody", .space = "c", .vector = good}},
      {"model", Errc::model_mismatch, {.space = "l", .vector = good}},
      {"text without an embedder", Errc::model_mismatch, {.space = "c", .text = "a"}},
      {"k", Errc::invalid_argument, {.space = "c", .vector = good, .k = 0}},
      {"nothing asked", Errc::invalid_argument, {.space = "c"}},
      {"filter", Errc::invalid_json, {.space = "c", .vector = good, .filter = "{"}},
      {"filter operator",
       Errc::invalid_argument,
       {.space = "c", .vector = good, .filter = R"({"a": {"~": 1}})"}},
      {"UTF-8", Errc::invalid_utf8, {.space = "c", .text = "\xff"}},
  };
  for (const BadQuery& bad : queries) {
    CAPTURE(bad.what);
    Answer answer;
    answer.commit = 4711;
    require_refused(palace.recall(bad.query, answer), bad.code);
    CHECK(answer.commit == 4711);
  }
  Memory memory;
  const Snapshot snapshot = palace.snapshot();
  require_refused(snapshot.get(2, memory), Errc::unknown_id, "2");
  require_refused(snapshot.get(0, memory), Errc::unknown_id);
  require_refused(snapshot.find_key("", "missing"), Errc::unknown_id, "missing");
  require_refused(snapshot.find_key("nobody", "k"), Errc::unknown_tenant, "nobody");
  require_refused(palace.snapshot_at(99), Errc::invalid_argument, "99");
}

TEST_CASE("what is no palace, or one of a newer format, is refused and left alone") {
  const test::TempDirectory scratch;
  require_refused(Palace::open(scratch / "none"), Errc::not_a_palace, "none");
  require_refused(Palace::open(scratch.path()), Errc::not_a_palace);
  require_refused(Palace::open(""), Errc::invalid_argument);
  require_refused(Palace::create(scratch / "no/parent", {}), Errc::not_found, "parent");
  CHECK(std::filesystem::is_empty(scratch.path()));
  std::ofstream(scratch / "file") << "not a palace";
  CHECK(!Palace::open(scratch / "file"));
  require_refused(Palace::create(scratch.path(), {}), Errc::already_exists, "not empty");
  const std::string directory = scratch / "palace";
  REQUIRE(make(directory, {}).close());
  require_refused(Palace::create(directory, {}), Errc::already_exists, "palace already");

  std::string path;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with("manifest")) path = entry.path().string();
  }
  std::string head(48, '\0');
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.read(head.data(), 48);
  ++head[8];  // the version, under the sum of storage/format.md
  const auto magic = storage::load<std::uint64_t>(std::as_bytes(std::span(head)).data());
  const std::uint64_t sum = storage::hash64(std::as_bytes(std::span(head).first(40)), magic);
  std::memcpy(head.data() + 40, &sum, sizeof sum);
  file.seekp(0);
  file.write(head.data(), 48);
  file.close();
  require_refused(Palace::open(directory), Errc::newer_format, "newer");
  OpenOptions look;
  look.read_only = true;
  require_refused(Palace::open(directory, look), Errc::newer_format, "newer");
  std::ifstream after(path, std::ios::binary);
  std::string same(48, '\0');
  after.read(same.data(), 48);
  CHECK(same == head);
}

TEST_CASE("a full disk refuses a commit, changes nothing, and goes on when there is space") {
  test::SimOs os(1);
  Palace palace = make("/palace", on(os));
  NewMemory large = memory_where([](NewMemory& m) { m.content.assign(200'000, 'a'); });
  os.set_capacity(os.used_bytes());
  std::uint64_t hash = 0;
  CommitNumber commit = 0;
  for (int i = 0;; ++i) {
    REQUIRE(i < 20);
    hash = palace.snapshot().state_hash().value();
    commit = palace.snapshot().commit();
    Batch batch;
    batch.remember(large);
    const auto ack = palace.commit(std::move(batch));
    if (ack) continue;
    CHECK(ack.error().code == Errc::disk_full);
    break;
  }
  CHECK(palace.snapshot().commit() == commit);
  CHECK(palace.snapshot().state_hash().value() == hash);
  Batch forget;
  forget.forget(3);
  CHECK(palace.commit(std::move(forget)).has_value());  // it may use what is kept back
  os.set_capacity(std::numeric_limits<std::uint64_t>::max());
  Batch batch;
  batch.remember(large);
  CHECK(palace.commit(std::move(batch)).has_value());
  CHECK(palace.verify().value().damage.empty());
}

TEST_CASE("a limit on the size of files is a full disk") {
  const test::TempDirectory scratch;
  REQUIRE(make(scratch / "palace", {}).close());
  const int status = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{264'000, 264'000};  // the log file in use is just within it
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    OpenOptions options;
    options.background = false;
    auto palace = Palace::open(scratch / "palace", options);
    if (!palace) return false;
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t hash = palace->snapshot().state_hash().value();
      Batch batch;
      batch.remember(memory_where([](NewMemory& m) { m.content.assign(261'000, 'a'); }));
      const auto ack = palace->commit(std::move(batch));
      if (ack) continue;
      return ack.error().code == Errc::disk_full && palace->snapshot().state_hash().value() == hash;
    }
    return false;
  });
  CHECK(status == 0);
  CHECK(Palace::open(scratch / "palace").value().verify().value().damage.empty());
}

TEST_CASE("without permission nothing is opened and nothing made") {
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  REQUIRE(make(directory, {}).close());
  const mode_t mode = ::geteuid() == 0 ? 0700 : 0;  // root stays the owner, and becomes another
  REQUIRE(::chmod(directory.c_str(), mode) == 0);
  REQUIRE(::chmod(scratch.path().c_str(), ::geteuid() == 0 ? 0755 : 0500) == 0);
  const int status = in_child([&] {
    constexpr uid_t kNobody = 65'534;
    if (::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) return false;
    OpenOptions look;
    look.read_only = true;
    return refused_as(Errc::no_permission, Palace::open(directory)) &&
           refused_as(Errc::no_permission, Palace::open(directory, look)) &&
           refused_as(Errc::no_permission, Palace::create(scratch / "new", {}));
  });
  REQUIRE(::chmod(scratch.path().c_str(), 0700) == 0);
  REQUIRE(::chmod(directory.c_str(), 0700) == 0);
  CHECK(status == 0);
  CHECK(!std::filesystem::exists(scratch / "new"));
  CHECK(Palace::open(directory).value().verify().value().damage.empty());
}
