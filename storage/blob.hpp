// The blob arena: texts and payloads of any size, in files that are written once. A blob file is a
// segment file (segment.hpp, FileKind::blob) with one section of framed records; byte tables are
// in blob_format.md. Written by BlobWriter, read by BlobReader; a BlobRef, kept with the memory,
// says where a payload lies and what to expect there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

#include "storage/checksum.hpp"
#include "storage/codec.hpp"

namespace aeon::storage {

inline constexpr std::uint64_t kMaxBlobBytes = std::uint64_t{1} << 30;  // of one payload, raw

// Persisted in the low byte of a record's flags: never reuse a number. 0 is invalid.
enum class BlobEncoding : std::uint32_t { raw = 1, zstd = 2, zstd_dictionary = 3 };

inline constexpr std::uint32_t kBlobEncodingMask = 0xff;
inline constexpr std::uint32_t kBlobStreamed = 1U << 8;    // the hash stands behind the bytes
inline constexpr std::uint32_t kBlobDictionary = 1U << 9;  // the file's dictionary, not a payload

[[nodiscard]] constexpr BlobEncoding blob_encoding(std::uint32_t flags) noexcept {
  return static_cast<BlobEncoding>(flags & kBlobEncodingMask);
}

// Where a payload lies. Kept in rows and log records in its encoded form.
struct BlobRef {
  std::uint64_t file = 0;    // number of the blob file; 0 is no blob
  std::uint64_t offset = 0;  // of the record, from the start of the file's blob_records section
  std::uint32_t flags = 0;
  std::uint64_t raw_bytes = 0;     // of the payload
  std::uint64_t stored_bytes = 0;  // of what stands in the file for it
  friend bool operator==(const BlobRef&, const BlobRef&) = default;
};

// Five varints, 8 to 14 bytes for short texts.
void encode(const BlobRef& ref, Encoder& out);
// From untrusted bytes: nothing for what no writer wrote (file 0, unknown flags, sizes above
// kMaxBlobBytes).
[[nodiscard]] std::optional<BlobRef> decode_blob_ref(Decoder& in) noexcept;

// The hash that a record keeps of its payload, before compression.
[[nodiscard]] std::uint64_t blob_content_hash(std::span<const std::byte> payload) noexcept;
inline constexpr std::uint64_t kBlobContentSeed = 0x746e6f43626f6c42;

namespace blob_format {

inline constexpr std::uint32_t kRecordMagic = 0x62724541;   // "AErb"
inline constexpr std::uint32_t kClosingMagic = 0x62634541;  // "AEcb"
inline constexpr std::size_t kAlignment = 8;
inline constexpr std::uint64_t kNoDictionary = ~std::uint64_t{0};

// In front of every payload.
struct RecordHeader {
  std::uint32_t magic;
  std::uint32_t flags;
  std::uint64_t raw_bytes;
  std::uint64_t stored_bytes;
  std::uint64_t content_hash;  // 0 when kBlobStreamed
  std::uint64_t sum;           // of the 32 bytes before, seeded by the place
};
static_assert(sizeof(RecordHeader) == 40 && std::is_trivially_copyable_v<RecordHeader> &&
              std::has_unique_object_representations_v<RecordHeader>);

// Behind a streamed payload, aligned.
struct RecordTrailer {
  std::uint64_t content_hash;
  std::uint64_t sum;  // of the hash, seeded by the place
};
static_assert(sizeof(RecordTrailer) == 16 && std::is_trivially_copyable_v<RecordTrailer> &&
              std::has_unique_object_representations_v<RecordTrailer>);

// The last bytes of the section.
struct Closing {
  std::uint32_t magic;
  std::uint32_t generation;
  std::uint64_t dictionary_offset;  // of the dictionary's second copy, or kNoDictionary
  std::uint64_t sum;                // of the 16 bytes before, seeded by the place
};
static_assert(sizeof(Closing) == 24 && std::is_trivially_copyable_v<Closing> &&
              std::has_unique_object_representations_v<Closing>);

// The sum of everything before a struct's `sum`, bound to file and offset within the section.
template <typename T>
[[nodiscard]] std::uint64_t sum_of(const T& value, std::uint64_t file,
                                   std::uint64_t offset) noexcept {
  return hash64(std::as_bytes(std::span(&value, 1)).first(offsetof(T, sum)),
                place_seed(file, offset));
}

[[nodiscard]] constexpr std::uint64_t padded(std::uint64_t bytes) noexcept {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// Bytes of the whole record: header, payload, padding and trailer.
[[nodiscard]] constexpr std::uint64_t record_bytes(std::uint32_t flags,
                                                   std::uint64_t stored_bytes) noexcept {
  return sizeof(RecordHeader) + padded(stored_bytes) +
         ((flags & kBlobStreamed) != 0 ? sizeof(RecordTrailer) : 0);
}

// Whether flags and sizes are such as a writer writes.
[[nodiscard]] bool plausible(std::uint32_t flags, std::uint64_t raw_bytes,
                             std::uint64_t stored_bytes) noexcept;

}  // namespace blob_format

}  // namespace aeon::storage
