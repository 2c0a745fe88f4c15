// Figures of the storage floor: writing, opening and checking a segment, and crash states per
// second of the simulated machine. One JSON line each. Argument: megabytes (64). The files go to
// TMPDIR.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "storage/codec.hpp"
#include "storage/manifest.hpp"
#include "storage/segment.hpp"
#include "tests/sim/sim_os.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;
using namespace aeon::storage;

namespace {

constexpr PalaceUuid kPalace{1, 2};

double seconds_since(std::int64_t start) {
  return static_cast<double>(real_os().monotonic_ns() - start) * 1e-9;
}

Result<SegmentInfo> write(const std::string& directory, std::uint64_t megabytes) {
  AEON_ASSIGN(const auto writer,
              SegmentWriter::create(real_os(), directory, kPalace, FileKind::segment, 1, 1, 1));
  AEON_TRY(writer->begin_section(SectionKind::run_blocks));
  std::vector<std::uint64_t> chunk(8 * 1024);
  std::mt19937_64 random(1);
  std::ranges::generate(chunk, random);
  for (std::uint64_t i = 0; i < megabytes * 16; ++i) {
    chunk[0] = i;
    AEON_TRY(writer->append(std::as_bytes(std::span(chunk))));
  }
  AEON_TRY(writer->end_section(1));
  return writer->finish();
}

// Nanoseconds per page of one pass of checked() over the data, page by page.
double check_pass(const Segment& segment, std::uint64_t& failures) {
  const Section& section = segment.sections()[0];
  const std::uint64_t pages = section.bytes / kPageBytes;
  const std::int64_t start = real_os().monotonic_ns();
  for (std::uint64_t i = 0; i < pages; ++i) {
    failures += segment.checked((i + 1) * kPageBytes, kPageBytes) == nullptr;
  }
  return seconds_since(start) * 1e9 / static_cast<double>(pages);
}

Status bench_segment(std::uint64_t megabytes) {
  const test::TempDirectory scratch;
  const std::int64_t write_start = real_os().monotonic_ns();
  AEON_ASSIGN(const SegmentInfo info, write(scratch.path(), megabytes));
  const double write_s = seconds_since(write_start);
  double open_us = 1e9;
  std::shared_ptr<const Segment> segment;
  for (int i = 0; i < 20; ++i) {
    segment.reset();
    const std::int64_t open_start = real_os().monotonic_ns();
    AEON_ASSIGN(segment,
                Segment::open(real_os(), scratch.path(), kPalace, FileKind::segment, info));
    open_us = std::min(open_us, seconds_since(open_start) * 1e6);
  }
  std::uint64_t failures = 0;
  const double first_ns = check_pass(*segment, failures);
  const double again_ns = check_pass(*segment, failures);
  const std::int64_t scrub_start = real_os().monotonic_ns();
  failures += segment->scrub().size();
  const double scrub_s = seconds_since(scrub_start);
  const double mib = static_cast<double>(info.bytes) / (1 << 20);
  fmt::print(
      "{{\"bench\":\"segment\",\"mib\":{:.0f},\"footer_sum\":\"{:016x}\",\"bad\":{},"
      "\"write_mib_s\":{:.0f},\"open_us\":{:.1f},\"first_touch_ns_per_page\":{:.0f},"
      "\"checked_ns_per_page\":{:.2f},\"scrub_mib_s\":{:.0f}}}\n",
      mib, info.footer_sum, failures, mib / write_s, open_us, first_ns, again_ns, mib / scrub_s);
  return {};
}

// A palace of a manifest and an unsynced record; each state is cut, opened and judged.
Status bench_crash_states() {
  test::SimOs os(1);
  AEON_TRY(os.make_directory("/p"));
  AEON_TRY(os.sync_directory("/"));
  ManifestState state;
  state.palace = kPalace;
  AEON_ASSIGN(auto manifest, Manifest::create(os, "/p", state));
  std::uint64_t states = 0;
  std::uint64_t newer = 0;
  const std::int64_t start = real_os().monotonic_ns();
  os.observe([&](std::uint64_t) {
    for (std::uint64_t seed = 0; seed < 20'000; ++seed, ++states) {
      const auto after = os.power_cut(seed);
      const auto opened = Manifest::open(*after, "/p", true);
      newer += opened && opened->state().sequence > manifest.state().sequence;
    }
  });
  AEON_TRY(manifest.append(state));
  fmt::print("{{\"bench\":\"crash_states\",\"states\":{},\"newer\":{},\"states_per_s\":{:.0f}}}\n",
             states, newer, static_cast<double>(states) / seconds_since(start));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t megabytes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 64;
  for (const Status& status : {bench_segment(megabytes), bench_crash_states()}) {
    if (status) continue;
    fmt::print(stderr, "{}\n", status.error().message);
    return 3;
  }
  return 0;
}
