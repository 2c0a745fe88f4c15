#include "api/cli/bench_machine.hpp"

#include <algorithm>
#include <filesystem>
#include <thread>

#include "api/cli/files.hpp"

namespace aeon::cli {

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

BatchSource::BatchSource(const BenchMemories& shape, std::uint64_t seed)
    : shape_(shape), random_(seed) {
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < kPool; ++i) {
    std::string& text = texts_.emplace_back(shape.content_bytes, ' ');
    for (char& c : text) c = static_cast<char>('a' + random_() % 26);
    std::vector<float>& vector = vectors_.emplace_back(shape.dimension);
    for (float& value : vector) value = normal(random_);
  }
}

std::vector<float> BatchSource::next_vector() {
  const std::uint64_t number = random_();
  std::vector<float> vector = vectors_[number % kPool];
  if (!vector.empty()) vector[number / kPool % vector.size()] += 1.0F;
  return vector;
}

Batch BatchSource::next() {
  Batch batch;
  for (std::uint32_t i = 0; i < shape_.batch; ++i) {
    const std::uint64_t number = random_();
    NewMemory memory;
    memory.content = texts_[number % kPool];
    memory.embed = false;
    for (std::size_t at = 0; at < 8 && at < memory.content.size(); ++at) {
      memory.content[at] = static_cast<char>('a' + (number >> (8 * at)) % 26);
    }
    if (shape_.dimension > 0) {
      NewVector& vector = memory.vectors.emplace_back();
      vector.space = kBenchSpace;
      vector.values = next_vector();
    }
    batch.remember(std::move(memory));
  }
  return batch;
}

unsigned cores() { return std::max(1U, std::thread::hardware_concurrency()); }

std::string cpu_model() {
  constexpr std::string_view kName = "model name";
  const auto text = read_file("/proc/cpuinfo", 4U << 20);
  const std::size_t line = text ? text->find(kName) : std::string::npos;
  if (line == std::string::npos) return "unknown";
  const std::size_t start = text->find_first_not_of(": \t", line + kName.size());
  return text->substr(start, text->find('\n', start) - start);
}

void add_machine(api::JsonLine& line, const std::string& simd) {
  line.add("cpu", cpu_model()).add("simd", simd).add("git", AEON_GIT_COMMIT);
}

}  // namespace aeon::cli
