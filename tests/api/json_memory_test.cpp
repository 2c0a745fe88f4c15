#include "api/json_memory.hpp"

#include <catch2/catch.hpp>

using namespace aeon;
using api::MemoryLine;
using api::parse_memory;

namespace {

Errc error_of(std::string_view text) {
  MemoryLine line;
  const auto parsed = parse_memory(text, line);
  return parsed ? Errc{} : parsed.error().code;
}

NewMemory as_new(const Memory& memory) {
  MemoryLine line;
  REQUIRE(parse_memory(api::memory_json(memory), line));
  CHECK(line.id == memory.id);
  return line.memory;
}

}  // namespace

TEST_CASE("every field of a line reaches its place") {
  MemoryLine line;
  line.memory.tenant = "preset";
  line.memory.session = "kept";
  REQUIRE(parse_memory(
      R"({"id":9,"text":"hé","key":"k","tenant":"t","kind":"event","time":"1970-01-01T00:00:01Z",)"
      R"("valid_from":5,"valid_to":"1970-01-02","expires":77,"importance":0.25,)"
      R"("metadata":{"a" : 1.10},"vector":[1,2],"model":"m","vectors":{"s":[3]},)"
      R"("mode":"if_version","expected_version":4,"edges":[{"to":3,"type":"mentions"},)"
      R"({"to":{"key":"x"},"type":"caused_by","weight":0.5,"valid_from":1,"valid_to":2}]})",
      line));
  const NewMemory& memory = line.memory;
  CHECK(line.id == 9);
  CHECK(memory.content == "hé");
  CHECK(memory.content_type == ContentType::text);
  CHECK(memory.key == "k");
  CHECK(memory.tenant == "t");
  CHECK(memory.session == "kept");
  CHECK(memory.kind == "event");
  CHECK(memory.event_time == 1'000'000'000);
  CHECK(memory.valid_from == 5);
  CHECK(memory.valid_to == 86'400'000'000'000);
  CHECK(memory.expires == 77);
  CHECK(memory.importance == 0.25F);
  CHECK(memory.metadata == R"({"a" : 1.10})");
  CHECK(memory.mode == PutMode::if_version);
  CHECK(memory.expected_version == 4);
  REQUIRE(memory.vectors.size() == 2);
  CHECK(memory.vectors[0].space.empty());
  CHECK(memory.vectors[0].model == "m");
  CHECK(memory.vectors[0].values == std::vector<float>{1, 2});
  CHECK(memory.vectors[1].space == "s");
  REQUIRE(line.edges.size() == 2);
  CHECK(line.edges[0].to == 3);
  CHECK(line.edges[0].weight == 1.0F);
  CHECK(line.edges[1].to_key == "x");
  CHECK(line.edges[1].type == "caused_by");
  CHECK(line.edges[1].valid_to == 2);
}

TEST_CASE("a line that can't be remembered as meant is refused") {
  CHECK(error_of(R"({"text":"a"})") == Errc{});
  for (const char* text :
       {R"({})", R"({"txet":"a"})", R"({"text":"a","bytes":"YQ=="})", R"({"text":1})",
        R"({"text":"a","mode":"maybe"})", R"({"text":"a","metadata":[]})",
        R"({"text":"a","model":"m"})", R"({"text":"a","edges":[{"type":"x"}]})",
        R"({"text":"a","edges":[{"to":1}]})", R"({"text":"a","edges":[{"to":1,"typ":"x"}]})",
        R"({"text":"a","vectors":{"s":{"value":[1]}}})", R"({"text":"a","vectors":[1]})",
        R"({"text":"a","metadata":{},"metadata_text":"{}"})", R"({"text":"a","id":-1})"}) {
    INFO(text);
    CHECK(error_of(text) == Errc::invalid_json);
  }
  CHECK(error_of(R"({"text":"a","key":""})") == Errc::invalid_key);
  CHECK(error_of(R"({"text":"a","key":")" + std::string(1025, 'k') + "\"}") == Errc::invalid_key);
  CHECK(error_of(R"({"text":"a","time":"soon"})") == Errc::invalid_argument);
  CHECK(error_of(R"({"bytes":"a"})") == Errc::invalid_argument);
  CHECK(error_of(R"({"text":"a","vector":[1e99]})") == Errc::not_finite);
}

TEST_CASE("a vector without a space goes to the one that can be meant") {
  const SpaceSpec lexical{"text", 384, Metric::cosine, Precision::float16,
                          std::string(kLexicalModel)};
  const SpaceSpec other{"mine", 2, Metric::cosine, Precision::float16, "my-model"};
  const SpaceSpec third{"more", 2, Metric::cosine, Precision::float16, "m"};
  const auto space_of = [](std::vector<SpaceSpec> spaces) -> std::string {
    NewMemory memory;
    memory.vectors.push_back({"", {1, 2}, ""});
    if (!api::fill_vectors(memory, spaces)) return "refused";
    return memory.vectors[0].space + "/" + memory.vectors[0].model;
  };
  CHECK(space_of({lexical, other}) == "mine/my-model");
  CHECK(space_of({other}) == "mine/my-model");
  CHECK(space_of({lexical}) == "text/aeon-lexical-1");
  CHECK(space_of({lexical, other, third}) == "refused");
  CHECK(space_of({}) == "refused");
}

TEST_CASE("a memory comes back from its line") {
  Memory memory{.id = 5,
                .version = 8,
                .tenant = "t",
                .session = "s",
                .kind = "fact",
                .key = "k",
                .content = "line\nbreak \"q\" \x01",
                .metadata = R"({"n":1.10})",
                .event_time = 123456789,
                .commit_time = 99,
                .valid_from = -7,
                .valid_to = 9,
                .expires = 1000,
                .importance = 0.1F,
                .vectors = {}};
  memory.vectors.push_back({"a", "m", {0.1F, -2.5e-8F}});
  memory.vectors.push_back({"b", "", {3.0F}});
  const NewMemory back = as_new(memory);
  CHECK(back.tenant == memory.tenant);
  CHECK(back.session == memory.session);
  CHECK(back.kind == memory.kind);
  CHECK(back.key == memory.key);
  CHECK(back.content == memory.content);
  CHECK(back.metadata == memory.metadata);
  CHECK(back.event_time == memory.event_time);
  CHECK(back.valid_from == memory.valid_from);
  CHECK(back.valid_to == memory.valid_to);
  CHECK(back.expires == memory.expires);
  CHECK(back.importance == memory.importance);
  REQUIRE(back.vectors.size() == 2);
  CHECK(back.vectors[0].values == memory.vectors[0].values);
  CHECK(back.vectors[0].model == "m");
  CHECK(back.vectors[1].space == "b");
}

TEST_CASE("bytes and many-line metadata stay on one line and come back") {
  Memory memory;
  memory.content_type = ContentType::bytes;
  memory.content = std::string("\0\xff\n", 3);
  memory.metadata = "{\n  \"a\": 1\n}";
  CHECK(api::memory_json(memory).find('\n') == std::string::npos);
  const NewMemory back = as_new(memory);
  CHECK(back.content_type == ContentType::bytes);
  CHECK(back.content == memory.content);
  CHECK(back.metadata == memory.metadata);
  CHECK(back.valid_from == kBeginningOfTime);
  CHECK(back.expires == kEndOfTime);
}
