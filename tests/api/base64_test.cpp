#include "api/base64.hpp"

#include <random>

#include <catch2/catch.hpp>

using aeon::api::base64_decode;
using aeon::api::base64_encode;

TEST_CASE("base64 follows the standard's own examples") {
  CHECK(base64_encode("").empty());
  CHECK(base64_encode("f") == "Zg==");
  CHECK(base64_encode("fo") == "Zm8=");
  CHECK(base64_encode("foo") == "Zm9v");
  CHECK(base64_encode("foobar") == "Zm9vYmFy");
}

TEST_CASE("any bytes come back from base64") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (std::size_t size = 0; size < 200; ++size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const auto decoded = base64_decode(base64_encode(bytes));
    REQUIRE(decoded);
    CHECK(*decoded == bytes);
  }
}

TEST_CASE("malformed base64 is refused") {
  for (const char* text : {"Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm 9",
                           "Zm9v\n", "-_-_", "=Zg="}) {
    INFO(text);
    CHECK_FALSE(base64_decode(text));
  }
}
