// LogReader over arbitrary bytes. The input is a small program: the first byte says which sums are
// put right before reading, so that the fuzzer gets behind them; the rest are the bytes of log-1,
// and behind the first kSplit bytes those of log-2.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "storage/codec.hpp"
#include "tests/sim/sim_os.hpp"
#include "wal/frame.hpp"
#include "wal/log_reader.hpp"
#include "wal/log_writer.hpp"

using namespace aeon;

namespace {

constexpr storage::PalaceUuid kPalace{0x1234, 0x5678};
constexpr std::size_t kSplit = 24576;

void require(bool held) {
  if (!held) std::abort();
}

void mend_head(std::string& bytes, std::uint64_t number, bool whole) {
  if (bytes.size() < storage::kPageBytes) bytes.resize(storage::kPageBytes);
  auto head = storage::load<wal::LogHead>(bytes.data());
  head.palace = kPalace;
  head.number = number;
  head.flags &= wal::kHeadZeroFilled;
  head.file_bytes = (whole ? bytes.size() : head.file_bytes) & ~(wal::kBoundary - 1);
  std::array<std::byte, storage::kPageBytes> page;
  wal::encode_head(head, page);
  std::memcpy(bytes.data(), page.data(), page.size());
}

// Every place that carries a frame's magic gets sums that fit, so that lengths, numbers and chains
// are all that stands between the bytes and the reader.
void mend_frames(std::string& bytes, bool chained) {
  const auto head = storage::load<wal::LogHead>(bytes.data());
  storage::Hash128 chain = head.chain;
  for (std::size_t at = storage::kPageBytes; at + wal::kFrameHeaderBytes <= bytes.size(); at += 8) {
    auto frame = storage::load<wal::FrameHeader>(bytes.data() + at);
    if (frame.magic != wal::kFrameMagic) continue;
    wal::CommitHeader header = wal::commit_header_of(frame);
    header.payload_bytes = std::min(header.payload_bytes, wal::kMaxPayloadBytes);
    const std::size_t rest = bytes.size() - at - wal::kFrameHeaderBytes;
    if (header.payload_bytes <= rest) {
      header.payload_digest = wal::payload_digest(
          storage::as_bytes({bytes.data() + at + wal::kFrameHeaderBytes, header.payload_bytes}),
          header.payload_salt);
    }
    if (chained) header.chain = chain = wal::next_chain(chain, header);
    frame = wal::make_frame_header(static_cast<wal::FrameKind>(frame.kind), header, frame.durable,
                                   head.file_salt, at);
    std::memcpy(bytes.data() + at, &frame, sizeof frame);
  }
}

void put_file(storage::Os& os, const std::string& path, std::string_view bytes) {
  auto file = os.open_file(path, storage::OpenMode::create);
  require(file.has_value());
  require((*file)->write_at(storage::as_bytes(bytes), 0).has_value());
}

void read_all(storage::Os& os, const wal::LogPlace& place, const wal::LogPosition& start) {
  auto reader = wal::LogReader::open(os, place, start);
  if (!reader) return;
  std::uint64_t expected = start.next_commit;
  while (true) {
    const auto frame = (*reader)->next();
    if (!frame) return;
    if (!*frame) break;
    require((*frame)->payload.size() == (*frame)->header.payload_bytes);
    if ((*frame)->kind == wal::FrameKind::commit) {
      require((*frame)->header.commit == expected++);
    }
  }
  const auto end = (*reader)->examine_end();
  if (!end || end->kind == wal::LogEndKind::damaged) return;
  // What can be written to is read back the same, with the tail cut for good.
  auto writer = wal::LogWriter::open(os, place, *end);
  if (!writer) return;
  require(!(*reader)->next().value_or(std::nullopt).has_value());
  const auto again = (*reader)->examine_end();
  require(!again || again->kind == wal::LogEndKind::end_of_log ||
          again->kind == wal::LogEndKind::clean_close);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::uint8_t mode = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  test::SimOs os(1);
  const wal::LogPlace place{"/p", kPalace};
  require(os.make_directory(place.directory).has_value());
  const std::string_view pieces[] = {rest.substr(0, kSplit),
                                     rest.substr(std::min(rest.size(), kSplit))};
  for (std::uint64_t number = 1; number <= 2; ++number) {
    std::string bytes(pieces[number - 1]);
    if (number == 2 && bytes.empty()) break;
    if ((mode & 1) != 0) mend_head(bytes, number, (mode & 16) != 0);
    if ((mode & 2) != 0 && bytes.size() >= storage::kPageBytes) mend_frames(bytes, (mode & 4) != 0);
    put_file(os, wal::log_path(place.directory, number), bytes);
  }
  const auto start = wal::LogReader::start_of(os, place, 1);
  if (start) read_all(os, place, *start);
  // A position from a file that lies.
  if ((mode & 8) != 0 && rest.size() >= sizeof(wal::LogPosition)) {
    auto position =
        storage::load<wal::LogPosition>(rest.data() + rest.size() - sizeof(wal::LogPosition));
    position.log = 1;
    position.file_salt = 0;
    read_all(os, place, position);
  }
  return 0;
}
