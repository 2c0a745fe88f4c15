// Runs a fuzz target over the files of a folder, and over every prefix and some flips of each.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

void run_around(const std::string& seed) {
  for (std::size_t size = 0; size <= seed.size(); ++size) run(seed.substr(0, size));
  for (std::size_t i = 0; i < seed.size(); ++i) {
    for (const int flip : {0x01, 0x20, 0x80}) {
      std::string changed = seed;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      run(changed);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  int seeds = 0;
  if (argc == 2) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
      std::ifstream file(entry.path(), std::ios::binary);
      run_around({std::istreambuf_iterator<char>(file), {}});
      ++seeds;
    }
  }
  std::printf("%d seeds\n", seeds);
  return seeds > 0 ? 0 : 1;
}
