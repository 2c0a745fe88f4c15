// Byte layout of segment and blob files; the tables with their reasons are in format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "storage/checksum.hpp"
#include "storage/file_identity.hpp"
#include "storage/segment.hpp"

namespace aeon::storage::segment_format {

inline constexpr std::uint64_t kHeadMagic = 0x454c49464e4f4541;    // "AEONFILE"
inline constexpr std::uint64_t kFooterMagic = 0x544f4f464e4f4541;  // "AEONFOOT"
inline constexpr std::uint64_t kHeadSeed = 0x64616568;

// First bytes of page 0. This layout holds for every format version, so that an old reader can
// tell a newer file from a damaged one.
struct Head {
  std::uint64_t magic;
  std::uint16_t version;
  std::uint16_t zero;
  FileKind kind;
  PalaceUuid palace;
  std::uint64_t number;
  std::uint64_t first_commit;
  std::uint64_t last_commit;
  std::uint64_t sum;  // of the 56 bytes before
};
static_assert(sizeof(Head) == 64 && std::has_unique_object_representations_v<Head> &&
              std::is_trivially_copyable_v<Head>);

inline std::uint64_t sum_of(const Head& head) noexcept {
  return hash64(std::as_bytes(std::span(&head, 1)).first(offsetof(Head, sum)), kHeadSeed);
}

inline constexpr std::size_t kMaxSections = 125;

// The last page of the file.
struct Footer {
  std::uint64_t magic;
  std::uint32_t section_count;
  std::uint32_t zero;
  std::uint64_t table_offset;  // also the number of bytes that the table covers
  std::uint64_t table_bytes;
  std::uint64_t table_sum;  // of the own sums of the table's pages, in order
  std::uint64_t reserved[3];
  Section sections[kMaxSections];
  std::uint64_t padding[3];
  std::uint64_t sum;  // of the 4088 bytes before, seeded by the page's place
};
static_assert(sizeof(Section) == 32 && std::has_unique_object_representations_v<Section>);
static_assert(sizeof(Footer) == kPageBytes && std::has_unique_object_representations_v<Footer> &&
              std::is_trivially_copyable_v<Footer>);

// The last page of the data, from version 3 on: the footer's sections once more, so that a damaged
// footer costs a salvage nothing. Nobody else reads it.
inline constexpr std::uint64_t kDirectoryMagic = 0x59504f434e4f4541;  // "AEONCOPY"
struct DirectoryCopy {
  std::uint64_t magic;
  std::uint32_t section_count;
  std::uint32_t zero;
  Section sections[kMaxSections];
  std::uint64_t padding[9];
  std::uint64_t sum;  // of the 4088 bytes before, seeded by the page's place
};
static_assert(sizeof(DirectoryCopy) == kPageBytes &&
              std::has_unique_object_representations_v<DirectoryCopy> &&
              std::is_trivially_copyable_v<DirectoryCopy>);

// A page of the sum table checks itself, so that it can be believed without reading the others.
inline constexpr std::size_t kSumsPerPage = kPageBytes / 8 - 1;
struct TablePage {
  std::uint64_t sums[kSumsPerPage];
  std::uint64_t own;  // of the 4088 bytes before, seeded by the page's place
};
static_assert(sizeof(TablePage) == kPageBytes && std::is_trivially_copyable_v<TablePage>);

inline std::uint64_t table_pages(std::uint64_t data_pages) noexcept {
  return (data_pages + kSumsPerPage - 1) / kSumsPerPage;
}

// Binds every sum of a file to its palace, kind and number.
inline std::uint64_t file_salt(PalaceUuid palace, FileKind kind, std::uint64_t number) noexcept {
  const std::uint64_t parts[4] = {palace.low, palace.high, static_cast<std::uint64_t>(kind),
                                  number};
  return hash64(std::as_bytes(std::span(parts)), kHeadMagic);
}

inline std::uint64_t page_sum(const std::byte* page, std::uint64_t salt,
                              std::uint64_t number) noexcept {
  return hash64({page, kPageBytes}, place_seed(salt, number));
}

// The sum that a table page or a footer carries in its own last eight bytes.
inline std::uint64_t own_sum(const std::byte* page, std::uint64_t salt,
                             std::uint64_t number) noexcept {
  return hash64({page, kPageBytes - sizeof(std::uint64_t)}, place_seed(salt, number));
}

inline std::string segment_path(const std::string& directory, FileKind kind, std::uint64_t number) {
  return directory + "/" + file_name(kind == FileKind::blob ? "blob" : "seg", number);
}

}  // namespace aeon::storage::segment_format
