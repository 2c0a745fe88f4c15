// The payload of a commit: the decisions that apply() carries out, in order. Every choice (ids,
// node numbers, quantised rows, previous events) was made before the record was written, so that
// applying it searches nothing and gives the same state in every process. Layout: format.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/keys.hpp"
#include "engine/links.hpp"
#include "engine/row_block.hpp"
#include "engine/version_record.hpp"
#include "engine/words/memory_words.hpp"
#include "graph/keys.hpp"

namespace aeon::engine {

// Persisted: never reuse a number; 0 is invalid. Each operation is [kind u8][length varint][body].
enum class OperationKind : std::uint8_t {
  space = 1,         // a space is made
  name = 2,          // a tenant, session, kind or edge type gets its number
  version = 3,       // a new memory, or a new version of one
  row = 4,           // a vector of the version before it
  end = 5,           // a memory is forgotten or erased
  key = 6,           // a unique key names a memory, or nothing any more
  session_end = 7,   // the newest event of a session
  edge = 8,          // an edge is made, changed or ended
  rotate = 9,        // everything up to here can be settled: RAM tails are frozen
  links = 10,        // the neighbours of a row, and what it changes at them
  words = 11,        // the terms of the version before it
  setting = 12,      // what a palace is told once
  expiry = 13,       // a memory is to end at a time, or no longer at that time
  word_counts = 14,  // the visible documents of a tenant, and their words
};

// Bit i of a commit header's `kinds` says that the payload holds operations of kind i.
[[nodiscard]] constexpr std::uint32_t kind_bit(OperationKind kind) noexcept {
  return std::uint32_t{1} << static_cast<unsigned>(kind);
}

struct NameOperation {
  NameClass kind{};
  std::uint32_t parent = 0;
  std::uint32_t number = 0;
  std::string_view name;
};
struct VersionOperation {
  std::uint64_t id = 0;
  bool is_new = false;       // the memory was not visible before
  bool enters_line = false;  // a new event of its session
  bool leaves_time = false;  // the event moved here from `old_time`
  std::int64_t old_time = 0;
  std::vector<RowName> ended;  // rows of the version it replaces
  std::string_view record;     // a VersionRecord
};
struct RowOperation {
  RowName name;
  RowData row;
};
struct LinksOperation {
  RowName name;
  bool landmark = false;  // nothing is near it: searches of the tail are to look at it
  std::vector<LinkChange> changes;
};
struct EndOperation {
  std::uint64_t id = 0;
  std::uint32_t tenant = 0;
  bool was_visible = true;  // false: forgotten before, and now erased
  bool erased = false;      // not only forgotten
  std::vector<RowName> ended;
};
// What a tenant has that is found by words, once the commit has taken effect.
struct WordCounts {
  std::uint64_t documents = 0;
  std::uint64_t words = 0;
  friend bool operator==(const WordCounts&, const WordCounts&) = default;
};
struct WordCountsOperation {
  std::uint32_t tenant = 0;
  WordCounts counts;
};
struct KeyOperation {
  std::uint32_t tenant = 0;
  std::uint64_t id = 0;  // 0: the key is free again; kErasedId: and is to vanish
  std::string_view key;
};
inline constexpr std::uint64_t kErasedId = UINT64_MAX;
struct SessionEndOperation {
  std::uint32_t tenant = 0;
  std::uint32_t session = 0;
  std::uint64_t id = 0;  // 0: no event is left
};
struct ExpiryOperation {
  std::uint64_t id = 0;
  std::int64_t expires = 0;
  bool live = false;
};
inline constexpr CommitNumber kFirstCommit = 1;

// The value of Setting::fields.
inline constexpr std::string_view kFieldsIndexed = "\x01";

struct SettingOperation {
  Setting setting{};
  std::string_view value;
};
struct EdgeOperation {
  std::uint64_t from = 0;
  std::uint32_t type = 0;
  std::uint64_t to = 0;
  std::int8_t count_change = 0;  // +1 made, 0 changed, -1 ended
  std::string_view record;       // an EdgeRecord; empty: ended
};

// Appends operations to a payload.
class RecordWriter {
 public:
  explicit RecordWriter(std::string& out) : out_(out) {}
  void space(std::uint32_t number, const SpaceSpec& spec);
  void name(const NameOperation& operation);
  void version(const VersionOperation& operation, const VersionRecord& record);  // record in place
  void row(const RowOperation& operation);
  void links(const LinksOperation& operation);
  void words(const MemoryWords& words, TimeNs event_time);
  void word_counts(const WordCountsOperation& operation);
  void end(const EndOperation& operation);
  void key(const KeyOperation& operation);
  void session_end(const SessionEndOperation& operation);
  void edge(const EdgeOperation& operation);
  void setting(const SettingOperation& operation);
  void expiry(const ExpiryOperation& operation);
  void rotate();
  // What the first commit of a palace says beside its own.
  void found_palace();
  [[nodiscard]] std::uint32_t kinds() const noexcept { return kinds_; }
  [[nodiscard]] std::uint32_t operations() const noexcept { return operations_; }

 private:
  // A large body is written in place: its length goes where one of `expected` bytes would go, and
  // the body is moved only where that was too wide or too narrow.
  struct Place {
    std::size_t length = 0;
    std::size_t body = 0;
  };
  [[nodiscard]] Place open(OperationKind kind, std::size_t expected);
  void close(OperationKind kind, Place place);
  void close(OperationKind kind);  // a small body, from body_
  void count(OperationKind kind) noexcept;

  std::string& out_;
  std::string body_;
  std::uint32_t kinds_ = 0;
  std::uint32_t operations_ = 0;
};

// Walks a payload from untrusted bytes: next() gives the kind and the body, the parse_ functions
// read a body. All return false on malformed bytes.
class RecordReader {
 public:
  explicit RecordReader(std::string_view payload) noexcept : decoder_(payload) {}
  // False at the end or on malformed bytes; ok() tells which.
  [[nodiscard]] bool next(OperationKind& kind, std::string_view& body) noexcept;
  [[nodiscard]] bool ok() const noexcept { return ok_; }

 private:
  storage::Decoder decoder_;
  bool ok_ = true;
};

void encode_space(std::string& out, const SpaceSpec& spec);
[[nodiscard]] bool decode_space(std::string_view value, SpaceSpec& spec);
[[nodiscard]] bool parse_space(std::string_view body, std::uint32_t& number, SpaceSpec& spec);
[[nodiscard]] bool parse_name(std::string_view body, NameOperation& operation);
[[nodiscard]] bool parse_version(std::string_view body, VersionOperation& operation);
// `dimension` and `precision` come from the space that the name names.
[[nodiscard]] bool parse_row_name(std::string_view body, RowName& name, std::string_view& rest);
[[nodiscard]] bool parse_row_data(std::string_view rest, std::uint32_t dimension,
                                  Precision precision, RowData& row);
[[nodiscard]] bool parse_links(std::string_view body, LinksOperation& operation);
// The body of a `words` operation is read by decode_words().
void encode_word_counts(std::string& out, const WordCounts& counts);
[[nodiscard]] bool decode_word_counts(std::string_view value, WordCounts& counts);
[[nodiscard]] bool parse_word_counts(std::string_view body, WordCountsOperation& operation);
[[nodiscard]] bool parse_end(std::string_view body, EndOperation& operation);
[[nodiscard]] bool parse_key(std::string_view body, KeyOperation& operation);
[[nodiscard]] bool parse_session_end(std::string_view body, SessionEndOperation& operation);
[[nodiscard]] bool parse_edge(std::string_view body, EdgeOperation& operation);
[[nodiscard]] bool parse_expiry(std::string_view body, ExpiryOperation& operation);
[[nodiscard]] bool parse_setting(std::string_view body, SettingOperation& operation);

}  // namespace aeon::engine
