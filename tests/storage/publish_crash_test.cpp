// Publishing segments through the manifest while the simulated machine fails in every way.
#include <catch2/catch.hpp>

#include <optional>

#include "storage/codec.hpp"
#include "storage/manifest.hpp"
#include "storage/segment.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using namespace aeon::storage;
using aeon::test::PowerCut;
using aeon::test::SimCall;
using aeon::test::SimOs;

namespace {

const std::string kPalaceDirectory = "/palace";
constexpr PalaceUuid kPalace{3, 4};
constexpr std::uint64_t kKept = 3;  // segments named at a time; older ones are unlinked

std::string segment_text(std::uint64_t number) {
  std::string text;
  while (text.size() < 9000) text += "segment " + std::to_string(number) + " ";
  return text;
}

Result<SegmentInfo> write_segment(Os& os, std::uint64_t number) {
  AEON_ASSIGN(const auto writer, SegmentWriter::create(os, kPalaceDirectory, kPalace,
                                                       FileKind::segment, number, number, number));
  AEON_TRY(writer->begin_section(SectionKind::run_blocks));
  AEON_TRY(writer->append(as_bytes(segment_text(number))));
  AEON_TRY(writer->end_section(1));
  return writer->finish();
}

// What the storage floor promised so far. `attempted` may have become durable without an ack.
struct Promise {
  std::optional<ManifestState> acked;
  std::optional<ManifestState> attempted;
};

// One publication: segment, sync, directory, manifest record, and only then unlinking.
Status publish(Os& os, Manifest& manifest, Promise& promise) {
  ManifestState next = manifest.state();
  const std::uint64_t number = next.next_file++;
  const std::string path = kPalaceDirectory + "/" + file_name("seg", number);
  if (os.exists(path)) AEON_TRY(os.unlink(path));  // an orphan of a crash
  AEON_ASSIGN(const SegmentInfo info, write_segment(os, number));
  AEON_TRY(os.sync_directory(kPalaceDirectory));
  next.segments.push_back(info);
  next.settled_commit = number;
  std::optional<SegmentInfo> retired;
  if (next.segments.size() > kKept) {
    retired = next.segments.front();
    next.segments.erase(next.segments.begin());
  }
  next.sequence = manifest.state().sequence + 1;
  promise.attempted = next;
  AEON_TRY(manifest.append(next));
  promise.acked = next;
  if (retired) AEON_TRY(os.unlink(kPalaceDirectory + "/" + file_name("seg", retired->number)));
  return {};
}

Result<Manifest> create_palace(Os& os, Promise& promise) {
  AEON_TRY(os.make_directory(kPalaceDirectory));
  AEON_TRY(os.sync_directory("/"));
  ManifestState first;
  first.palace = kPalace;
  first.sequence = 1;
  promise.attempted = first;
  AEON_ASSIGN(auto manifest, Manifest::create(os, kPalaceDirectory, first));
  promise.acked = first;
  return manifest;
}

// Creation, then publications by one process, with a second one that takes over at times.
Status run_workload(SimOs& os, Promise& promise, int publications) {
  AEON_ASSIGN(auto first, create_palace(os, promise));
  const auto door = os.another_process();
  AEON_ASSIGN(auto second, Manifest::open(*door, kPalaceDirectory, false));
  for (int i = 0; i < publications; ++i) {
    Manifest& writer = i % 4 == 2 ? second : first;
    AEON_TRY(writer.refresh());
    AEON_TRY(publish(os, writer, promise));
  }
  return {};
}

std::string describe(const Status& status) {
  return status ? "ok" : std::string(errc_name(status.error().code)) + " " + status.error().message;
}

// Empty when what is on the machine keeps the promise; else the reason.
std::string broken_promise(SimOs& os, const Promise& promise) {
  const auto manifest = Manifest::open(os, kPalaceDirectory, true);
  if (!manifest) {
    if (!promise.acked && manifest.error().code == Errc::not_a_palace) return "";
    return "open: " + manifest.error().message;
  }
  const ManifestState& state = manifest->state();
  if (state != promise.acked && state != promise.attempted) {
    return "unknown state, sequence " + std::to_string(state.sequence);
  }
  for (const SegmentInfo& info : state.segments) {
    const auto segment = Segment::open(os, kPalaceDirectory, kPalace, FileKind::segment, info);
    if (!segment) return "segment: " + segment.error().message;
    const Section& section = (*segment)->sections()[0];
    const auto text = (*segment)->read(section.offset, section.bytes);
    if (!text || as_view(*text) != segment_text(info.number)) return "segment text differs";
    if (!(*segment)->scrub().empty()) return "scrub found damage";
  }
  return "";
}

// The promise holds, work can resume, and what is acknowledged then survives losing the rest.
std::string check_and_resume(SimOs& os, Promise promise) {
  if (std::string why = broken_promise(os, promise); !why.empty()) return why;
  auto manifest = Manifest::open(os, kPalaceDirectory, false);
  if (!manifest) return "";
  if (const Status status = publish(os, *manifest, promise); !status) {
    return "resume: " + describe(status);
  }
  promise.attempted = promise.acked;
  const auto later = os.power_cut_keeping(0);
  return broken_promise(*later, promise);
}

PowerCut policy_of(std::uint64_t seed) {
  return {.tear = seed % 4 != 0, .reorder_directory = seed % 3 == 0, .shred = seed % 5 == 0};
}

}  // namespace

TEST_CASE("publication survives a power cut before every I/O in every sampled shape") {
  SimOs os(1);
  Promise promise;
  std::uint64_t states = 0;
  os.observe([&](std::uint64_t io) {
    for (std::uint64_t i = 0; i < 20; ++i) {
      const std::uint64_t seed = io * 1000 + i;
      const auto after = os.power_cut(seed, policy_of(seed));
      const std::string why = check_and_resume(*after, promise);
      ++states;
      if (why.empty()) continue;
      INFO("I/O " << io << " seed " << seed << ": " << why);
      REQUIRE(why.empty());
    }
  });
  const Status status = run_workload(os, promise, 12);
  INFO(describe(status));
  REQUIRE(status);
  CHECK(states > 2000);
}

TEST_CASE("publication survives every subset of few pending items") {
  SimOs os(2);
  Promise promise;
  std::uint64_t states = 0;
  os.observe([&](std::uint64_t io) {
    const std::size_t items = os.pending_items();
    if (items > 8) return;
    for (std::uint64_t mask = 0; mask < (std::uint64_t{1} << items); ++mask) {
      const std::string why = check_and_resume(*os.power_cut_keeping(mask), promise);
      ++states;
      if (why.empty()) continue;
      INFO("I/O " << io << " mask " << mask << ": " << why);
      REQUIRE(why.empty());
    }
  });
  REQUIRE(run_workload(os, promise, 6));
  CHECK(states > 100);
}

TEST_CASE("publication survives the death of all processes at every I/O") {
  for (std::uint64_t n = 0;; ++n) {
    SimOs os(3);
    os.crash_at(n);
    Promise promise;
    const Status status = run_workload(os, promise, 6);
    if (status) break;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      const auto after = os.process_death(seed);
      const std::string why = check_and_resume(*after, promise);
      const auto cut = os.power_cut(seed, policy_of(seed));
      const std::string why_cut = check_and_resume(*cut, promise);
      if (why.empty() && why_cut.empty()) continue;
      INFO("crash at " << n << " seed " << seed << ": " << why << " / " << why_cut);
      REQUIRE(false);
    }
    REQUIRE(n < 1000);
  }
}

TEST_CASE("recovery survives crashes of its own") {
  SimOs os(4);
  Promise promise;
  os.observe([&](std::uint64_t io) {
    for (std::uint64_t n = 0; n < 12; ++n) {
      const std::uint64_t seed = io * 100 + n;
      const auto once = os.power_cut(seed, policy_of(seed));
      Promise inner = promise;
      once->crash_at(n);
      if (auto manifest = Manifest::open(*once, kPalaceDirectory, false)) {
        inner.acked = inner.attempted = manifest->state();
        static_cast<void>(publish(*once, *manifest, inner));
      }
      const auto twice = once->power_cut(seed + 7, policy_of(seed + 1));
      const std::string why = check_and_resume(*twice, inner);
      if (why.empty()) continue;
      INFO("I/O " << io << " inner " << n << ": " << why);
      REQUIRE(why.empty());
    }
  });
  REQUIRE(run_workload(os, promise, 6));
}

TEST_CASE("every failing call is an error that leaves the promise intact") {
  std::uint64_t fired = 0;
  for (const SimCall call : {SimCall::open, SimCall::create, SimCall::read, SimCall::write,
                             SimCall::sync, SimCall::map, SimCall::rename, SimCall::unlink,
                             SimCall::make_directory, SimCall::sync_directory, SimCall::list}) {
    for (const int code : {EIO, ENOSPC}) {
      for (const bool for_ever : {false, true}) {
        for (std::uint64_t skip = 0;; ++skip) {
          SimOs os(5 + skip);
          Promise promise;
          os.inject({.call = call, .skip = skip, .os_errno = code, .for_ever = for_ever});
          const Status status = run_workload(os, promise, 6);
          if (os.faults_fired() == 0) break;
          ++fired;
          os.clear_faults();
          for (std::uint64_t seed = 0; seed < 6; ++seed) {
            const auto after = os.power_cut(seed, policy_of(seed));
            const std::string why = check_and_resume(*after, promise);
            const std::string why_alive = broken_promise(*os.process_death(), promise);
            if (why.empty() && why_alive.empty()) continue;
            INFO("call " << static_cast<int>(call) << " errno " << code << " skip " << skip
                         << " seed " << seed << ": " << why << " / " << why_alive << " after "
                         << describe(status));
            REQUIRE(false);
          }
        }
      }
    }
  }
  CHECK(fired > 300);
}

TEST_CASE("a full disk refuses the record and the same manifest goes on when there is room") {
  for (std::uint64_t spare = 0; spare < 20'000; spare += 500) {
    SimOs os(6 + spare);
    Promise promise;
    auto manifest = create_palace(os, promise);
    REQUIRE(manifest);
    REQUIRE(publish(os, *manifest, promise));
    os.set_capacity(os.used_bytes() + spare);
    ManifestState next = manifest->state();
    next.engine_state = std::string(15'000, 'e');
    const Status refused = manifest->append(next);
    if (refused) {
      CHECK(spare >= 15'000);
      continue;
    }
    CHECK(refused.error().code == Errc::disk_full);
    CHECK(manifest->state() == *promise.acked);
    os.set_capacity(std::numeric_limits<std::uint64_t>::max());
    next.engine_state = "smaller than what the refused record left behind";
    REQUIRE(manifest->append(next));
    const auto after = os.power_cut_keeping(0);
    const auto reopened = Manifest::open(*after, kPalaceDirectory, true);
    REQUIRE(reopened);
    CHECK(reopened->state() == manifest->state());
    CHECK(reopened->recovery_note().bytes == 0);
  }
}

TEST_CASE("after a failed sync a manifest takes no more, and the next process starts clean") {
  SimOs os(7);
  Promise promise;
  auto first = create_palace(os, promise);
  REQUIRE(first);
  REQUIRE(publish(os, *first, promise));
  const auto door = os.another_process();
  auto second = Manifest::open(*door, kPalaceDirectory, false);
  REQUIRE(second);

  ManifestState lost = first->state();
  lost.settled_commit = 1000;
  os.inject({.call = SimCall::sync});
  CHECK(first->append(lost).error().code == Errc::io_error);
  const Status poisoned = first->append(lost);
  REQUIRE_FALSE(poisoned);
  CHECK(poisoned.error().code == Errc::read_only);
  CHECK(poisoned.error().message.find("sync /palace/manifest-000001") != std::string::npos);

  // The page cache still shows the record, so another process builds on it; what it adds must not
  // hang on bytes that never reached the disk.
  REQUIRE(second->refresh().value());
  REQUIRE(publish(*door, *second, promise));
  promise.attempted = promise.acked;
  const auto after = os.power_cut_keeping(0);
  CHECK(broken_promise(*after, promise).empty());
}

TEST_CASE("opening does not believe what a failed sync left in the cache") {
  SimOs os(8);
  Promise promise;
  auto manifest = create_palace(os, promise);
  REQUIRE(manifest);
  REQUIRE(publish(os, *manifest, promise));
  ManifestState lost = manifest->state();
  lost.settled_commit = 1000;
  os.inject({.call = SimCall::sync});
  CHECK_FALSE(manifest->append(lost));
  CHECK(Manifest::open(os, kPalaceDirectory, true)->state() == *promise.acked);
}
