// Makes random commits for a palace that says what a model says: everything that a batch may hold,
// and now and then one thing that must have the whole of it refused.
#pragma once

#include <random>

#include "tests/model/model.hpp"

namespace aeon::test {

struct BatchSettings {
  std::size_t memories = 60;  // about how many stay visible
  unsigned refused_in = 6;    // one batch in so many is to be refused; 0: none
  unsigned large_in = 60;     // one content in so many has tens of thousands of bytes
  unsigned erase_in = 4;      // one memory in so many that end is erased, not forgotten; 0: none
  bool times = false;         // every memory has an event time of its own
};

class BatchMaker {
 public:
  explicit BatchMaker(std::uint64_t seed, const BatchSettings& settings = {})
      : random_(seed), settings_(settings) {}

  // The spaces to create a palace with: every metric and precision, with and without the
  // embedder's.
  [[nodiscard]] std::vector<SpaceSpec> spaces();
  [[nodiscard]] Batch next(const Model& model);

 private:
  unsigned pick(std::size_t below) { return static_cast<unsigned>(random_() % below); }
  template <typename Map>
  const auto& any_of(const Map& map) {
    auto at = map.begin();
    std::advance(at, pick(map.size()));
    return *at;
  }

  void add_good(const Model& model, Batch& batch);
  void add_edge(const Model& model, Batch& batch);
  void add_bad(const Model& model, Batch& batch);
  void add_bad_memory(const Model& model, Batch& batch);
  void add_bad_vector(const Model& model, Batch& batch);
  void add_bad_reference(const Model& model, Batch& batch);
  NewMemory memory(const Model& model);
  NewMemory revision(const Model& model);
  NewMemory plain(const Model& model);
  std::string content();
  NewVector vector(const SpaceSpec& spec);
  MemoryRef anyone(const Model& model);
  TimeNs time();

  std::mt19937_64 random_;
  const BatchSettings settings_;
  std::uint32_t made_ = 0;  // remembered by the batch so far
};

}  // namespace aeon::test
