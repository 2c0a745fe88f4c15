// What every bench needs around its figures: a directory for the time being, made-up memories, and
// the words that say which machine and which source a figure is of.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "api/json_line.hpp"
#include "engine/model.hpp"

namespace aeon::cli {

// A directory that goes, with all that is in it, at the end of its scope.
class Scratch {
 public:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The space of the memories that benches make.
inline constexpr std::string_view kBenchSpace = "bench";

struct BenchMemories {
  std::uint32_t batch = 1;        // memories a commit
  std::uint32_t dimension = 384;  // 0: no vectors
  std::uint32_t content_bytes = 1024;
};

// Makes batches cheaply, so that a round's time is the palace's: vectors and texts come from a
// small pool, each with one part made new.
class BatchSource {
 public:
  BatchSource(const BenchMemories& shape, std::uint64_t seed);
  [[nodiscard]] Batch next();
  // A vector as the memories have them.
  [[nodiscard]] std::vector<float> next_vector();

 private:
  static constexpr std::size_t kPool = 64;
  BenchMemories shape_;
  std::mt19937_64 random_;
  std::vector<std::string> texts_;
  std::vector<std::vector<float>> vectors_;
};

[[nodiscard]] unsigned cores();  // at least 1
[[nodiscard]] std::string cpu_model();
// Adds "cpu", "simd" and "git".
void add_machine(api::JsonLine& line, const std::string& simd);

}  // namespace aeon::cli
