#include "storage/key_order.hpp"

#include <random>
#include <string>

#include <catch2/catch.hpp>

TEST_CASE("keys are ordered as string views are, whatever their length and where they differ") {
  std::mt19937_64 random(1);
  const auto sign = [](int order) { return (order > 0) - (order < 0); };
  int equal = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string a(random() % 40, '\0');
    for (char& c : a) c = static_cast<char>(random());
    std::string b = a;
    if (random() % 4 != 0 && !b.empty()) b[random() % b.size()] = static_cast<char>(random());
    if (random() % 4 == 0) b.resize(random() % 40, static_cast<char>(random()));
    INFO("round " << i);
    const std::string_view view = a;
    equal += a == b;
    REQUIRE(sign(aeon::storage::compare_keys(a, b)) == sign(view.compare(b)));
    REQUIRE(sign(aeon::storage::compare_keys(b, a)) == -sign(view.compare(b)));
  }
  REQUIRE(equal > 1000);
}
