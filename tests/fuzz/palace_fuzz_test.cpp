// A short fixed run of one of the fuzz targets that read what a palace writes: its inputs whole,
// and with seeded changes. The inputs are AEON_FUZZ_INPUTS, set where the test is built. With
// AEON_FUZZ_CORPUS=DIR the unchanged inputs are also written there, to start the fuzzer from.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <random>

#include <catch2/catch.hpp>

#include "tests/fuzz/palace_corpus.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

using namespace aeon;

namespace {

void feed(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::string change(std::string input, const std::string& other, std::mt19937_64& random) {
  for (auto changes = 1 + random() % 6; changes-- > 0 && !input.empty();) {
    const std::size_t at = random() % input.size();
    switch (random() % 5) {
      case 0: input[at] = static_cast<char>(random()); break;
      case 1: input[at] = static_cast<char>(input[at] ^ (1 << random() % 8)); break;
      case 2: input.resize(at + 1); break;
      case 3: {  // a number that is far too large
        for (std::size_t i = at; i < std::min(at + 4, input.size()); ++i) input[i] = '\xff';
        break;
      }
      default: {  // a piece of another input
        const std::size_t count = std::min<std::size_t>(random() % 300, input.size() - at);
        const std::string piece = other.substr(random() % other.size(), count);
        input.replace(at, piece.size(), piece);
      }
    }
  }
  return input;
}

}  // namespace

TEST_CASE("a reader survives what a palace wrote and seeded changes of it") {
  const auto corpus = test::make_palace_corpus();
  const auto& inputs = corpus.AEON_FUZZ_INPUTS;
  REQUIRE_FALSE(inputs.empty());
  const char* directory = std::getenv("AEON_FUZZ_CORPUS");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    REQUIRE_FALSE(inputs[i].empty());
    feed(inputs[i]);
    if (directory == nullptr) continue;
    std::ofstream file(directory + ("/palace-" + std::to_string(i)), std::ios::binary);
    file << inputs[i];
  }
  const char* fixed = std::getenv("AEON_FUZZ_SEED");
  const std::uint64_t seed = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : 1;
  std::mt19937_64 random(seed);
  for (int round = 0; round < 1500; ++round) {
    INFO("again: AEON_FUZZ_SEED=" << seed << ", round " << round);
    const std::string& input = inputs[random() % inputs.size()];
    feed(change(input, inputs[random() % inputs.size()], random));
  }
  SUCCEED();
}
