#include "api/json_line.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include <catch2/catch.hpp>

#include "api/json_object.hpp"

using aeon::api::JsonLine;
using aeon::api::JsonObject;

TEST_CASE("a line names its values in order and escapes what JSON must escape") {
  JsonLine line;
  line.add("id", 7U).add("ok", true).add("text", "a \"b\" \\ \n\r\t \x01\x7f é");
  line.add("empty", std::string_view{}).add("none", std::nan("")).add("half", 0.5);
  CHECK(std::move(line).finish() ==
        "{\"id\":7,\"ok\":true,\"text\":\"a \\\"b\\\" \\\\ \\n\\r\\t \\u0001\\u007f é\","
        "\"empty\":\"\",\"none\":null,\"half\":0.5}");
}

TEST_CASE("floats come back from a line bit for bit") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  std::vector<float> values = {0.0F,
                               -0.0F,
                               0.1F,
                               1e-45F,
                               std::numeric_limits<float>::max(),
                               std::numeric_limits<float>::lowest(),
                               16777216.0F};
  while (values.size() < 5000) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isfinite(value)) values.push_back(value);
  }
  JsonLine line;
  line.add("v", std::span<const float>(values));
  const std::string text = std::move(line).finish();
  const auto object = JsonObject::parse(text);
  REQUIRE(object);
  const auto read = aeon::api::floats_of(object->members().front());
  REQUIRE(read);
  REQUIRE(read->size() == values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    CHECK(std::bit_cast<std::uint32_t>((*read)[i]) == std::bit_cast<std::uint32_t>(values[i]));
  }
}
