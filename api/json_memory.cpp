#include "api/json_memory.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "api/base64.hpp"
#include "api/json_line.hpp"
#include "api/time_text.hpp"

namespace aeon::api {
namespace {

// Binds a member's value to a place, or returns the error.
template <typename T>
Status take(Result<T> value, auto& place) {
  if (!value) return std::unexpected(std::move(value).error());
  place = std::move(*value);
  return {};
}

Status read_content(const JsonMember& member, NewMemory& memory) {
  const bool text = member.name == "text";
  memory.content_type = text ? ContentType::text : ContentType::bytes;
  AEON_ASSIGN(std::string content, string_of(member));
  if (text) {
    memory.content = std::move(content);
    return {};
  }
  return take(base64_decode(content), memory.content);
}

Status read_mode(const JsonMember& member, NewMemory& memory) {
  AEON_ASSIGN(const std::string mode, string_of(member));
  if (mode == "upsert") {
    memory.mode = PutMode::upsert;
  } else if (mode == "if_absent") {
    memory.mode = PutMode::if_absent;
  } else if (mode == "if_version") {
    memory.mode = PutMode::if_version;
  } else {
    return wrong_type(member, "upsert, if_absent or if_version");
  }
  return {};
}

Status read_metadata(const JsonMember& member, NewMemory& memory) {
  if (!member.value.is_object()) return wrong_type(member, "an object");
  memory.metadata = std::string(member.raw);
  return {};
}

// [0.1, ...] or {"model": "m", "values": [0.1, ...]}.
Status read_vector(const JsonMember& member, std::string_view space, NewMemory& memory) {
  NewVector vector;
  vector.space = space;
  if (member.value.is_object()) {
    AEON_ASSIGN(const JsonObject object, object_of(member));
    for (const JsonMember& part : object.members()) {
      if (part.name == "model") {
        AEON_TRY(take(string_of(part), vector.model));
      } else if (part.name == "values") {
        AEON_TRY(take(floats_of(part), vector.values));
      } else {
        return wrong_type(member, "an array, or an object of \"model\" and \"values\"");
      }
    }
  } else {
    AEON_TRY(take(floats_of(member), vector.values));
  }
  memory.vectors.push_back(std::move(vector));
  return {};
}

Status read_nameless_vector(const JsonMember& member, NewMemory& memory) {
  return read_vector(member, "", memory);
}

Status read_vectors(const JsonMember& member, NewMemory& memory) {
  AEON_ASSIGN(const JsonObject spaces, object_of(member));
  for (const JsonMember& space : spaces.members()) {
    AEON_TRY(read_vector(space, space.name, memory));
  }
  return {};
}

Status read_target(const JsonMember& member, EdgeLine& edge) {
  if (!member.value.is_object()) return take(unsigned_of(member), edge.to);
  AEON_ASSIGN(const JsonObject target, object_of(member));
  const JsonMember* key = target.find("key");
  if (key == nullptr || target.members().size() != 1) {
    return wrong_type(member, "an id or {\"key\": ...}");
  }
  return take(string_of(*key), edge.to_key);
}

Status read_edge(const JsonMember& element, EdgeLine& edge) {
  AEON_ASSIGN(const JsonObject object, object_of(element));
  for (const JsonMember& part : object.members()) {
    if (part.name == "to") {
      AEON_TRY(read_target(part, edge));
    } else if (part.name == "type") {
      AEON_TRY(take(string_of(part), edge.type));
    } else if (part.name == "weight") {
      AEON_TRY(take(float_of(part), edge.weight));
    } else if (part.name == "valid_from") {
      AEON_TRY(take(time_of(part), edge.valid_from));
    } else if (part.name == "valid_to") {
      AEON_TRY(take(time_of(part), edge.valid_to));
    } else {
      return fail(Errc::invalid_json, fmt::format("an edge has no field \"{}\"", part.name));
    }
  }
  if (edge.to == 0 && edge.to_key.empty()) return wrong_type(element, "edges that name \"to\"");
  if (edge.type.empty()) return wrong_type(element, "edges that name their \"type\"");
  return {};
}

Status read_edges(const JsonMember& member, MemoryLine& line) {
  AEON_ASSIGN(const std::vector<JsonMember> elements, array_of(member));
  for (const JsonMember& element : elements) {
    AEON_TRY(read_edge(element, line.edges.emplace_back()));
  }
  return {};
}

Status read_mentions(const JsonMember& member, NewMemory& memory) {
  AEON_ASSIGN(const std::vector<JsonMember> elements, array_of(member));
  for (const JsonMember& element : elements) {
    AEON_TRY(take(string_of(element), memory.mentions.emplace_back()));
  }
  return {};
}

// ["subject", "relation", "object"].
Status read_triple(const JsonMember& element, Triple& triple) {
  AEON_ASSIGN(const std::vector<JsonMember> parts, array_of(element));
  if (parts.size() != 3) {
    return wrong_type(element, "an array of three strings: subject, relation, object");
  }
  AEON_TRY(take(string_of(parts[0]), triple.subject));
  AEON_TRY(take(string_of(parts[1]), triple.relation));
  return take(string_of(parts[2]), triple.object);
}

Status read_triples(const JsonMember& member, NewMemory& memory) {
  AEON_ASSIGN(const std::vector<JsonMember> elements, array_of(member));
  for (const JsonMember& element : elements) {
    AEON_TRY(read_triple(element, memory.triples.emplace_back()));
  }
  return {};
}

Status ignore(const JsonMember& /*member*/, MemoryLine& /*line*/) { return {}; }

template <auto Place, auto Reader>
Status into(const JsonMember& member, MemoryLine& line) {
  return take(Reader(member), line.memory.*Place);
}

template <auto Reader>
Status in_memory(const JsonMember& member, MemoryLine& line) {
  return Reader(member, line.memory);
}

struct Field {
  std::string_view name;
  Status (*read)(const JsonMember&, MemoryLine&);
};

// "version" and "commit_time" are written by Aeon and say nothing to a put.
constexpr Field kFields[] = {
    {"id", [](const JsonMember& m, MemoryLine& l) { return take(unsigned_of(m), l.id); }},
    {"text", in_memory<read_content>},
    {"bytes", in_memory<read_content>},
    {"tenant", into<&NewMemory::tenant, string_of>},
    {"session", into<&NewMemory::session, string_of>},
    {"kind", into<&NewMemory::kind, string_of>},
    {"mode", in_memory<read_mode>},
    {"expected_version", into<&NewMemory::expected_version, unsigned_of>},
    {"time", into<&NewMemory::event_time, time_of>},
    {"valid_from", into<&NewMemory::valid_from, time_of>},
    {"valid_to", into<&NewMemory::valid_to, time_of>},
    {"expires", into<&NewMemory::expires, time_of>},
    {"importance", into<&NewMemory::importance, float_of>},
    {"language", into<&NewMemory::language, string_of>},
    {"metadata", in_memory<read_metadata>},
    {"metadata_text", into<&NewMemory::metadata, string_of>},
    {"vector", in_memory<read_nameless_vector>},
    {"vectors", in_memory<read_vectors>},
    {"edges", read_edges},
    {"mentions", in_memory<read_mentions>},
    {"triples", in_memory<read_triples>},
    {"find_mentions", into<&NewMemory::find_mentions, bool_of>},
    {"version", ignore},
    {"commit_time", ignore},
};

Status check_key(const JsonMember& member, NewMemory& memory) {
  AEON_TRY(take(string_of(member), memory.key));
  if (memory.key.empty() || memory.key.size() > kMaxKeyBytes) {
    return fail(Errc::invalid_key,
                fmt::format("\"key\" has {} bytes; give it 1 to {}, or leave it out",
                            memory.key.size(), kMaxKeyBytes));
  }
  return {};
}

Status read_field(const JsonMember& member, MemoryLine& line) {
  if (member.name == "key") return check_key(member, line.memory);
  if (member.name == "model") return {};  // belongs to "vector", read after it
  for (const Field& field : kFields) {
    if (field.name == member.name) return field.read(member, line);
  }
  return fail(Errc::invalid_json,
              fmt::format("a memory has no field \"{}\"; see `aeon put --help` for those it has",
                          member.name));
}

// A memory without any content would be remembered as nothing.
Status check_whole(const JsonObject& object, MemoryLine& line) {
  const bool text = object.find("text") != nullptr;
  const bool bytes = object.find("bytes") != nullptr;
  const JsonMember* metadata_text = object.find("metadata_text");
  if (text && bytes) return fail(Errc::invalid_json, "give \"text\" or \"bytes\", not both");
  if (metadata_text != nullptr && object.find("metadata") != nullptr) {
    return wrong_type(*metadata_text, "left out where \"metadata\" is given");
  }
  if (!text && !bytes && line.memory.vectors.empty() && line.memory.metadata.empty()) {
    return fail(Errc::invalid_json, "nothing to remember; give \"text\", \"bytes\" or a vector");
  }
  if (const JsonMember* model = object.find("model")) {
    const auto nameless = std::ranges::find(line.memory.vectors, "", &NewVector::space);
    if (nameless == line.memory.vectors.end()) return wrong_type(*model, "beside \"vector\"");
    AEON_TRY(take(string_of(*model), nameless->model));
  }
  return {};
}

void add_time(JsonLine& line, std::string_view name, TimeNs time, TimeNs unless) {
  if (time != unless) line.add(name, time_text(time));
}

void add_named(JsonLine& line, std::string_view name, const std::string& text) {
  if (!text.empty()) line.add(name, text);
}

void add_vectors(JsonLine& line, const Memory& memory) {
  if (memory.vectors.empty()) return;
  JsonLine spaces;
  for (const Memory::Vector& vector : memory.vectors) {
    JsonLine parts;
    add_named(parts, "model", vector.model);
    parts.add("values", std::span<const float>(vector.values));
    spaces.add_raw(vector.space, std::move(parts).finish());
  }
  line.add_raw("vectors", std::move(spaces).finish());
}

}  // namespace

Status parse_memory(std::string_view text, MemoryLine& line) {
  AEON_ASSIGN(const JsonObject object, JsonObject::parse(text));
  return read_memory(object, line);
}

Status read_memory(const JsonObject& object, MemoryLine& line) {
  for (const JsonMember& member : object.members()) AEON_TRY(read_field(member, line));
  return check_whole(object, line);
}

Status fill_vectors(NewMemory& memory, std::span<const SpaceSpec> spaces) {
  for (NewVector& vector : memory.vectors) {
    if (vector.space.empty()) {
      const auto given = [](const SpaceSpec& space) { return space.model != kLexicalModel; };
      const auto count = std::ranges::count_if(spaces, given);
      if (count > 1 || (count == 0 && spaces.size() != 1)) {
        return fail(Errc::unknown_space,
                    "\"vector\" names no space and several could be meant; write \"vectors\": "
                    "{\"SPACE\": [...]}");
      }
      vector.space = count == 1 ? std::ranges::find_if(spaces, given)->name : spaces.front().name;
    }
    const auto space = std::ranges::find(spaces, vector.space, &SpaceSpec::name);
    if (vector.model.empty() && space != spaces.end()) vector.model = space->model;
  }
  return {};
}

std::string memory_json(const Memory& memory) {
  JsonLine line;
  line.add("id", memory.id).add("version", memory.version);
  add_named(line, "tenant", memory.tenant);
  add_named(line, "session", memory.session);
  line.add("kind", memory.kind);
  add_named(line, "key", memory.key);
  line.add("time", time_text(memory.event_time)).add("commit_time", time_text(memory.commit_time));
  add_time(line, "valid_from", memory.valid_from, kBeginningOfTime);
  add_time(line, "valid_to", memory.valid_to, kEndOfTime);
  add_time(line, "expires", memory.expires, kEndOfTime);
  line.add("importance", memory.importance);
  if (memory.language != "english") add_named(line, "language", memory.language);
  if (memory.content_type == ContentType::text) {
    line.add("text", memory.content);
  } else {
    line.add("bytes", base64_encode(memory.content));
  }
  // Line breaks between the parts of metadata are legal JSON, but would break this line.
  if (memory.metadata.find_first_of("\r\n") != std::string::npos) {
    line.add("metadata_text", memory.metadata);
  } else if (!memory.metadata.empty()) {
    line.add_raw("metadata", memory.metadata);
  }
  add_vectors(line, memory);
  return std::move(line).finish();
}

}  // namespace aeon::api
