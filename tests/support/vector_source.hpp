// Rows and queries of one distribution, made from a seed.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace aeon::test {

enum class Layout { clustered, uniform, copies, by_topic };

class VectorSource {
 public:
  VectorSource(Layout layout, std::uint32_t dimension, std::uint64_t seed)
      : layout_(layout), dimension_(dimension), random_(seed) {
    std::mt19937_64 fixed(1);
    centres_.resize(60);
    for (auto& centre : centres_) centre = gaussian(fixed, 1.0F);
  }
  // clustered: around one of 60 centres; by_topic: 200 of one centre after the other; copies: two
  // rows of three are a centre itself; uniform: in every direction alike.
  std::vector<float> next() {
    std::vector<float> values = gaussian(random_, layout_ == Layout::uniform ? 1.0F : 0.4F);
    if (layout_ == Layout::uniform) return values;
    const std::size_t topic = layout_ == Layout::by_topic ? made_ / 200 : random_();
    const auto& centre = centres_[topic % centres_.size()];
    if (layout_ == Layout::copies && made_ % 3 != 0) values.assign(dimension_, 0.0F);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += centre[i];
    ++made_;
    return values;
  }

 private:
  std::vector<float> gaussian(std::mt19937_64& random, float width) const {
    std::normal_distribution<float> normal(0, width);
    std::vector<float> values(dimension_);
    for (float& value : values) value = normal(random);
    return values;
  }
  Layout layout_;
  std::uint32_t dimension_;
  std::mt19937_64 random_;
  std::size_t made_ = 0;
  std::vector<std::vector<float>> centres_;
};

}  // namespace aeon::test
