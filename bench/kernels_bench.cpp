// The kernels against the memory they read. Every line carries ns per row, the instruction set and
// a hash of its results; scans also carry the bytes they read per second and, measured just before
// on the same buffer, what a plain sum of all its bytes reads per second (the streaming bandwidth).
#include <benchmark/benchmark.h>

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "simd/int8_query.hpp"
#include "simd/kernels.hpp"
#include "simd/quantize.hpp"
#include "simd/top_k.hpp"

namespace {

using namespace aeon::simd;
using benchmark::State;

constexpr std::uint64_t kSeed = 7;

// The thread's own time, as the bench's rates use: other work on the machine counts for neither.
double seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Rows begin at a multiple of 64, as the engine lays them.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes) : bytes_(bytes), storage_(bytes + 64) {
    std::mt19937_64 random(kSeed);
    std::size_t i = 0;
    for (; i + 8 <= bytes_; i += 8) {
      const std::uint64_t word = random();
      std::memcpy(data() + i, &word, 8);
    }
  }
  std::uint8_t* data() {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    return storage_.data() + (64 - address % 64) % 64;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_;
  std::vector<std::uint8_t> storage_;
};

// Adds up all 64-bit words in vectors of two, eight chains at once, so that memory is all it waits
// for.
std::uint64_t sum_words(const std::uint8_t* data, std::size_t bytes) {
  using Words [[gnu::vector_size(16)]] = std::uint64_t;
  Words sums[8] = {};
  for (std::size_t i = 0; i + sizeof(sums) <= bytes; i += sizeof(sums)) {
    const auto* words = reinterpret_cast<const Words*>(data + i);
#pragma GCC unroll 8
    for (std::size_t j = 0; j < 8; ++j) sums[j] += words[j];
  }
  const Words sum = sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
  return sum[0] + sum[1];
}

// The best of several passes, in bytes per second.
double streaming_bandwidth(Buffer& buffer) {
  const std::size_t passes = std::max<std::size_t>(1, (std::size_t{1} << 24) / buffer.bytes());
  double best = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const double start = seconds();
    for (std::size_t pass = 0; pass < passes; ++pass) {
      std::uint64_t sum = sum_words(buffer.data(), buffer.bytes());
      benchmark::DoNotOptimize(sum);
    }
    const double elapsed = seconds() - start;
    best = std::max(best, static_cast<double>(passes * buffer.bytes()) / elapsed);
  }
  return best;
}

template <class T>
double hash_of(const std::vector<T>& results) {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto* bytes = reinterpret_cast<const unsigned char*>(results.data());
  for (std::size_t i = 0; i < results.size() * sizeof(T); ++i) {
    hash = (hash ^ bytes[i]) * 1099511628211ULL;
  }
  return static_cast<double>(hash >> 32);  // counters are doubles; 32 bits survive exactly
}

template <class T>
void report(State& state, std::size_t rows, const std::vector<T>& results) {
  const auto total = static_cast<double>(state.iterations()) * static_cast<double>(rows);
  state.counters["ns_per_row"] =
      benchmark::Counter(total * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["result_hash"] = hash_of(results);
  state.SetLabel(kernels().name);
}

void report_bandwidth(State& state, std::size_t bytes, double streaming) {
  const double read = static_cast<double>(state.iterations()) * static_cast<double>(bytes);
  state.counters["bytes_per_s"] = benchmark::Counter(read, benchmark::Counter::kIsRate);
  state.counters["stream_bytes_per_s"] = streaming;
  state.counters["of_stream"] = benchmark::Counter(read / streaming, benchmark::Counter::kIsRate);
}

std::vector<float> normal_floats(std::size_t n) {
  std::mt19937_64 random(kSeed + n);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

std::unique_ptr<Int8Query> normal_query(std::size_t n) {
  std::vector<std::int8_t> codes(n);
  quantize_int8(normal_floats(n).data(), n, codes.data());
  auto query = std::make_unique<Int8Query>();
  query->assign(codes.data(), n);
  return query;
}

// args: dimensions, rows
void int8_scan(State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const auto count = static_cast<std::size_t>(state.range(1));
  Buffer buffer(n * count);
  std::vector<std::int32_t> sums(count);
  std::vector<std::int32_t> dots(count);
  for (std::size_t row = 0; row < count; ++row) {
    auto* codes = reinterpret_cast<std::int8_t*>(buffer.data() + row * n);
    std::replace(codes, codes + n, std::int8_t{-128}, std::int8_t{0});
    sums[row] = kernels().sums_i8(codes, n).sum;
  }
  const auto query = normal_query(n);
  const double streaming = streaming_bandwidth(buffer);
  for (auto _ : state) {
    kernels().dot_i8_rows(*query, {buffer.data(), n, count}, sums.data(), dots.data());
    benchmark::ClobberMemory();
  }
  report(state, count, dots);
  report_bandwidth(state, buffer.bytes(), streaming);
}

// Rows at shuffled addresses, `rows` of them out of a 230 MB buffer. args: dimensions, rows
void int8_scattered(State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const auto count = static_cast<std::size_t>(state.range(1));
  const std::size_t all = 230'000'000 / n;
  Buffer buffer(n * all);
  std::mt19937_64 random(kSeed);
  std::vector<std::vector<const std::int8_t*>> batches(4096);
  for (auto& batch : batches) {
    for (std::size_t i = 0; i < count; ++i) {
      batch.push_back(reinterpret_cast<const std::int8_t*>(buffer.data() + random() % all * n));
    }
  }
  std::vector<std::int32_t> sums(count);
  std::vector<std::int32_t> dots(count);
  const auto query = normal_query(n);
  std::size_t next = 0;
  for (auto _ : state) {
    const auto& batch = batches[next++ % batches.size()];
    kernels().dot_i8_at(*query, batch.data(), sums.data(), count, dots.data());
    benchmark::ClobberMemory();
  }
  kernels().dot_i8_at(*query, batches[0].data(), sums.data(), count, dots.data());
  report(state, count, dots);
}

// args: dimensions, rows
template <class Element>
void float_scan(State& state) {
  constexpr bool kHalf = sizeof(Element) == 2;
  const auto n = static_cast<std::size_t>(state.range(0));
  const auto count = static_cast<std::size_t>(state.range(1));
  Buffer buffer(n * count * sizeof(Element));
  const std::vector<float> row = normal_floats(n);
  std::vector<std::uint16_t> halves(n);
  kernels().f32_to_f16(row.data(), n, halves.data());
  const void* source = kHalf ? static_cast<const void*>(halves.data()) : row.data();
  const std::size_t stride = n * sizeof(Element);
  for (std::size_t i = 0; i < count; ++i) std::memcpy(buffer.data() + i * stride, source, stride);
  std::vector<float> dots(count);
  const std::vector<float> query = normal_floats(n);
  const auto scan = kHalf ? kernels().dot_f16_rows : kernels().dot_f32_rows;
  const double streaming = streaming_bandwidth(buffer);
  for (auto _ : state) {
    scan(query.data(), n, {buffer.data(), stride, count}, dots.data());
    benchmark::ClobberMemory();
  }
  report(state, count, dots);
  report_bandwidth(state, buffer.bytes(), streaming);
}

void int8_pair(State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const auto query = normal_query(n);
  std::vector<std::int8_t> row(n, 3);
  std::vector<std::int32_t> dot(1);
  for (auto _ : state) {
    dot[0] = kernels().dot_i8(query->codes, row.data(), n);
    benchmark::DoNotOptimize(dot.data());
    benchmark::ClobberMemory();
  }
  report(state, 1, dot);
}

void float_pair(State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const std::vector<float> a = normal_floats(n);
  const std::vector<float> b = normal_floats(n);
  std::vector<float> dot(1);
  for (auto _ : state) {
    dot[0] = kernels().dot_f32(a.data(), b.data(), n);
    benchmark::DoNotOptimize(dot.data());
    benchmark::ClobberMemory();
  }
  report(state, 1, dot);
}

void int8_prepare(State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const auto query = normal_query(n);
  const std::vector<std::int8_t> codes(query->codes, query->codes + n);
  for (auto _ : state) {
    query->assign(codes.data(), n);
    benchmark::ClobberMemory();
  }
  report(state, 1, std::vector<std::int32_t>{query->sum, query->sum_of_squares});
}

void quantise(State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const std::vector<float> x = normal_floats(n);
  std::vector<std::int8_t> codes(n);
  for (auto _ : state) {
    quantize_int8(x.data(), n, codes.data());
    benchmark::ClobberMemory();
  }
  report(state, 1, codes);
}

// The best ten of a stream of scores, in blocks of 1,024; a row is a score.
void top_ten(State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const std::vector<float> scores = normal_floats(count);
  std::vector<Scored<float>> storage(10);
  TopK<float> top(storage);
  for (auto _ : state) {
    top.clear();
    for (std::size_t i = 0; i < count; i += 1024) {
      top.offer_block(scores.data() + i, std::min<std::size_t>(1024, count - i),
                      static_cast<std::uint32_t>(i));
    }
    benchmark::ClobberMemory();
  }
  top.sort();
  report(state, count, storage);
}

BENCHMARK(int8_scan)->ArgNames({"dim", "rows"})->ArgsProduct({{768, 384}, {32, 10000, 300000}});
BENCHMARK(int8_scattered)->ArgNames({"dim", "rows"})->Args({768, 32})->Args({384, 32});
BENCHMARK(float_scan<float>)
    ->Name("float32_scan")
    ->ArgNames({"dim", "rows"})
    ->ArgsProduct({{768, 384}, {8, 10000, 300000}});
BENCHMARK(float_scan<std::uint16_t>)
    ->Name("float16_scan")
    ->ArgNames({"dim", "rows"})
    ->ArgsProduct({{768, 384}, {16, 10000, 300000}});
BENCHMARK(int8_pair)->ArgName("dim")->Arg(768)->Arg(384);
BENCHMARK(float_pair)->ArgName("dim")->Arg(768)->Arg(384);
BENCHMARK(int8_prepare)->ArgName("dim")->Arg(768)->Arg(384);
BENCHMARK(quantise)->ArgName("dim")->Arg(768)->Arg(384);
BENCHMARK(top_ten)->ArgName("scores")->Arg(100000);

}  // namespace

BENCHMARK_MAIN();
