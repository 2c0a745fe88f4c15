// A short fixed run of the LogReader fuzzer: a few real logs, whole and with seeded changes. With
// AEON_FUZZ_CORPUS=DIR the unchanged inputs are also written there, to start the fuzzer from.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>

#include <catch2/catch.hpp>

#include "storage/codec.hpp"
#include "tests/sim/sim_os.hpp"
#include "tests/wal/log_fixture.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

using namespace aeon;
using namespace aeon::test;

namespace {

constexpr std::size_t kSplit = 24576;  // as in log_reader_fuzz.cpp

// Logs of one and two files, closed and not, behind each mode byte.
std::vector<std::string> corpus() {
  SimOs os(1);
  must(os.make_directory("/p"));
  Log log(os, "/p");
  log.create();
  auto writer = log.writer();
  std::vector<std::string> logs;
  const auto snapshot = [&] {
    std::string bytes = os.contents(log.path(1)).substr(0, kSplit);
    if (os.exists(log.path(2))) bytes += os.contents(log.path(2)).substr(0, 12288);
    logs.push_back(std::move(bytes));
  };
  must(log.append(*writer, {"one", ""}));
  snapshot();
  must(writer->sync());
  must(log.append(*writer, {payload_of(3, 3000)}));
  must(writer->append_close(storage::as_bytes("closed")));
  snapshot();
  must(writer->rotate(wal::Urgency::ordinary, wal::FileSource::fresh));
  must(log.append(*writer, {"after"}));
  must(writer->sync());
  must(log.append(*writer, {"last"}));
  snapshot();
  std::vector<std::string> inputs;
  for (const std::string& bytes : logs) {
    for (const int mode : {0, 1, 17, 19, 23, 31}) {
      inputs.push_back(static_cast<char>(mode) + bytes);
    }
  }
  return inputs;
}

void feed(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

}  // namespace

TEST_CASE("the reader survives real logs and seeded changes of them") {
  const char* directory = std::getenv("AEON_FUZZ_CORPUS");
  const auto inputs = corpus();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    feed(inputs[i]);
    if (directory == nullptr) continue;
    const std::string path = directory + ("/log-" + std::to_string(i));
    replace(storage::real_os(), path, inputs[i]);
  }
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 600; ++round) {
    std::string input = inputs[random() % inputs.size()];
    for (auto changes = 1 + random() % 6; changes-- > 0;) {
      // Mostly where frames and heads lie.
      const std::size_t span =
          random() % 4 == 0 ? input.size() : std::min<std::size_t>(input.size(), 8800);
      const std::size_t at = random() % span;
      switch (random() % 4) {
        case 0: input[at] = static_cast<char>(random()); break;
        case 1: input[at] = static_cast<char>(input[at] ^ (1 << random() % 8)); break;
        case 2: input.resize(at + 1); break;
        default: {
          // A piece of the input written to another place.
          const std::size_t count = std::min<std::size_t>(random() % 600, input.size() - at);
          const std::string piece = input.substr(random() % input.size(), count);
          input.replace(at, piece.size(), piece);
        }
      }
    }
    feed(input);
  }
  SUCCEED();
}
