#include <catch2/catch.hpp>

#include <memory>

#include "guarded_buffer.hpp"
#include "samples.hpp"
#include "simd/int8_query.hpp"
#include "simd/kernels.hpp"

namespace aeon::simd::test {
namespace {

std::int32_t plain_dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::int64_t{a[i]} * b[i];
  return static_cast<std::int32_t>(sum);
}

std::int32_t plain_l2sq(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::int64_t{a[i] - b[i]} * (a[i] - b[i]);
  return static_cast<std::int32_t>(sum);
}

// One query and its rows, the rows ending against a forbidden page.
struct Scan {
  std::size_t n;
  std::size_t count;
  std::size_t stride;
  std::vector<std::int8_t> query_codes;
  std::vector<std::int8_t> bytes;
  std::vector<std::int32_t> sums;
  std::vector<std::int32_t> dots;
  std::vector<std::int32_t> l2sqs;

  Scan(Random& random, std::size_t length, std::size_t row_count, std::size_t gap, int most)
      : n(length), count(row_count), stride(length + gap) {
    query_codes = random_codes(random, n, most);
    const std::size_t size = count == 0 ? 0 : (count - 1) * stride + n;
    bytes = random_codes(random, size, most < 127 ? 127 : most);
    for (std::size_t row = 0; row < count; ++row) {
      const std::int8_t* codes = bytes.data() + row * stride;
      std::int32_t sum = 0;
      for (std::size_t i = 0; i < n; ++i) sum += codes[i];
      sums.push_back(sum);
      dots.push_back(plain_dot(query_codes.data(), codes, n));
      l2sqs.push_back(plain_l2sq(query_codes.data(), codes, n));
    }
  }
};

using Scores = std::vector<std::int32_t>;

void check_table(const Kernels& table, const Scan& scan, const Int8Query& query,
                 const std::int8_t* rows) {
  INFO("table " << table.name << " length " << scan.n << " rows " << scan.count << " stride "
                << scan.stride);
  const Rows view{rows, scan.stride, scan.count};
  Scores scores(scan.count, 12345);
  table.dot_i8_rows(query, view, scan.sums.data(), scores.data());
  if (scores != scan.dots) FAIL("dot_i8_rows differs from the plain loop");
  std::fill(scores.begin(), scores.end(), 12345);
  table.dot_i8_rows(query, view, nullptr, scores.data());
  if (scores != scan.dots) FAIL("dot_i8_rows without sums differs from the plain loop");
  table.l2sq_i8_rows(query, view, scores.data());
  if (scores != scan.l2sqs) FAIL("l2sq_i8_rows differs from the plain loop");

  std::vector<const std::int8_t*> addresses(scan.count);
  for (std::size_t i = 0; i < scan.count; ++i) addresses[i] = rows + i * scan.stride;
  for (const std::int32_t* sums : {scan.sums.data(), static_cast<const std::int32_t*>(nullptr)}) {
    std::fill(scores.begin(), scores.end(), 12345);
    table.dot_i8_at(query, addresses.data(), sums, scan.count, scores.data());
    if (scores != scan.dots) FAIL("dot_i8_at differs from the plain loop");
  }
}

void check_pairs(const Kernels& table, const Scan& scan, const std::int8_t* query,
                 const std::int8_t* row) {
  INFO("table " << table.name << " length " << scan.n);
  if (table.dot_i8(query, row, scan.n) != scan.dots.back()) FAIL("dot_i8 differs");
  if (table.dot_i8(row, query, scan.n) != scan.dots.back()) FAIL("dot_i8 is not symmetric");
  if (table.l2sq_i8(query, row, scan.n) != scan.l2sqs.back()) FAIL("l2sq_i8 differs");
  const CodeSums sums = table.sums_i8(row, scan.n);
  if (sums.sum != scan.sums.back()) FAIL("sums_i8 differs in the sum");
  if (sums.sum_of_squares != plain_dot(row, row, scan.n)) FAIL("sums_i8 differs in the squares");
}

TEST_CASE("INT8 kernels are exact for every length and read nothing past a row's end") {
  constexpr std::uint64_t kSeed = 20240917;
  INFO("seed " << kSeed);
  Random random(kSeed);
  const std::size_t most_bytes = 24 * (kMaxLength + 64);
  GuardedBuffer row_memory(most_bytes);
  GuardedBuffer query_memory(kMaxLength);
  auto query = std::make_unique<Int8Query>();
  for (const std::size_t n : lengths()) {
    const std::size_t count = 1 + random() % 23;
    const std::size_t gap = n % 3 == 0 ? random() % 64 : 0;
    for (const int most : {127, 40, -1}) {
      const Scan scan(random, n, count, gap, most);
      const std::int8_t* codes = query_memory.put_at_end(scan.query_codes.data(), n);
      query->assign(codes, n);
      const std::int8_t* rows = row_memory.put_at_end(scan.bytes.data(), scan.bytes.size());
      for (const Kernels* table : available_kernels()) {
        check_table(*table, scan, *query, rows);
        check_pairs(*table, scan, codes, rows + (count - 1) * scan.stride);
      }
    }
  }
}

TEST_CASE("INT8 kernels read nothing before a row's begin, at any alignment") {
  constexpr std::uint64_t kSeed = 7151;
  INFO("seed " << kSeed);
  Random random(kSeed);
  GuardedBuffer memory(8 * (kMaxLength + 64));
  auto query = std::make_unique<Int8Query>();
  for (const std::size_t n :
       Lengths{1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 96, 127, 384, 768, 1000}) {
    for (std::size_t shift = 0; shift < 64; ++shift) {
      const Scan scan(random, n, 5, shift % 2, 127);
      query->assign(scan.query_codes.data(), n);
      std::int8_t* rows = reinterpret_cast<std::int8_t*>(memory.begin()) + shift;
      std::memcpy(rows, scan.bytes.data(), scan.bytes.size());
      for (const Kernels* table : available_kernels()) {
        check_table(*table, scan, *query, rows);
        check_pairs(*table, scan, scan.query_codes.data(), rows + 4 * scan.stride);
      }
    }
  }
}

TEST_CASE("INT8 scans of every small count are exact, none included") {
  constexpr std::uint64_t kSeed = 99;
  INFO("seed " << kSeed);
  Random random(kSeed);
  auto query = std::make_unique<Int8Query>();
  for (const std::size_t n : Lengths{5, 384, 512, 700, 768, 1024}) {
    for (std::size_t count = 0; count <= 40; ++count) {
      const Scan scan(random, n, count, 0, 127);
      query->assign(scan.query_codes.data(), n);
      for (const Kernels* table : available_kernels()) {
        check_table(*table, scan, *query, scan.bytes.data());
      }
    }
  }
}

TEST_CASE("the largest sums fit: 4096 codes of 127 and -127") {
  const std::vector<std::int8_t> high(kMaxLength, 127);
  const std::vector<std::int8_t> low(kMaxLength, -127);
  auto query = std::make_unique<Int8Query>();
  query->assign(high.data(), kMaxLength);
  for (const Kernels* table : available_kernels()) {
    INFO("table " << table->name);
    CHECK(table->dot_i8(high.data(), high.data(), kMaxLength) == 4096 * 127 * 127);
    CHECK(table->dot_i8(high.data(), low.data(), kMaxLength) == -4096 * 127 * 127);
    CHECK(table->l2sq_i8(high.data(), low.data(), kMaxLength) == 4096 * 254 * 254);
    const std::int32_t sum = -127 * 4096;
    std::int32_t score = 0;
    const Rows row{low.data(), kMaxLength, 1};
    table->dot_i8_rows(*query, row, &sum, &score);
    CHECK(score == -4096 * 127 * 127);
    table->l2sq_i8_rows(*query, row, &score);
    CHECK(score == 4096 * 254 * 254);
  }
}

TEST_CASE("a group of 64 codes is narrow exactly while its 16-bit sums cannot overflow") {
  std::vector<std::int8_t> codes(128, 0);
  codes[64 + 10] = 127;
  codes[64 + 11] = -127;
  codes[64 + 42] = 4;
  auto query = std::make_unique<Int8Query>();
  query->assign(codes.data(), codes.size());
  CHECK(query->narrow_groups == 3);
  codes[64 + 43] = 1;
  query->assign(codes.data(), codes.size());
  CHECK(query->narrow_groups == 1);

  // At the limit of 258 * 127 the lane must still hold the sum, with either sign.
  codes[64 + 43] = 0;
  query->assign(codes.data(), codes.size());
  for (const int sign : {1, -1}) {
    std::vector<std::int8_t> row(codes.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = static_cast<std::int8_t>(codes[i] < 0 ? -127 * sign : 127 * sign);
    }
    const std::int32_t expected = plain_dot(codes.data(), row.data(), row.size());
    for (const Kernels* table : available_kernels()) {
      std::int32_t score = 0;
      table->dot_i8_rows(*query, {row.data(), row.size(), 1}, nullptr, &score);
      CHECK(score == expected);
    }
  }
}

TEST_CASE("a query assigned anew forgets the longer one before it") {
  const std::vector<std::int8_t> longer(300, 99);
  const std::vector<std::int8_t> shorter(65, -3);
  auto query = std::make_unique<Int8Query>();
  query->assign(longer.data(), longer.size());
  query->assign(shorter.data(), shorter.size());
  CHECK(query->length == 65);
  CHECK(query->sum == -195);
  CHECK(query->sum_of_squares == 585);
  for (const Kernels* table : available_kernels()) {
    const std::int32_t sum = 99 * 65;
    std::int32_t score = 0;
    table->dot_i8_rows(*query, {longer.data(), 65, 1}, &sum, &score);
    CHECK(score == -3 * 99 * 65);
  }
}

}  // namespace
}  // namespace aeon::simd::test
