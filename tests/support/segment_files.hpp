// Segment files for tests of those who read them, and damage to files.
#pragma once

#include <catch2/catch.hpp>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "storage/codec.hpp"
#include "storage/segment.hpp"

namespace aeon::test {

inline constexpr storage::PalaceUuid kPalace{0x1234, 0x5678};

inline std::string random_text(std::size_t bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// A section for each part.
inline storage::SegmentInfo write_segment(const std::string& directory, std::uint64_t number,
                                          const std::vector<std::string>& parts) {
  auto writer = storage::SegmentWriter::create(storage::real_os(), directory, kPalace,
                                               storage::FileKind::segment, number, 10, 20);
  REQUIRE(writer);
  auto kind = storage::SectionKind::run_blocks;
  for (const std::string& part : parts) {
    REQUIRE((*writer)->begin_section(kind));
    REQUIRE((*writer)->append(storage::as_bytes(part)));
    CHECK((*writer)->section_offset() == part.size());
    REQUIRE((*writer)->end_section(part.size()));
    kind = storage::SectionKind::run_fences;
  }
  auto info = (*writer)->finish();
  REQUIRE(info);
  return *info;
}

// Turns bits of the byte at `offset` over.
inline void flip(const std::string& path, std::uint64_t offset, unsigned char mask) {
  auto file = storage::real_os().open_file(path, storage::OpenMode::read_write);
  REQUIRE(file);
  std::byte byte{};
  REQUIRE((*file)->read_at({&byte, 1}, offset).value() == 1);
  byte ^= std::byte{mask};
  REQUIRE((*file)->write_at({&byte, 1}, offset));
}

}  // namespace aeon::test
