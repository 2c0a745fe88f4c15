#include "api/json_object.hpp"

#include <catch2/catch.hpp>

using aeon::Errc;
using aeon::api::JsonObject;

namespace {

Errc error_of(std::string_view text) {
  const auto parsed = JsonObject::parse(text);
  return parsed ? Errc{} : parsed.error().code;
}

}  // namespace

TEST_CASE("an object keeps the exact text of each member") {
  const std::string text =
      R"( { "a" : [1, {"x":"]}"}] , "b\u0041":1.10,"c" : "q\"}" ,"d":{} , "e" : null} )";
  const auto object = JsonObject::parse(text);
  REQUIRE(object);
  REQUIRE(object->members().size() == 5);
  CHECK(object->members()[0].raw == R"([1, {"x":"]}"}])");
  CHECK(object->members()[1].name == "bA");
  CHECK(object->members()[1].raw == "1.10");
  CHECK(object->members()[2].raw == R"("q\"}")");
  CHECK(*aeon::api::string_of(object->members()[2]) == "q\"}");
  CHECK(object->members()[3].raw == "{}");
  CHECK(object->members()[4].raw == "null");
}

TEST_CASE("what is no object is refused with its reason") {
  for (const char* text :
       {"", " ", "[]", "1", "null", "{", "{\"a\":}", "{\"a\":1,}", "{\"a\":1} x", "{\"a\":NaN}",
        "{\"a\":Infinity}", "{'a':1}", "{\"a\":01}", "{\"a\":1,\"a\":2}"}) {
    INFO(text);
    CHECK(error_of(text) == Errc::invalid_json);
  }
  CHECK(error_of("{\"a\":\"\xff\"}") == Errc::invalid_utf8);
  CHECK(error_of("{\"a\":\"\xc0\x80\"}") == Errc::invalid_utf8);
  CHECK(error_of("{\"a\":\"\\ud800\"}") == Errc::invalid_json);
  const std::string deep = "{\"a\":" + std::string(1000, '[') + std::string(1000, ']') + "}";
  CHECK(error_of(deep) == Errc::invalid_json);
}

TEST_CASE("members are read as one type only") {
  const std::string text =
      R"({"s":"x","n":18446744073709551615,"f":1.5,"huge":1e39,"tiny":1e-60,"t":"2025-03-01",)"
      R"("neg":-1,"mix":[1,"2"],"inf":[1e400]})";
  const auto object = JsonObject::parse(text);
  REQUIRE(object);
  const auto at = [&](std::string_view name) { return *object->find(name); };
  CHECK(*aeon::api::unsigned_of(at("n")) == 18446744073709551615ULL);
  CHECK(aeon::api::unsigned_of(at("neg")).error().code == Errc::invalid_json);
  CHECK(aeon::api::unsigned_of(at("f")).error().code == Errc::invalid_json);
  CHECK(*aeon::api::float_of(at("f")) == 1.5F);
  CHECK(aeon::api::float_of(at("huge")).error().code == Errc::not_finite);
  CHECK(*aeon::api::float_of(at("tiny")) == 0.0F);
  CHECK(aeon::api::float_of(at("s")).error().code == Errc::invalid_json);
  CHECK(aeon::api::string_of(at("f")).error().code == Errc::invalid_json);
  CHECK(*aeon::api::time_of(at("neg")) == -1);
  CHECK(*aeon::api::time_of(at("t")) == 1'740'787'200'000'000'000);
  CHECK(aeon::api::time_of(at("s")).error().code == Errc::invalid_argument);
  CHECK(aeon::api::floats_of(at("mix")).error().code == Errc::invalid_json);
  CHECK(aeon::api::floats_of(at("inf")).error().code == Errc::not_finite);
  CHECK(aeon::api::object_of(at("s")).error().code == Errc::invalid_json);
}

TEST_CASE("a vector file is JSON or plain numbers") {
  using aeon::api::parse_floats;
  CHECK(*parse_floats("[1, 2.5,-3e-1]\n") == std::vector<float>{1.0F, 2.5F, -0.3F});
  CHECK(*parse_floats("1 2.5\n-0.3,\n") == std::vector<float>{1.0F, 2.5F, -0.3F});
  CHECK(parse_floats(" ")->empty());
  CHECK(parse_floats("[1,x]").error().code == Errc::invalid_json);
  CHECK(parse_floats("[1,2").error().code == Errc::invalid_json);
  CHECK(parse_floats("nan").error().code == Errc::not_finite);
  CHECK(parse_floats("1e99").error().code == Errc::not_finite);
}
