#include "storage/blob_reader.hpp"

#include <fmt/format.h>
#include <zstd.h>

#include <cassert>
#include <cstring>
#include <exception>

namespace aeon::storage {

namespace format = blob_format;

namespace {

// The smallest zstd block, 4 bytes, gives at most 128 KiB: no honest frame grows more than this.
constexpr std::uint64_t kMostGrowth = (std::uint64_t{128} << 10) / 4;

struct FreeDictionary {
  void operator()(ZSTD_DDict* dictionary) const noexcept { ZSTD_freeDDict(dictionary); }
};
struct FreeContext {
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

// One context a thread, about 160 KiB, freed with the thread. Null without memory.
ZSTD_DCtx* thread_context() noexcept {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  return context.get();
}

// Sets the size without writing the bytes first. False without memory. The operation answers with
// our size, since GCC 12's library hands it the capacity where the string had to grow.
bool resize_raw(std::string& out, std::size_t size) noexcept {
  try {
    out.resize_and_overwrite(size, [size](char*, std::size_t) noexcept { return size; });
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

struct BlobReader::State {
  std::shared_ptr<const Segment> segment;
  std::uint64_t base = 0;   // of the section, in the file
  std::uint64_t bytes = 0;  // of the section, without the closing
  std::uint32_t generation = 0;
  std::unique_ptr<ZSTD_DDict, FreeDictionary> dictionary;

  // What a record's checks answer: its parts, in the mapping.
  struct Record {
    std::span<const std::byte> stored;
    std::uint64_t content_hash = 0;
  };

  [[nodiscard]] std::unexpected<Error> damaged(std::uint64_t offset, std::string_view what) const {
    return fail(Errc::damaged, fmt::format("{}: the record at offset {}: {}", segment->path(),
                                           base + offset, what));
  }

  [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t count) const noexcept {
    return offset <= bytes && count <= bytes - offset;
  }

  // The header at `offset` if it lies in the section, is intact and fits there.
  [[nodiscard]] std::optional<format::RecordHeader> header_at(std::uint64_t offset) const noexcept {
    if (offset % format::kAlignment != 0 || !holds(offset, sizeof(format::RecordHeader))) return {};
    const std::byte* at = segment->checked(base + offset, sizeof(format::RecordHeader));
    if (at == nullptr || load<std::uint32_t>(at) != format::kRecordMagic) return {};
    const auto header = load<format::RecordHeader>(at);
    if (header.sum != format::sum_of(header, segment->info().number, offset)) return {};
    if (!format::plausible(header.flags, header.raw_bytes, header.stored_bytes)) return {};
    if (!holds(offset, format::record_bytes(header.flags, header.stored_bytes))) return {};
    return header;
  }

  [[nodiscard]] Result<Record> locate(const BlobRef& ref) const;
  [[nodiscard]] Status decompress(const BlobRef& ref, std::span<const std::byte> stored,
                                  std::string& out) const;
  [[nodiscard]] Status check_hash(const BlobRef& ref, const Record& record,
                                  std::span<const std::byte> payload) const;
  void read_closing();
  [[nodiscard]] bool load_dictionary(std::uint64_t offset);
};

Result<BlobReader::State::Record> BlobReader::State::locate(const BlobRef& ref) const {
  if (ref.file != segment->info().number) {
    return fail(Errc::invalid_argument,
                fmt::format("{}: the reference is into blob-{}", segment->path(), ref.file));
  }
  const auto header = header_at(ref.offset);
  if (!header) return damaged(ref.offset, "no intact header stands there");
  if (header->flags != ref.flags || header->raw_bytes != ref.raw_bytes ||
      header->stored_bytes != ref.stored_bytes) {
    return damaged(ref.offset, "its header is not what the reference says");
  }
  const std::uint64_t body = ref.offset + sizeof(format::RecordHeader);
  Record record{.stored = {}, .content_hash = header->content_hash};
  AEON_ASSIGN(record.stored, segment->read(base + body, ref.stored_bytes));
  if ((ref.flags & kBlobStreamed) != 0) {
    const std::uint64_t behind = body + format::padded(ref.stored_bytes);
    AEON_ASSIGN(const auto bytes, segment->read(base + behind, sizeof(format::RecordTrailer)));
    const auto trailer = load<format::RecordTrailer>(bytes.data());
    if (trailer.sum != format::sum_of(trailer, ref.file, behind)) {
      return damaged(ref.offset, "its trailer does not match its sum");
    }
    record.content_hash = trailer.content_hash;
  }
  return record;
}

Status BlobReader::State::decompress(const BlobRef& ref, std::span<const std::byte> stored,
                                     std::string& out) const {
  const bool with_dictionary = blob_encoding(ref.flags) == BlobEncoding::zstd_dictionary;
  if (with_dictionary && !dictionary) {
    return damaged(ref.offset, "both copies of the dictionary that it needs are damaged");
  }
  // Before a byte is allocated, the frame must agree with the header about the size.
  if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != ref.raw_bytes ||
      ref.raw_bytes / kMostGrowth > stored.size()) {
    return damaged(ref.offset, "its compressed bytes do not hold as much as its header says");
  }
  ZSTD_DCtx* context = thread_context();
  if (context == nullptr || !resize_raw(out, ref.raw_bytes)) {
    return fail(Errc::no_memory, fmt::format("{}: no memory to decompress {} bytes",
                                             segment->path(), ref.raw_bytes));
  }
  const std::size_t size =
      with_dictionary
          ? ZSTD_decompress_usingDDict(context, out.data(), out.size(), stored.data(),
                                       stored.size(), dictionary.get())
          : ZSTD_decompressDCtx(context, out.data(), out.size(), stored.data(), stored.size());
  if (ZSTD_isError(size) || size != ref.raw_bytes) {
    return damaged(ref.offset, "its compressed bytes do not decompress");
  }
  return {};
}

Status BlobReader::State::check_hash(const BlobRef& ref, const Record& record,
                                     std::span<const std::byte> payload) const {
  if (blob_content_hash(payload) == record.content_hash) return {};
  return damaged(ref.offset, "its payload does not match its hash");
}

// Leaves the defaults when the closing is damaged. The first copy of the dictionary is the first
// record; the second is where the closing says.
void BlobReader::State::read_closing() {
  const std::byte* at = segment->checked(base + bytes, sizeof(format::Closing));
  std::optional<format::Closing> closing;
  if (at != nullptr) {
    closing = load<format::Closing>(at);
    if (closing->magic != format::kClosingMagic ||
        closing->sum != format::sum_of(*closing, segment->info().number, bytes)) {
      closing.reset();
    }
  }
  if (closing) generation = closing->generation;
  if (closing && closing->dictionary_offset == format::kNoDictionary) return;
  if (load_dictionary(0) || !closing) return;
  (void)load_dictionary(closing->dictionary_offset);  // records that need it will say so
}

bool BlobReader::State::load_dictionary(std::uint64_t offset) {
  const auto header = header_at(offset);
  if (!header || (header->flags & kBlobDictionary) == 0) return false;
  const BlobRef ref{segment->info().number, offset, header->flags, header->raw_bytes,
                    header->stored_bytes};
  const auto record = locate(ref);
  if (!record || !check_hash(ref, *record, record->stored)) return false;
  dictionary.reset(ZSTD_createDDict(record->stored.data(), record->stored.size()));
  return dictionary != nullptr;
}

BlobReader::BlobReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
BlobReader::~BlobReader() = default;

Result<std::shared_ptr<const BlobReader>> BlobReader::open(std::shared_ptr<const Segment> segment) {
  assert(segment != nullptr);
  const Section* section = segment->find(SectionKind::blob_records);
  if (section == nullptr || section->bytes < sizeof(format::Closing)) {
    return fail(Errc::damaged,
                fmt::format("{}: the file has no section of blobs", segment->path()));
  }
  auto state = std::make_unique<State>();
  state->base = section->offset;
  state->bytes = section->bytes - sizeof(format::Closing);
  state->segment = std::move(segment);
  state->read_closing();
  return std::shared_ptr<const BlobReader>(new BlobReader(std::move(state)));
}

Result<std::span<const std::byte>> BlobReader::view(const BlobRef& ref) const {
  AEON_ASSIGN(const State::Record record, state_->locate(ref));
  if (blob_encoding(ref.flags) != BlobEncoding::raw) {
    return fail(Errc::invalid_argument,
                fmt::format("{}: the payload at offset {} is compressed; use read",
                            state_->segment->path(), state_->base + ref.offset));
  }
  return record.stored;
}

Status BlobReader::read(const BlobRef& ref, std::string& out) const {
  const State& s = *state_;
  out.clear();
  AEON_ASSIGN(const State::Record record, s.locate(ref));
  Status status;
  if (blob_encoding(ref.flags) != BlobEncoding::raw) {
    status = s.decompress(ref, record.stored, out);
  } else if (resize_raw(out, record.stored.size())) {
    std::memcpy(out.data(), record.stored.data(), record.stored.size());
  } else {
    status = fail(Errc::no_memory, fmt::format("{}: no memory for a payload of {} bytes",
                                               s.segment->path(), ref.raw_bytes));
  }
  if (status) status = s.check_hash(ref, record, as_bytes(out));
  if (!status) out.clear();
  return status;
}

Status BlobReader::verify(const BlobRef& ref, std::string& scratch) const {
  if (blob_encoding(ref.flags) != BlobEncoding::raw) return read(ref, scratch);
  AEON_ASSIGN(const State::Record record, state_->locate(ref));
  return state_->check_hash(ref, record, record.stored);
}

const Segment& BlobReader::segment() const noexcept { return *state_->segment; }
std::uint32_t BlobReader::generation() const noexcept { return state_->generation; }
bool BlobReader::has_dictionary() const noexcept { return state_->dictionary != nullptr; }

Result<std::optional<BlobRef>> BlobCursor::next() {
  const BlobReader::State& s = *reader_.state_;
  while (offset_ < s.bytes) {
    const std::uint64_t offset = offset_;
    const auto header = s.header_at(offset);
    if (!header) {
      offset_ += format::kAlignment;
      if (lost_) continue;
      lost_ = true;
      return s.damaged(offset, "its header is damaged; going on at the next intact one");
    }
    lost_ = false;
    offset_ += format::record_bytes(header->flags, header->stored_bytes);
    if ((header->flags & kBlobDictionary) != 0) continue;
    return BlobRef{s.segment->info().number, offset, header->flags, header->raw_bytes,
                   header->stored_bytes};
  }
  return std::nullopt;
}

}  // namespace aeon::storage
