#include "storage/blob_writer.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <cassert>

#include "storage/blob_compressor.hpp"

namespace aeon::storage {

namespace format = blob_format;

namespace {

constexpr std::size_t kMaxDictionaryBytes = std::size_t{1} << 20;

struct FreeHash {
  void operator()(XXH3_state_t* state) const noexcept { XXH3_freeState(state); }
};

template <typename T>
std::span<const std::byte> bytes_of(const T& value) noexcept {
  return std::as_bytes(std::span(&value, 1));
}

std::unexpected<Error> too_large(std::uint64_t number, std::uint64_t bytes) {
  return fail(Errc::too_large, fmt::format("blob-{}: a payload of {} bytes is over the limit of {}",
                                           number, bytes, kMaxBlobBytes));
}

}  // namespace

struct BlobWriter::State {
  std::uint64_t number = 0;
  std::uint32_t generation = 0;
  std::string dictionary;
  std::unique_ptr<SegmentWriter> segment;
  std::unique_ptr<BlobCompressor> compressor;
  std::uint64_t records = 0;
  std::uint64_t written = 0;  // bytes of the section
  bool finished = false;

  // The stream under way.
  bool streaming = false;
  BlobRef stream;
  std::uint64_t stream_left = 0;
  std::unique_ptr<XXH3_state_t, FreeHash> stream_hash;

  [[nodiscard]] std::unexpected<Error> misuse(std::string_view what) const {
    return fail(Errc::invalid_argument, fmt::format("blob-{}: {}", number, what));
  }

  Status put(std::span<const std::byte> bytes) {
    AEON_TRY(segment->append(bytes));
    written += bytes.size();
    return {};
  }

  Status align() {
    static constexpr std::byte kZeros[format::kAlignment]{};
    return put({kZeros, static_cast<std::size_t>(format::padded(written) - written)});
  }

  Result<BlobRef> put_header(std::uint32_t flags, std::uint64_t raw_bytes,
                             std::uint64_t stored_bytes, std::uint64_t content_hash) {
    assert(written % format::kAlignment == 0);
    assert(format::plausible(flags, raw_bytes, stored_bytes));
    const BlobRef ref{number, written, flags, raw_bytes, stored_bytes};
    format::RecordHeader header{.magic = format::kRecordMagic,
                                .flags = flags,
                                .raw_bytes = raw_bytes,
                                .stored_bytes = stored_bytes,
                                .content_hash = content_hash,
                                .sum = 0};
    header.sum = format::sum_of(header, number, written);
    AEON_TRY(put(bytes_of(header)));
    ++records;
    return ref;
  }

  Result<BlobRef> put_record(std::uint32_t marks, std::span<const std::byte> payload,
                             const BlobCompressor::Stored& stored) {
    const std::uint32_t flags = static_cast<std::uint32_t>(stored.encoding) | marks;
    AEON_ASSIGN(const BlobRef ref,
                put_header(flags, payload.size(), stored.bytes.size(), blob_content_hash(payload)));
    AEON_TRY(put(stored.bytes));
    AEON_TRY(align());
    return ref;
  }

  // Answers where the dictionary stands.
  Result<std::uint64_t> put_dictionary() {
    if (dictionary.empty()) return format::kNoDictionary;
    const auto payload = as_bytes(dictionary);
    AEON_ASSIGN(const BlobRef ref,
                put_record(kBlobDictionary, payload, {BlobEncoding::raw, payload}));
    return ref.offset;
  }
};

BlobWriter::BlobWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
BlobWriter::~BlobWriter() = default;

Result<std::unique_ptr<BlobWriter>> BlobWriter::create(Os& os, const std::string& directory,
                                                       PalaceUuid palace, std::uint64_t number,
                                                       const BlobOptions& options) {
  auto state = std::make_unique<State>();
  State& s = *state;
  s.number = number;
  s.generation = options.generation;
  if (options.dictionary.size() > kMaxDictionaryBytes) {
    return s.misuse("the dictionary is over 1 MiB");
  }
  s.dictionary = options.dictionary;
  s.stream_hash.reset(XXH3_createState());
  if (!s.stream_hash) return fail(Errc::no_memory, "no memory for a hash");
  AEON_ASSIGN(s.compressor, BlobCompressor::create(options.dictionary));
  AEON_ASSIGN(s.segment, SegmentWriter::create(os, directory, palace, FileKind::blob, number,
                                               options.first_commit, options.last_commit));
  AEON_TRY(s.segment->begin_section(SectionKind::blob_records, format::kAlignment));
  AEON_TRY(s.put_dictionary());
  return std::unique_ptr<BlobWriter>(new BlobWriter(std::move(state)));
}

Result<BlobRef> BlobWriter::append(std::span<const std::byte> payload, Compression compression) {
  State& s = *state_;
  if (s.streaming || s.finished) return s.misuse("append while a stream is open or after finish");
  if (payload.size() > kMaxBlobBytes) return too_large(s.number, payload.size());
  const auto stored = compression == Compression::raw
                          ? BlobCompressor::Stored{BlobEncoding::raw, payload}
                          : s.compressor->choose(payload);
  return s.put_record(0, payload, stored);
}

Status BlobWriter::begin_stream(std::uint64_t total_bytes) {
  State& s = *state_;
  if (s.streaming || s.finished) return s.misuse("a stream is open or the file finished");
  if (total_bytes > kMaxBlobBytes) return too_large(s.number, total_bytes);
  const std::uint32_t flags = static_cast<std::uint32_t>(BlobEncoding::raw) | kBlobStreamed;
  AEON_ASSIGN(s.stream, s.put_header(flags, total_bytes, total_bytes, 0));
  XXH3_64bits_reset_withSeed(s.stream_hash.get(), kBlobContentSeed);
  s.stream_left = total_bytes;
  s.streaming = true;
  return {};
}

Status BlobWriter::write_chunk(std::span<const std::byte> chunk) {
  State& s = *state_;
  if (!s.streaming) return s.misuse("no stream is open");
  if (chunk.size() > s.stream_left) {
    return s.misuse(fmt::format("{} bytes more than the {} that the stream announced",
                                chunk.size() - s.stream_left, s.stream.raw_bytes));
  }
  XXH3_64bits_update(s.stream_hash.get(), chunk.data(), chunk.size());
  s.stream_left -= chunk.size();
  return s.put(chunk);
}

Result<BlobRef> BlobWriter::end_stream() {
  State& s = *state_;
  if (!s.streaming) return s.misuse("no stream is open");
  if (s.stream_left != 0) {
    return s.misuse(fmt::format("{} of the {} announced bytes of the stream are missing",
                                s.stream_left, s.stream.raw_bytes));
  }
  AEON_TRY(s.align());
  format::RecordTrailer trailer{.content_hash = XXH3_64bits_digest(s.stream_hash.get()), .sum = 0};
  trailer.sum = format::sum_of(trailer, s.number, s.written);
  AEON_TRY(s.put(bytes_of(trailer)));
  s.streaming = false;
  return s.stream;
}

std::uint64_t BlobWriter::bytes() const noexcept { return kPageBytes + state_->written; }

Result<SegmentInfo> BlobWriter::finish() {
  State& s = *state_;
  if (s.streaming || s.finished) return s.misuse("finish while a stream is open, or twice");
  s.finished = true;
  AEON_ASSIGN(const std::uint64_t dictionary_offset, s.put_dictionary());
  format::Closing closing{.magic = format::kClosingMagic,
                          .generation = s.generation,
                          .dictionary_offset = dictionary_offset,
                          .sum = 0};
  closing.sum = format::sum_of(closing, s.number, s.written);
  AEON_TRY(s.put(bytes_of(closing)));
  AEON_TRY(s.segment->end_section(s.records));
  return s.segment->finish();
}

}  // namespace aeon::storage
