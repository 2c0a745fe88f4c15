// Records as the leader writes them: each body right behind its length, whatever that length is.
#include <catch2/catch.hpp>

#include "engine/record.hpp"

using namespace aeon;
using namespace aeon::engine;

namespace {

struct Written {
  std::string payload;
  std::uint32_t operations = 0;
  std::uint32_t kinds = 0;
};

// A version with everything that has a length of its own, and a row.
Written write(std::size_t content_bytes, std::size_t dimension, std::size_t ended) {
  Written written;
  RecordWriter writer(written.payload);
  const std::string content(content_bytes, 'c');
  VersionOperation operation;
  operation.id = 77;
  operation.is_new = true;
  for (std::uint32_t i = 0; i < ended; ++i) operation.ended.push_back({1, 1'000'000 + i});
  VersionRecord record;
  record.content = content;
  record.key = "key";
  record.rows = {{1, 5}};
  writer.version(operation, record);
  const std::string codes(dimension, '\x01');
  const std::string precise(2 * dimension, '\x02');
  RowData row;
  row.sum = 9;
  row.codes = codes;
  row.precise = precise;
  writer.row({{1, 5}, row});
  writer.session_end({2, 3, 77});
  written.operations = writer.operations();
  written.kinds = writer.kinds();
  return written;
}

// The smallest encoding: a length of more bytes than it needs would give another digest than the
// same commit elsewhere.
std::string one_by_one(const Written& written) {
  std::string again;
  RecordReader reader(written.payload);
  OperationKind kind{};
  std::string_view body;
  while (reader.next(kind, body)) {
    storage::Encoder encoder(again);
    encoder.fixed(static_cast<std::uint8_t>(kind));
    encoder.bytes(body);
  }
  REQUIRE(reader.ok());
  return again;
}

void check(std::size_t content_bytes, std::size_t dimension, std::size_t ended) {
  CAPTURE(content_bytes, dimension, ended);
  const Written written = write(content_bytes, dimension, ended);
  CHECK(one_by_one(written) == written.payload);
  CHECK(written.operations == 3);
  CHECK(written.kinds == (kind_bit(OperationKind::version) | kind_bit(OperationKind::row) |
                          kind_bit(OperationKind::session_end)));
  RecordReader reader(written.payload);
  OperationKind kind{};
  std::string_view body;
  REQUIRE(reader.next(kind, body));
  VersionOperation operation;
  VersionRecord record;
  REQUIRE(parse_version(body, operation));
  REQUIRE(decode_version(operation.record, record));
  CHECK(operation.id == 77);
  CHECK(operation.ended.size() == ended);
  CHECK(record.content == std::string(content_bytes, 'c'));
  CHECK(record.rows == std::vector<RowName>{{1, 5}});
  REQUIRE(reader.next(kind, body));
  RowName name;
  std::string_view rest;
  RowData row;
  REQUIRE(parse_row_name(body, name, rest));
  const auto wide = static_cast<std::uint32_t>(dimension);
  REQUIRE(parse_row_data(rest, wide, Precision::float16, row));
  CHECK(row.sum == 9);
  CHECK(row.precise == std::string(2 * dimension, '\x02'));
}

}  // namespace

TEST_CASE("a record is the same whether or not the size of a body was foreseen") {
  for (std::size_t bytes = 0; bytes < 300; ++bytes) check(bytes, 1 + bytes, 0);
  for (std::size_t bytes = 16'200; bytes < 16'500; ++bytes) check(bytes, 16 + bytes % 7, 0);
  // Many ended rows are not foreseen at all.
  for (std::size_t ended = 0; ended < 100; ++ended) check(0, 4, ended);
  check(100, 384, 5'000);
  check(2'097'100, 4'096, 0);
}
