#include "storage/blob.hpp"

namespace aeon::storage {

std::uint64_t blob_content_hash(std::span<const std::byte> payload) noexcept {
  return hash64(payload, kBlobContentSeed);
}

bool blob_format::plausible(std::uint32_t flags, std::uint64_t raw_bytes,
                            std::uint64_t stored_bytes) noexcept {
  if (raw_bytes > kMaxBlobBytes || stored_bytes > raw_bytes) return false;
  const std::uint32_t marks = flags & ~kBlobEncodingMask;
  switch (blob_encoding(flags)) {
    case BlobEncoding::raw:
      return stored_bytes == raw_bytes &&
             (marks == 0 || marks == kBlobStreamed || marks == kBlobDictionary);
    case BlobEncoding::zstd:
    case BlobEncoding::zstd_dictionary: return marks == 0 && stored_bytes > 0;
  }
  return false;
}

void encode(const BlobRef& ref, Encoder& out) {
  out.varint(ref.file);
  out.varint(ref.offset / blob_format::kAlignment);
  out.varint(ref.flags);
  out.varint(ref.raw_bytes);
  out.varint(ref.raw_bytes - ref.stored_bytes);
}

std::optional<BlobRef> decode_blob_ref(Decoder& in) noexcept {
  BlobRef ref;
  ref.file = in.varint();
  const std::uint64_t units = in.varint();
  const std::uint64_t flags = in.varint();
  ref.raw_bytes = in.varint();
  const std::uint64_t saved = in.varint();
  ref.offset = units * blob_format::kAlignment;
  ref.flags = static_cast<std::uint32_t>(flags);
  ref.stored_bytes = ref.raw_bytes - saved;
  const bool good = in.ok() && ref.file != 0 && units < (std::uint64_t{1} << 60) &&
                    flags <= 0xffffffff && saved <= ref.raw_bytes &&
                    (flags & kBlobDictionary) == 0 &&
                    blob_format::plausible(ref.flags, ref.raw_bytes, ref.stored_bytes);
  return good ? std::optional(ref) : std::nullopt;
}

}  // namespace aeon::storage
