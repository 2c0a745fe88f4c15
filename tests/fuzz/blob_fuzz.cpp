// A blob file whose checksums are right around arbitrary records: every payload is as written or an
// error.
#include <cstdlib>
#include <string>

#include "storage/blob_reader.hpp"
#include "storage/codec.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using namespace aeon::storage;

namespace {

constexpr PalaceUuid kPalace{0x1234, 0x5678};

Result<SegmentInfo> write(Os& os, std::string_view records) {
  AEON_ASSIGN(auto writer, SegmentWriter::create(os, "/p", kPalace, FileKind::blob, 2, 1, 10));
  AEON_TRY(writer->begin_section(SectionKind::blob_records, blob_format::kAlignment));
  AEON_TRY(writer->append(as_bytes(records)));
  AEON_TRY(writer->end_section(1));
  return writer->finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string records(reinterpret_cast<const char*>(data), size);
  // Sums that fit wherever a record seems to begin, so that lengths and flags are what stands
  // between the bytes and the reader.
  for (std::size_t at = 0; at + sizeof(blob_format::RecordHeader) <= records.size(); at += 8) {
    auto header = load<blob_format::RecordHeader>(records.data() + at);
    if (header.magic != blob_format::kRecordMagic) continue;
    header.sum = blob_format::sum_of(header, 2, at);
    records.replace(at, sizeof header, reinterpret_cast<const char*>(&header), sizeof header);
  }
  test::SimOs os(1);
  if (!os.make_directory("/p")) std::abort();
  const auto info = write(os, records);
  if (!info) return 0;
  auto segment = Segment::open(os, "/p", kPalace, FileKind::blob, *info);
  if (!segment) std::abort();
  const auto reader = BlobReader::open(std::move(*segment));
  if (!reader) return 0;
  BlobCursor cursor(**reader);
  std::string out;
  for (int i = 0; i < 100; ++i) {
    const auto ref = cursor.next();
    if (!ref) continue;
    if (!*ref) break;
    (void)(*reader)->view(**ref);
    (void)(*reader)->verify(**ref, out);
    if ((*reader)->read(**ref, out) && out.size() != (*ref)->raw_bytes) std::abort();
  }
  // References from elsewhere, as a damaged record would give them.
  Decoder in(std::string_view(records).substr(0, 64));
  if (const auto ref = decode_blob_ref(in)) (void)(*reader)->read(*ref, out);
  return 0;
}
