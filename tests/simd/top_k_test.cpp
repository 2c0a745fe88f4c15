#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <numeric>

#include "guarded_buffer.hpp"
#include "samples.hpp"
#include "simd/top_k.hpp"

namespace aeon::simd::test {
namespace {

template <class Score>
std::vector<Scored<Score>> best_by_sorting(const std::vector<Score>& scores, std::size_t k) {
  std::vector<Scored<Score>> all;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] == scores[i]) all.push_back({scores[i], static_cast<std::uint32_t>(i)});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.score != b.score ? a.score > b.score : a.index < b.index;
  });
  all.resize(std::min(k, all.size()));
  return all;
}

// Offers the scores block by block, the blocks in the order given.
template <class Score>
std::vector<Scored<Score>> best_by_blocks(const Kernels& table, const std::vector<Score>& scores,
                                          std::size_t k, std::size_t block, bool backwards) {
  std::vector<Scored<Score>> storage(k);
  TopK<Score> top(storage, table);
  const std::size_t blocks = (scores.size() + block - 1) / block;
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::size_t first = (backwards ? blocks - 1 - b : b) * block;
    const std::size_t count = std::min(block, scores.size() - first);
    top.offer_block(scores.data() + first, count, static_cast<std::uint32_t>(first));
  }
  const auto sorted = top.sort();
  return {sorted.begin(), sorted.end()};
}

template <class Score, class Draw>
void check_stream(Random& random, const Draw& draw) {
  const std::size_t n = random() % 2000;
  std::vector<Score> scores(n);
  for (Score& score : scores) score = draw();
  for (const std::size_t k :
       {std::size_t{0}, std::size_t{1}, std::size_t{10}, std::size_t{64}, n + 3}) {
    const auto expected = best_by_sorting(scores, k);
    for (const Kernels* table : available_kernels()) {
      INFO("table " << table->name << " n " << n << " k " << k);
      const std::size_t block = 1 + random() % 700;
      if (best_by_blocks(*table, scores, k, block, false) != expected) FAIL("forwards");
      if (best_by_blocks(*table, scores, k, block, true) != expected) FAIL("backwards");
    }
  }
}

TEST_CASE("the k best of a stream are those of a full sort, ties to the lower index") {
  constexpr std::uint64_t kSeed = 909;
  INFO("seed " << kSeed);
  Random random(kSeed);
  for (int round = 0; round < 60; ++round) {
    const int range = round % 3 == 0 ? 5 : 1000000;
    check_stream<std::int32_t>(random, [&] { return random_int(random, -range, range); });
    check_stream<float>(
        random, [&] { return static_cast<float>(random_int(random, -range, range)) * 0.25F; });
  }
}

TEST_CASE("the lowest scores and NaN are handled: kept while there is room, and never") {
  constexpr std::uint64_t kSeed = 910;
  INFO("seed " << kSeed);
  Random random(kSeed);
  constexpr auto kLowest = std::numeric_limits<std::int32_t>::lowest();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float floats[] = {-kInfinity, std::numeric_limits<float>::lowest(),    0.0F,
                          -0.0F,      std::numeric_limits<float>::quiet_NaN(), kInfinity};
  for (int round = 0; round < 60; ++round) {
    check_stream<std::int32_t>(random, [&] { return kLowest + random_int(random, 0, 2); });
    check_stream<float>(random, [&] { return floats[random_int(random, 0, 5 - round % 2)]; });
  }
}

TEST_CASE("offer says whether the pair was kept, and worst() is the next to go") {
  Scored<float> storage[2];
  TopK<float> top(storage);
  CHECK(top.offer(1.0F, 7));
  CHECK_FALSE(top.full());
  CHECK(top.offer(3.0F, 8));
  CHECK(top.full());
  CHECK(top.worst() == Scored<float>{1.0F, 7});
  CHECK_FALSE(top.offer(1.0F, 9));
  CHECK(top.offer(1.0F, 2));
  CHECK(top.worst() == Scored<float>{1.0F, 2});
  CHECK(top.offer(2.0F, 10));
  const auto sorted = top.sort();
  REQUIRE(sorted.size() == 2);
  CHECK(sorted[0] == Scored<float>{3.0F, 8});
  CHECK(sorted[1] == Scored<float>{2.0F, 10});
  top.clear();
  CHECK(top.size() == 0);
}

template <class Score>
void check_select(std::size_t (*select)(const Score*, std::size_t, Score, std::uint32_t*) noexcept,
                  GuardedBuffer& in, GuardedBuffer& out, const std::vector<Score>& scores,
                  Score threshold) {
  std::vector<std::uint32_t> expected;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > threshold) expected.push_back(static_cast<std::uint32_t>(i));
  }
  auto* positions = reinterpret_cast<std::uint32_t*>(out.end()) - scores.size();
  const Score* guarded = in.put_at_end(scores.data(), scores.size());
  const std::size_t found = select(guarded, scores.size(), threshold, positions);
  const std::vector<std::uint32_t> actual(positions, positions + found);
  if (actual != expected) FAIL("n " << scores.size() << " threshold " << threshold);
}

TEST_CASE("select_above writes the positions above a threshold, in order, within its arrays") {
  constexpr std::uint64_t kSeed = 911;
  INFO("seed " << kSeed);
  Random random(kSeed);
  GuardedBuffer in(4096);
  GuardedBuffer out(4096);
  for (const Kernels* table : available_kernels()) {
    INFO("table " << table->name);
    for (std::size_t n = 0; n <= 200; ++n) {
      for (const int threshold : {-10, 0, 8, 9, 11}) {
        std::vector<std::int32_t> ints(n);
        std::vector<float> floats(n);
        for (std::size_t i = 0; i < n; ++i) {
          ints[i] = random_int(random, -10, 10);
          floats[i] = static_cast<float>(ints[i]);
          if (random() % 20 == 0) floats[i] = std::numeric_limits<float>::quiet_NaN();
        }
        check_select<std::int32_t>(table->select_above_i32, in, out, ints, threshold);
        check_select<float>(table->select_above_f32, in, out, floats,
                            static_cast<float>(threshold));
      }
    }
  }
}

}  // namespace
}  // namespace aeon::simd::test
