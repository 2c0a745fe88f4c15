// A user who may read the palace's files and no more: nothing is written on his behalf, and he sees
// what writers do.
#include <catch2/catch.hpp>

#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/watched_os.hpp"

using namespace aeon;
namespace fs = std::filesystem;

namespace {

constexpr uid_t kNobody = 65534;

bool is_root() { return ::geteuid() == 0; }

// The child of a fork that may read and not write, and a talk with it, line by line.
class Reader {
 public:
  explicit Reader(const std::function<std::string(Reader&)>& work) {
    int down[2];
    int up[2];
    if (::pipe(down) != 0 || ::pipe(up) != 0) throw std::runtime_error("pipe");
    id_ = ::fork();
    if (id_ < 0) throw std::runtime_error("fork");
    from_ = id_ == 0 ? down[0] : up[0];
    to_ = id_ == 0 ? up[1] : down[1];
    ::close(id_ == 0 ? down[1] : down[0]);
    ::close(id_ == 0 ? up[0] : up[1]);
    if (id_ != 0) return;
    // Others than root get along with the modes of the files.
    const bool lowered = !is_root() || (::setgroups(0, nullptr) == 0 &&
                                        ::setresgid(kNobody, kNobody, kNobody) == 0 &&
                                        ::setresuid(kNobody, kNobody, kNobody) == 0);
    say(lowered ? work(*this) : "no rights could be given up");
    ::_exit(0);
  }
  ~Reader() {
    ::close(to_);
    ::close(from_);
    ::waitpid(id_, nullptr, 0);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void say(const std::string& text) {
    const std::string line = text + "\n";
    if (::write(to_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(1);
  }
  std::string hear() {
    std::string line;
    for (char c = 0; ::read(from_, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

 private:
  pid_t id_ = 0;
  int from_ = -1;
  int to_ = -1;
};

// What the hook of a reading palace hears besides opening files for reading.
struct Changes {
  std::string calls;
  test::WatchedOs os{[this](std::string_view call, const std::string& path) {
    if (call != "open") calls += std::string(call) + " " + path + "; ";
  }};
  OpenOptions options() {
    OpenOptions options;
    options.read_only = true;
    options.os = &os;
    return options;
  }
};

Result<Ack> remember(Palace& palace, const std::string& key) {
  NewMemory memory;
  memory.key = key;
  memory.content = "text of " + key + std::string(3000, '.');
  Batch batch;
  batch.remember(std::move(memory));
  return palace.commit(std::move(batch), Durability::process);
}

Palace make_palace(const std::string& directory) {
  OpenOptions options;
  options.background = false;
  Palace palace = Palace::create(directory, {}, options).value();
  for (const char* key : {"settled", "also-settled"}) REQUIRE(remember(palace, key).has_value());
  REQUIRE(palace.checkpoint().has_value());
  REQUIRE(remember(palace, "logged").has_value());
  return palace;
}

// Root's files are others' to read; anyone else's own files lose their owner's right to write.
void make_readable(const std::string& scratch) {
  fs::permissions(scratch, fs::perms(0755));
  for (const auto& entry : fs::recursive_directory_iterator(scratch)) {
    fs::permissions(entry.path(), fs::perms(entry.is_directory() ? 0755 : 0644));
  }
}

void take_rights(const std::string& directory) {
  for (const auto& entry : fs::directory_iterator(directory)) {
    fs::permissions(entry.path(), fs::perms(0444));
  }
  fs::permissions(directory, fs::perms(0555));
}

std::string read_all(Palace& palace, const std::vector<std::string>& keys) {
  const auto snapshot = palace.fresh_snapshot();
  if (!snapshot) return snapshot.error().message;
  Memory memory;
  for (const std::string& key : keys) {
    const auto id = snapshot->find_key("", key);
    if (!id) return key + ": " + id.error().message;
    if (const Status got = snapshot->get(*id, memory); !got) return got.error().message;
    if (!memory.content.starts_with("text of " + key)) return key + " has other content";
  }
  const auto report = palace.verify();
  if (!report) return report.error().message;
  return report->damage.empty() ? "" : report->damage[0].what;
}

std::string refuses_writes(Palace& palace) {
  const auto ack = remember(palace, "no");
  if (ack || ack.error().code != Errc::read_only) return "a commit was not refused";
  const Status settled = palace.checkpoint();
  if (settled || settled.error().code != Errc::read_only) return "a checkpoint was not refused";
  const auto stored = palace.store_payload(ContentType::text, "text");
  if (stored || stored.error().code != Errc::read_only) return "a payload was not refused";
  if (const auto stats = palace.stats(); !stats || !stats->read_only) return "stats do not say so";
  return "";
}

}  // namespace

TEST_CASE("a palace that its user may not write is read") {
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  const bool closed = GENERATE(true, false);  // else its log was not closed
  CAPTURE(closed);
  if (closed) {
    REQUIRE(make_palace(directory).close().has_value());
  } else {
    const Palace palace = make_palace(directory);
    fs::copy(directory, scratch / "copy", fs::copy_options::recursive);
  }
  const std::string place = closed ? directory : scratch / "copy";
  make_readable(scratch.path());
  take_rights(place);
  Reader reader([&](Reader&) -> std::string {
    Changes changes;
    auto palace = Palace::open(place, changes.options());
    if (!palace) return palace.error().message;
    std::string found = read_all(*palace, {"settled", "also-settled", "logged"});
    if (found.empty()) found = refuses_writes(*palace);
    if (found.empty() && !palace->close()) found = "close";
    return found.empty() ? changes.calls : found;
  });
  CHECK(reader.hear() == "");
  Reader writer([&](Reader&) -> std::string {
    const auto palace = Palace::open(place);
    if (palace) return "a palace was opened for writing";
    if (palace.error().code != Errc::no_permission) return palace.error().message;
    return palace.error().message.find(place) == std::string::npos ? palace.error().message : "";
  });
  CHECK(writer.hear() == "");
  fs::permissions(place, fs::perms(0755));
}

TEST_CASE("a user who may only read follows writers through checkpoints and recycled logs") {
  if (!is_root()) {
    WARN("skipped: needs two users");
    return;
  }
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  Palace palace = make_palace(directory);
  make_readable(scratch.path());
  Reader reader([&](Reader& parent) -> std::string {
    Changes changes;
    auto reading = Palace::open(directory, changes.options());
    if (!reading) return reading.error().message;
    const Snapshot held = reading->snapshot();
    const auto hash = held.state_hash();
    for (std::string key = parent.hear(); key != "end"; key = parent.hear()) {
      const std::string found = read_all(*reading, {"settled", "logged", key});
      if (!found.empty()) return found;
      parent.say("seen");
    }
    if (!hash || held.state_hash().value() != *hash) return "a held snapshot changed";
    return changes.calls;
  });
  for (int round = 0; round < 12; ++round) {
    CAPTURE(round);
    for (int i = 0; i < 120; ++i) REQUIRE(remember(palace, std::to_string(i)).has_value());
    const std::string key = "round-" + std::to_string(round);
    REQUIRE(remember(palace, key).has_value());
    if (round % 2 == 1) REQUIRE(palace.checkpoint().has_value());
    if (round % 6 == 5) REQUIRE(palace.compact().has_value());
    reader.say(key);
    REQUIRE(reader.hear() == "seen");
  }
  reader.say("end");
  CHECK(reader.hear() == "");
}

TEST_CASE("a file that its user may not even read is named") {
  const test::TempDirectory scratch;
  const std::string directory = scratch / "palace";
  REQUIRE(make_palace(directory).close().has_value());
  make_readable(scratch.path());
  for (const char* prefix : {"manifest-", "seg-", "log-"}) {
    CAPTURE(prefix);
    std::string hidden;
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().filename().string().starts_with(prefix)) hidden = entry.path();
    }
    fs::permissions(hidden, fs::perms(0));
    Reader reader([&](Reader&) -> std::string {
      OpenOptions options;
      options.read_only = true;
      const auto palace = Palace::open(directory, options);
      if (palace) return "the palace was opened";
      const Error& error = palace.error();
      const bool named = error.message.find(hidden) != std::string::npos;
      return error.code == Errc::no_permission && named ? "" : error.message;
    });
    CHECK(reader.hear() == "");
    fs::permissions(hidden, fs::perms(0644));
  }
}
