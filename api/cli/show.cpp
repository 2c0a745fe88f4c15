#include "api/cli/show.hpp"

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/json_line.hpp"
#include "api/terminal_text.hpp"
#include "api/time_text.hpp"

namespace aeon::cli {
namespace {

void add_field(std::string& out, std::string_view name, std::string_view text) {
  if (!text.empty()) out += fmt::format("\n  {}: {}", name, api::terminal_text(text));
}

void add_time(std::string& out, std::string_view name, TimeNs time, TimeNs unless) {
  if (time != unless) add_field(out, name, api::time_text(time));
}

}  // namespace

std::string content_text(const Memory& memory, std::size_t columns) {
  if (memory.content_type == ContentType::bytes) {
    return fmt::format("({} bytes)", memory.content.size());
  }
  return api::terminal_text(memory.content, columns);
}

void print_damage(bool json, const Damage& damage) {
  if (!json) {
    return print(fmt::format("damaged: {} at byte {}, {} bytes: {}", damage.file, damage.offset,
                             damage.bytes, damage.what));
  }
  api::JsonLine line;
  line.add("damaged", damage.file).add("offset", damage.offset).add("bytes", damage.bytes);
  line.add("what", damage.what);
  print(std::move(line).finish());
}

std::string origin_text(const Memory& memory) {
  const std::string time = api::time_text(memory.event_time);
  if (memory.session.empty()) return time;
  return fmt::format("{}, {}", api::terminal_text(memory.session, 60), time);
}

std::string memory_text(const Memory& memory) {
  std::string out = fmt::format("{} {}, version {}, {}", api::terminal_text(memory.kind, 40),
                                memory.id, memory.version, api::time_text(memory.event_time));
  add_field(out, "tenant", memory.tenant);
  add_field(out, "session", memory.session);
  add_field(out, "key", memory.key);
  add_time(out, "valid from", memory.valid_from, kBeginningOfTime);
  add_time(out, "valid to", memory.valid_to, kEndOfTime);
  add_time(out, "expires", memory.expires, kEndOfTime);
  add_field(out, "metadata", memory.metadata);
  for (const Memory::Vector& vector : memory.vectors) {
    add_field(out, "vector",
              fmt::format("{} numbers in space {}", vector.values.size(), vector.space));
  }
  add_field(out, memory.content_type == ContentType::text ? "text" : "bytes",
            content_text(memory, 4096));
  return out;
}

}  // namespace aeon::cli
