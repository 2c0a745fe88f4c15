// What one version of a memory says of itself: the value of a `versions` key. Layout: format.md.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.hpp"
#include "storage/blob.hpp"

namespace aeon::engine {

// Where a version's vector lives: `node` numbers the rows of a space, for ever.
struct RowName {
  std::uint32_t space = 0;
  std::uint32_t node = 0;
  friend bool operator==(const RowName&, const RowName&) = default;
};

// A version's words (words/document.hpp): the document, how many words it has, and how they were
// found.
struct DocumentName {
  std::uint32_t number = 0;
  std::uint32_t words = 0;
  std::uint8_t analyzer = 0;
  std::uint8_t language = 0;
  bool from_head = false;  // only the first bytes of a stored payload were looked at
  friend bool operator==(const DocumentName&, const DocumentName&) = default;
};

// Views point into the bytes that were decoded, or at the caller's strings when encoding.
struct VersionRecord {
  bool live = true;     // false: the memory was forgotten by this commit; only `tenant` matters
  bool erased = false;  // and what it held is to vanish from every file
  std::uint32_t tenant = 0;
  std::uint32_t session = 0;
  std::uint32_t kind = 0;
  ContentType content_type = ContentType::text;
  TimeNs commit_time = 0;
  TimeNs event_time = 0;
  TimeNs valid_from = kBeginningOfTime;
  TimeNs valid_to = kEndOfTime;
  TimeNs expires = kEndOfTime;
  float importance = 0.5F;
  std::string_view key;
  std::string_view metadata;
  std::string_view content;              // whole content, or the preview when `blob` is set
  std::optional<storage::BlobRef> blob;  // set once settled, for content above the inline limit
  std::vector<RowName> rows;
  std::optional<DocumentName> document;  // absent: nothing in it is found by words
};

// Settled content up to this size stays in the record; above, the record keeps a preview of
// kPreviewBytes and the blob arena the whole.
inline constexpr std::size_t kInlineContentBytes = 96;
inline constexpr std::size_t kPreviewBytes = 48;
// What is looked at of a payload's text, for its words and the built-in embedder.
inline constexpr std::size_t kHeadBytes = std::size_t{64} << 10;

[[nodiscard]] std::string_view preview_of(std::string_view content, ContentType type) noexcept;

void encode_version(std::string& out, const VersionRecord& record);
// False when the bytes are no version record. `record.rows` keeps its capacity.
[[nodiscard]] bool decode_version(std::string_view value, VersionRecord& record);

}  // namespace aeon::engine
