// Repair: of a palace with nothing damaged it saves everything; with a page damaged, or a file
// missing, everything that the damage did not reach, and each loss is reported.
#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <set>

#include <fmt/format.h>

#include "engine/palace.hpp"
#include "tests/model/batch_maker.hpp"
#include "tests/model/model.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using aeon::test::Model;
using aeon::test::SimOs;

namespace {

const std::string kPalace = "/palace";
const std::string kSaved = "/saved";
constexpr std::uint64_t kPage = 4096;

OpenOptions on(SimOs& os, bool read_only = false) {
  OpenOptions options;
  options.read_only = read_only;
  options.background = false;
  options.os = &os;
  return options;
}

// What a memory says by itself, and what names, spaces and rows add to it.
struct Row {
  std::string own;
  std::string rest;
  friend bool operator==(const Row&, const Row&) = default;
};

Row row_of(const Snapshot& snapshot, MemoryId id) {
  Memory memory;
  if (!snapshot.get(id, memory, true)) return {};
  Row row;
  row.own = fmt::format("{}|{}|{}|{}|{}|{}|{}", memory.key, memory.content, memory.metadata,
                        memory.event_time, memory.valid_from, memory.valid_to, memory.importance);
  row.rest = fmt::format("{}|{}|{}", memory.tenant, memory.session, memory.kind);
  for (const Memory::Vector& vector : memory.vectors) {
    row.rest += fmt::format("|{}", vector.space);
    for (const float value : vector.values) row.rest += fmt::format(",{}", value);
  }
  return row;
}

// Everything that a palace says, by memory and by edge.
struct Said {
  std::map<MemoryId, Row> memories;
  std::set<std::string> edges;
};

Said said_by(const Palace& palace) {
  Said said;
  const Snapshot snapshot = palace.snapshot();
  std::vector<MemoryId> ids;
  REQUIRE(snapshot.list(0, SIZE_MAX, ids).has_value());
  std::vector<Edge> edges;
  for (const MemoryId id : ids) {
    said.memories[id] = row_of(snapshot, id);
    REQUIRE(snapshot.neighbours(id, Direction::out, "", SIZE_MAX, edges).has_value());
    for (const Edge& edge : edges) {
      if (edge.type == "next") continue;  // follows from the order of events
      said.edges.insert(fmt::format("{}-{}-{}*{}/{}", edge.from, edge.type, edge.to, edge.weight,
                                    edge.valid_from));
    }
  }
  return said;
}

// A palace with several segments, blob files and a log with commits that are not settled.
void write_palace(SimOs& os, std::uint64_t seed, bool close) {
  std::mt19937_64 random(seed);
  test::BatchMaker maker(seed, {.memories = 60, .refused_in = 0, .large_in = 10});
  auto palace = Palace::create(kPalace, maker.spaces(), on(os));
  REQUIRE(palace.has_value());
  Batch batch;
  const auto made_spaces = palace->snapshot().spaces().value();
  for (const SpaceSpec& spec : made_spaces) batch.create_space(spec);
  Model model;
  REQUIRE(model.apply(batch, 1, 0).has_value());
  for (int step = 0; step < 90; ++step) {
    batch = maker.next(model);
    const Batch told = batch;
    const auto ack = palace->commit(std::move(batch), Durability::process);
    if (ack) REQUIRE(model.apply(told, ack->commit, ack->time).has_value());
    if (step % 25 == 20) REQUIRE(palace->checkpoint().has_value());
    model.commit = palace->snapshot().commit();
  }
  if (close) REQUIRE(palace->close().has_value());
}

std::map<std::string, std::string> bytes_of(SimOs& os, const std::string& directory) {
  std::map<std::string, std::string> files;
  const auto names = os.list_directory(directory).value();
  for (const std::string& name : names) files[name] = os.contents(directory + "/" + name);
  return files;
}

void check_whole(const Palace& palace) {
  const auto report = palace.verify();
  REQUIRE(report.has_value());
  for (const Damage& damage : report->damage) UNSCOPED_INFO(damage.file << ": " << damage.what);
  REQUIRE(report->damage.empty());
}

struct Saved {
  Said said;
  RepairReport report;
};

Saved repair(SimOs& os) {
  const auto before = bytes_of(os, kPalace);
  auto report = Palace::repair(kPalace, kSaved, on(os));
  INFO((report ? std::string() : report.error().message));
  REQUIRE(report.has_value());
  REQUIRE(bytes_of(os, kPalace) == before);
  const auto palace = Palace::open(kSaved, on(os));
  REQUIRE(palace.has_value());
  check_whole(*palace);
  return {said_by(*palace), std::move(*report)};
}

// How many memories are gone, or say something else by themselves.
std::size_t differences(const Said& was, const Said& is) {
  std::size_t count = 0;
  for (const auto& [id, row] : was.memories) {
    const auto at = is.memories.find(id);
    count += at == is.memories.end() || at->second.own != row.own ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("of an undamaged palace repair saves everything and loses nothing") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    SimOs os(seed);
    write_palace(os, seed, seed % 2 == 0);
    const auto palace = Palace::open(kPalace, on(os, true));
    REQUIRE(palace.has_value());
    const Said was = said_by(*palace);
    const std::uint64_t hash = palace->snapshot().state_hash().value();
    const Saved saved = repair(os);
    for (const Damage& loss : saved.report.losses) UNSCOPED_INFO(loss.file << ": " << loss.what);
    REQUIRE(saved.report.losses.empty());
    REQUIRE(saved.said.memories == was.memories);
    REQUIRE(saved.said.edges == was.edges);
    REQUIRE(saved.report.memories == was.memories.size());
    auto again = Palace::open(kSaved, on(os));
    REQUIRE(again->snapshot().state_hash().value() == hash);
    // Ids go on behind all that were ever given.
    Batch batch;
    batch.remember({.content = "new"});
    const MemoryId id = again->commit(std::move(batch)).value().ids[0];
    auto original = Palace::open(kPalace, on(os));
    Batch same;
    same.remember({.content = "new"});
    CHECK(id == original->commit(std::move(same)).value().ids[0]);
  }
}

TEST_CASE("whatever page is damaged, the rest is saved and the loss is reported") {
  std::map<std::string, int> kinds;
  std::uint64_t damaged = 0;
  std::uint64_t silent = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SimOs original(seed);
    write_palace(original, seed, true);
    Said was;
    {
      const auto palace = Palace::open(kPalace, on(original, true));
      REQUIRE(palace.has_value());
      was = said_by(*palace);
    }
    std::mt19937_64 random(seed);
    const auto files = bytes_of(original, kPalace);
    for (const auto& [name, bytes] : files) {
      if (name == "control") continue;
      const std::uint64_t pages = bytes.size() / kPage;
      for (std::uint64_t page = 0; page < pages; ++page) {
        const bool used = bytes.find_first_not_of('\0', page * kPage) < (page + 1) * kPage;
        const bool edge = page < 3 || page + 4 > pages;
        if (!used || (!edge && random() % 3 != 0)) continue;
        CAPTURE(seed, name, page, pages);
        const auto os = original.process_death();
        for (std::uint64_t at = 0; at < kPage; at += 64) {
          os->corrupt(kPalace + "/" + name, page * kPage + at, std::byte{0x5a});
        }
        ++damaged;
        ++kinds[name.substr(0, name.find('-'))];
        const Saved saved = repair(*os);
        for (const Damage& loss : saved.report.losses) {
          UNSCOPED_INFO("loss: " << loss.file << ": " << loss.what);
        }
        const std::size_t other = differences(was, saved.said);
        // One page never costs more than half of what several files hold.
        REQUIRE(other * 2 <= was.memories.size());
        const bool lost = saved.said.memories != was.memories || saved.said.edges != was.edges;
        if (lost) REQUIRE_FALSE(saved.report.losses.empty());
        silent += saved.report.losses.empty() ? 1 : 0;
      }
    }
  }
  CHECK(kinds.size() >= 4);  // segments, blobs, logs, manifests
  CHECK(damaged > 60);
  CHECK(silent > 0);  // sums, links, headers and the like carry nothing that is missed
  WARN(damaged << " damaged pages, " << silent << " of them without a loss");
}

TEST_CASE("a missing file costs what only it held, a missing manifest nothing") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SimOs original(seed);
    write_palace(original, seed, true);
    Said was;
    {
      const auto palace = Palace::open(kPalace, on(original, true));
      was = said_by(*palace);
    }
    const auto files = bytes_of(original, kPalace);
    for (const auto& [name, bytes] : files) {
      CAPTURE(seed, name);
      const auto os = original.process_death();
      REQUIRE(os->unlink(kPalace + "/" + name).has_value());
      const Saved saved = repair(*os);
      for (const Damage& loss : saved.report.losses) {
        UNSCOPED_INFO("loss: " << loss.file << ": " << loss.what);
      }
      const bool lost = saved.said.memories != was.memories || saved.said.edges != was.edges;
      if (lost) REQUIRE_FALSE(saved.report.losses.empty());
      if (name.starts_with("manifest") || name.starts_with("control") ||
          name.starts_with("spare")) {
        REQUIRE_FALSE(lost);
        REQUIRE(saved.report.losses.empty());
      }
    }
  }
}

TEST_CASE("what can't be repaired, and where to, is refused by name") {
  SimOs os(1);
  const auto code = [&](const std::string& from, const std::string& to) {
    const auto done = Palace::repair(from, to, on(os));
    return done ? Errc{} : done.error().code;
  };
  CHECK(code("", "/x") == Errc::invalid_argument);
  CHECK(code("/nothing", "/x") == Errc::not_found);
  REQUIRE(os.make_directory("/empty").has_value());
  CHECK(code("/empty", "/x") == Errc::not_a_palace);
  write_palace(os, 1, true);
  CHECK(code(kPalace, kPalace) == Errc::invalid_argument);
  CHECK(code(kPalace, kPalace + "/inside") == Errc::invalid_argument);
  REQUIRE(os.make_directory("/full").has_value());
  REQUIRE(os.open_file("/full/something", storage::OpenMode::create).has_value());
  CHECK(code(kPalace, "/full") == Errc::already_exists);
  {
    const auto open = Palace::open(kPalace, on(os));
    CHECK(code(kPalace, "/x") == Errc::busy);
  }
  CHECK_FALSE(os.exists("/x"));
  CHECK(code(kPalace, "/empty") == Errc{});
  CHECK(code(kPalace, "/empty") == Errc::already_exists);
}
