// Encoding of manifest files: the head page and one record. Byte tables: format.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "storage/manifest.hpp"

namespace aeon::storage::manifest_format {

inline constexpr std::uint64_t kHeadMagic = 0x494e414d4e4f4541;    // "AEONMANI"
inline constexpr std::uint64_t kRecordMagic = 0x4345524d4e4f4541;  // "AEONMREC"
inline constexpr std::uint64_t kMaxRecordBytes = std::uint64_t{64} << 20;

// First bytes of page 0; the rest of the page is zero. Holds for every format version.
struct Head {
  std::uint64_t magic;
  std::uint16_t version;
  std::uint16_t zero16;
  std::uint32_t zero32;
  PalaceUuid palace;
  std::uint64_t number;
  std::uint64_t sum;  // of the bytes before
};
static_assert(sizeof(Head) == 48 && std::has_unique_object_representations_v<Head> &&
              std::is_trivially_copyable_v<Head>);

// Starts on a page; followed by the payload and zeros up to the next page.
struct RecordHead {
  std::uint64_t magic;
  std::uint64_t sequence;
  std::uint64_t payload_bytes;
  PalaceUuid palace;
  Hash128 previous;  // the chain hash of the record before; zero for the palace's first
  Hash128 chain;     // of the whole record, padding included, with this field zero
};
static_assert(sizeof(RecordHead) == 72 && std::has_unique_object_representations_v<RecordHead> &&
              std::is_trivially_copyable_v<RecordHead>);

struct Record {
  RecordHead head;
  std::string bytes;  // as in the file, whole pages
};

[[nodiscard]] std::string encode_head(PalaceUuid palace, std::uint64_t number);
// Errors: damaged, newer_format. `page` is the first page of the file, or less in a short file.
[[nodiscard]] Result<PalaceUuid> decode_head(std::string_view page, std::uint64_t number,
                                             const std::string& path);

// `offset` is where the record will stand in manifest-<number>: its hash is bound to the place.
// Errors: too_large.
[[nodiscard]] Result<std::string> encode_record(const ManifestState& state, Hash128 previous,
                                                std::uint64_t number, std::uint64_t offset);
[[nodiscard]] RecordHead head_of(std::string_view record) noexcept;
// Reads the record at `offset`; empty when the bytes there do not verify. `size` is the file's.
[[nodiscard]] Result<std::optional<Record>> read_record(const File& file, std::uint64_t number,
                                                        std::uint64_t offset, std::uint64_t size);
// Empty when a verified record's payload is not of this version's shape.
[[nodiscard]] std::optional<ManifestState> decode_state(const Record& record);

}  // namespace aeon::storage::manifest_format
