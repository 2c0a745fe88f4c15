// Runs in real segment files, for tests.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "storage/codec.hpp"
#include "storage/run.hpp"
#include "storage/segment.hpp"
#include "tests/support/temp_directory.hpp"

namespace aeon::test {

using Entries = std::map<std::string, std::string>;

inline constexpr storage::PalaceUuid kRunPalace{7, 9};

inline std::string random_bytes(std::mt19937_64& random, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// Keys like the engine's: a table byte, a number, in odd tables a text. All keys of a table have
// the same shape, so that none is a prefix of another.
inline std::string random_key(std::mt19937_64& random, unsigned tables, std::uint64_t spread) {
  std::string key;
  storage::KeyEncoder encoder(key);
  const auto table = static_cast<std::uint8_t>(1 + random() % tables);
  encoder.u8(table).u64(random() % spread);
  if (table % 2 == 1) encoder.text(random_bytes(random, random() % 4 == 0 ? random() % 40 : 0));
  return key;
}

inline storage::SegmentInfo finish_segment(storage::SegmentWriter& writer) {
  auto info = writer.finish();
  REQUIRE(info);
  return *info;
}

inline std::unique_ptr<storage::SegmentWriter> begin_segment(const std::string& directory,
                                                             std::uint64_t number) {
  auto writer = storage::SegmentWriter::create(storage::real_os(), directory, kRunPalace,
                                               storage::FileKind::segment, number, 1, 1);
  REQUIRE(writer);
  return std::move(*writer);
}

inline storage::SegmentInfo write_run(const std::string& directory, std::uint64_t number,
                                      const Entries& entries) {
  const auto writer = begin_segment(directory, number);
  auto builder = storage::RunBuilder::create(*writer);
  REQUIRE(builder);
  for (const auto& [key, value] : entries) REQUIRE(builder->add(key, value));
  REQUIRE(builder->finish());
  REQUIRE(builder->entries() == entries.size());
  return finish_segment(*writer);
}

inline std::shared_ptr<const storage::Segment> open_segment(const std::string& directory,
                                                            const storage::SegmentInfo& info) {
  auto segment = storage::Segment::open(storage::real_os(), directory, kRunPalace,
                                        storage::FileKind::segment, info);
  REQUIRE(segment);
  return *segment;
}

inline storage::RunReader open_run(const storage::Segment& segment) {
  auto run = storage::RunReader::open(segment);
  REQUIRE(run);
  return *run;
}

inline void flip_byte(const std::string& path, std::uint64_t offset) {
  const auto file = storage::real_os().open_file(path, storage::OpenMode::read_write);
  REQUIRE(file);
  std::byte byte{};
  REQUIRE((*file)->read_at({&byte, 1}, offset).value() == 1);
  byte ^= std::byte{0x10};
  REQUIRE((*file)->write_at({&byte, 1}, offset));
}

}  // namespace aeon::test
