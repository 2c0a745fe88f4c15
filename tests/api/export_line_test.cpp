#include "api/export_line.hpp"

#include <catch2/catch.hpp>

using namespace aeon;

namespace {

template <typename T>
T read(const std::string& text) {
  INFO(text);
  auto line = api::parse_export_line(text);
  REQUIRE(line);
  REQUIRE(std::holds_alternative<T>(*line));
  return std::get<T>(std::move(*line));
}

Errc error_of(const std::string& text) {
  const auto line = api::parse_export_line(text);
  return line ? Errc{} : line.error().code;
}

}  // namespace

TEST_CASE("each kind of exported line comes back as itself") {
  const SpaceSpec space{"s", 8, Metric::l2, Precision::int8, "m:1"};
  const auto header = read<api::ExportHeader>(api::header_line({42, {space, space}}));
  CHECK(header.commit == 42);
  REQUIRE(header.spaces.size() == 2);
  CHECK(api::space_json(header.spaces[1]) == api::space_json(space));
  CHECK(read<CreateTenant>(api::tenant_line("a \"b\"")).name == "a \"b\"");
  const Edge edge{3, 4, "mentions", 0.1F, -5, kEndOfTime, 0};
  const Edge back = read<Edge>(api::edge_line(edge));
  CHECK(back.from == 3);
  CHECK(back.to == 4);
  CHECK(back.type == "mentions");
  CHECK(back.weight == 0.1F);
  CHECK(back.valid_from == -5);
  CHECK(back.valid_to == kEndOfTime);
  CHECK(read<api::MemoryLine>(R"({"id":7,"text":"x"})").id == 7);
}

TEST_CASE("an export of a later version is refused by name") {
  CHECK(error_of(R"({"aeon_export":2})") == Errc::newer_format);
}

TEST_CASE("malformed export lines are refused") {
  for (const char* text :
       {R"({"aeon_export":1,"spaces":{}})", R"({"edge":{"from":1,"to":2}})", R"({"edge":3})",
        R"({"edge":{"from":0,"to":2,"type":"x"}})", R"({"create_tenant":{}})", R"({"other":1})",
        R"({"aeon_export":1,"spaces":[{"name":"a","size":2}]})"}) {
    INFO(text);
    CHECK(error_of(text) == Errc::invalid_json);
  }
  CHECK(error_of(R"({"aeon_export":1,"spaces":[{"metric":"far"}]})") == Errc::invalid_argument);
}
