#include <catch2/catch.hpp>

#include <cmath>

#include "guarded_buffer.hpp"
#include "samples.hpp"
#include "simd/kernels.hpp"

namespace aeon::simd::test {
namespace {

enum class Metric { kDot, kL2sq, kCosine };
constexpr Metric kMetrics[] = {Metric::kDot, Metric::kL2sq, Metric::kCosine};

// The value in float64 and how far the contract of kernels.hpp lets a float32 kernel be from it.
struct Expected {
  double value;
  double bound;
};

Expected expected_score(Metric metric, const float* a, const float* b, std::size_t n) {
  double sum = 0, magnitude = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = a[i], y = b[i];
    const double term = metric == Metric::kL2sq ? (x - y) * (x - y) : x * y;
    sum += term;
    magnitude += std::abs(term);
    aa += x * x;
    bb += y * y;
  }
  const double length = static_cast<double>(n);
  if (metric == Metric::kCosine) {
    return {aa == 0 || bb == 0 ? 0 : sum / (std::sqrt(aa) * std::sqrt(bb)), (length + 4) * 0x1p-22};
  }
  return {sum, (length + 2) * 0x1p-23 * magnitude + length * 0x1p-149};
}

float score_pair(const Kernels& t, Metric metric, const float* a, const float* b, std::size_t n) {
  switch (metric) {
    case Metric::kDot: return t.dot_f32(a, b, n);
    case Metric::kL2sq: return t.l2sq_f32(a, b, n);
    default: return t.cosine_f32(a, b, n);
  }
}

float score_pair(const Kernels& t, Metric metric, const float* a, const std::uint16_t* b,
                 std::size_t n) {
  switch (metric) {
    case Metric::kDot: return t.dot_f16(a, b, n);
    case Metric::kL2sq: return t.l2sq_f16(a, b, n);
    default: return t.cosine_f16(a, b, n);
  }
}

void score_rows(const Kernels& t, Metric metric, bool half, const float* query, std::size_t n,
                const Rows& rows, float* out) {
  switch (metric) {
    case Metric::kDot: return (half ? t.dot_f16_rows : t.dot_f32_rows)(query, n, rows, out);
    case Metric::kL2sq: return (half ? t.l2sq_f16_rows : t.l2sq_f32_rows)(query, n, rows, out);
    default: return (half ? t.cosine_f16_rows : t.cosine_f32_rows)(query, n, rows, out);
  }
}

// `values` are what the rows mean in float32, packed; `rows` where they lie, in Element's format.
template <class Element>
void check_rows(const Kernels& table, const float* query, std::size_t n,
                const std::vector<float>& values, const Rows& rows) {
  constexpr bool kHalf = sizeof(Element) == 2;
  for (const Metric metric : kMetrics) {
    INFO("table " << table.name << " length " << n << " metric " << static_cast<int>(metric)
                  << (kHalf ? " float16" : " float32"));
    std::vector<float> scores(rows.count);
    score_rows(table, metric, kHalf, query, n, rows, scores.data());
    for (std::size_t row = 0; row < rows.count; ++row) {
      const Expected expected = expected_score(metric, query, values.data() + row * n, n);
      const double error = std::abs(scores[row] - expected.value);
      if (!(error <= expected.bound)) {
        FAIL("row " << row << ": " << scores[row] << " for " << expected.value);
      }
      std::vector<Element> alone(n);
      std::memcpy(alone.data(), static_cast<const std::byte*>(rows.first) + row * rows.stride_bytes,
                  n * sizeof(Element));
      const float alone_score = score_pair(table, metric, query, alone.data(), n);
      if (bits_of(alone_score) != bits_of(scores[row])) {
        FAIL("row " << row << " scores " << scores[row] << ", alone " << alone_score);
      }
    }
  }
}

std::vector<std::uint16_t> halves_of(const std::vector<float>& values) {
  std::vector<std::uint16_t> halves(values.size());
  available_kernels().back()->f32_to_f16(values.data(), values.size(), halves.data());
  return halves;
}

std::vector<float> floats_of(const std::vector<std::uint16_t>& halves) {
  std::vector<float> values(halves.size());
  available_kernels().back()->f16_to_f32(halves.data(), halves.size(), values.data());
  return values;
}

// Rows of `count` x n elements laid at `stride_bytes`, ending `slack` bytes before a forbidden
// page.
template <class Element>
Rows lay_out(GuardedBuffer& memory, const std::vector<Element>& packed, std::size_t n,
             std::size_t count, std::size_t stride_bytes, std::size_t slack) {
  const std::size_t row_bytes = n * sizeof(Element);
  std::byte* first = memory.end() - slack - ((count - 1) * stride_bytes + row_bytes);
  for (std::size_t row = 0; row < count; ++row) {
    std::memcpy(first + row * stride_bytes, packed.data() + row * n, row_bytes);
  }
  return {first, stride_bytes, count};
}

void check_sample(Random& random, GuardedBuffer& rows, GuardedBuffer& queries, std::size_t n,
                  std::size_t count, std::size_t gap, std::size_t slack, float spread) {
  const std::vector<float> query = random_floats(random, n, spread);
  const float* q = queries.put_at_end(query.data(), n);
  const std::vector<float> values = random_floats(random, n * count, spread);
  const std::vector<std::uint16_t> halves = halves_of(values);
  for (const Kernels* table : available_kernels()) {
    check_rows<float>(*table, q, n, values,
                      lay_out(rows, values, n, count, n * sizeof(float) + gap, slack));
    check_rows<std::uint16_t>(*table, q, n, floats_of(halves),
                              lay_out(rows, halves, n, count, n * 2 + gap, slack));
  }
}

TEST_CASE("float kernels stay within their bound for every length and read nothing past the end") {
  constexpr std::uint64_t kSeed = 4242;
  INFO("seed " << kSeed);
  Random random(kSeed);
  GuardedBuffer rows(8 * (kMaxLength + 64) * sizeof(float));
  GuardedBuffer queries(kMaxLength * sizeof(float));
  for (const std::size_t n : lengths()) {
    const std::size_t count = n < 1000 ? 1 + random() % 6 : 3;
    const std::size_t gap = n % 3 == 0 ? 4 * (random() % 16) : 0;
    check_sample(random, rows, queries, n, count, gap, 0, 1.0F);
  }
}

TEST_CASE("float rows need no alignment") {
  constexpr std::uint64_t kSeed = 31337;
  INFO("seed " << kSeed);
  Random random(kSeed);
  GuardedBuffer rows(8 * (kMaxLength + 64) * sizeof(float));
  GuardedBuffer queries(kMaxLength * sizeof(float));
  for (const std::size_t n : Lengths{1, 7, 8, 31, 33, 63, 65, 100, 384}) {
    for (std::size_t slack = 0; slack < 64; ++slack) {
      check_sample(random, rows, queries, n, 3, slack % 5, slack, 1.0F);
    }
  }
}

TEST_CASE("float kernels keep their bound for tiny and for large values") {
  constexpr std::uint64_t kSeed = 555;
  INFO("seed " << kSeed);
  Random random(kSeed);
  GuardedBuffer rows(8 * (kMaxLength + 64) * sizeof(float));
  GuardedBuffer queries(kMaxLength * sizeof(float));
  for (const std::size_t n : Lengths{1, 9, 40, 129, 768}) {
    for (const float spread : {0x1p-20F, 1e-3F, 1e3F, 1e4F}) {
      check_sample(random, rows, queries, n, 3, 0, 0, spread);
    }
  }
  const std::vector<float> tiny(100, 0x1p-140F);  // denormals: products vanish, nothing else breaks
  const std::vector<float> large(100, 1e15F);
  for (const Kernels* table : available_kernels()) {
    INFO("table " << table->name);
    CHECK(table->dot_f32(tiny.data(), tiny.data(), 100) == 0.0F);
    CHECK(table->dot_f32(tiny.data(), large.data(), 100) ==
          Approx(100 * 0x1p-140 * 1e15).epsilon(1e-5));
    CHECK(table->cosine_f32(large.data(), large.data(), 100) == Approx(1.0).epsilon(1e-6));
  }
}

TEST_CASE("cosine is 0 for a vector without length and never leaves [-1, 1]") {
  constexpr std::uint64_t kSeed = 77;
  INFO("seed " << kSeed);
  Random random(kSeed);
  const std::vector<float> zero(50, 0.0F);
  for (const Kernels* table : available_kernels()) {
    for (std::size_t n = 1; n <= 50; ++n) {
      const std::vector<float> x = random_floats(random, n);
      std::vector<float> opposite(n);
      for (std::size_t i = 0; i < n; ++i) opposite[i] = -3.0F * x[i];
      CHECK(table->cosine_f32(x.data(), zero.data(), n) == 0.0F);
      CHECK(table->cosine_f32(zero.data(), x.data(), n) == 0.0F);
      CHECK(table->cosine_f32(x.data(), x.data(), n) <= 1.0F);
      CHECK(table->cosine_f32(x.data(), opposite.data(), n) >= -1.0F);
    }
  }
}

}  // namespace
}  // namespace aeon::simd::test
