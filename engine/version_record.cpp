#include "engine/version_record.hpp"

#include "engine/text/utf8.hpp"

#include "storage/codec.hpp"

namespace aeon::engine {

namespace {

// Persisted presence bits, in the order in which the fields follow. Never reuse one. A reader
// refuses a record with a bit it does not know.
enum Presence : std::uint64_t {
  kLive = 1U << 0,
  kTenant = 1U << 1,
  kSession = 1U << 2,
  kKind = 1U << 3,
  kBytes = 1U << 4,  // content is bytes, not text
  kEventTime = 1U << 5,
  kValidity = 1U << 6,
  kExpires = 1U << 7,
  kImportance = 1U << 8,
  kKey = 1U << 9,
  kMetadata = 1U << 10,
  kContent = 1U << 11,
  kBlob = 1U << 12,
  kRows = 1U << 13,
  kErased = 1U << 14,
  kDocument = 1U << 15,
  kKnown = (1U << 16) - 1,
};

std::uint64_t presence_of(const VersionRecord& r) {
  std::uint64_t bits = 0;
  const auto set = [&bits](bool present, std::uint64_t bit) { bits |= present ? bit : 0; };
  set(r.live, kLive);
  set(r.tenant != 0, kTenant);
  set(r.session != 0, kSession);
  set(r.kind != 0, kKind);
  set(r.content_type == ContentType::bytes, kBytes);
  set(r.event_time != r.commit_time, kEventTime);
  set(r.valid_from != kBeginningOfTime || r.valid_to != kEndOfTime, kValidity);
  set(r.expires != kEndOfTime, kExpires);
  set(r.importance != 0.5F, kImportance);
  set(!r.key.empty(), kKey);
  set(!r.metadata.empty(), kMetadata);
  set(!r.content.empty(), kContent);
  set(r.blob.has_value(), kBlob);
  set(!r.rows.empty(), kRows);
  set(r.erased, kErased);
  set(r.document.has_value(), kDocument);
  return bits;
}

void encode_rows(storage::Encoder& encoder, const std::vector<RowName>& rows) {
  encoder.varint(rows.size());
  for (const RowName& row : rows) {
    encoder.varint(row.space);
    encoder.varint(row.node);
  }
}

bool decode_rows(storage::Decoder& decoder, std::vector<RowName>& rows) {
  const std::uint64_t count = decoder.varint();
  if (count > decoder.rest().size()) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t space = decoder.varint();
    const std::uint64_t node = decoder.varint();
    if (space > UINT32_MAX || node > UINT32_MAX) return false;
    rows.push_back({static_cast<std::uint32_t>(space), static_cast<std::uint32_t>(node)});
  }
  return true;
}

constexpr std::uint8_t kFromHead = 0x80;  // beside the number of the language

void encode_document(storage::Encoder& encoder, const DocumentName& document) {
  encoder.varint(document.number);
  encoder.varint(document.words);
  encoder.fixed(document.analyzer);
  encoder.fixed(
      static_cast<std::uint8_t>(document.language | (document.from_head ? kFromHead : 0)));
}

bool decode_document(storage::Decoder& decoder, std::optional<DocumentName>& document) {
  const std::uint64_t number = decoder.varint();
  const std::uint64_t words = decoder.varint();
  if (number > UINT32_MAX || words > UINT32_MAX) return false;
  DocumentName& name = document.emplace();
  name.number = static_cast<std::uint32_t>(number);
  name.words = static_cast<std::uint32_t>(words);
  name.analyzer = decoder.fixed<std::uint8_t>();
  const auto language = decoder.fixed<std::uint8_t>();
  name.language = static_cast<std::uint8_t>(language & ~kFromHead);
  name.from_head = (language & kFromHead) != 0;
  return decoder.ok();
}

}  // namespace

std::string_view preview_of(std::string_view content, ContentType type) noexcept {
  return type == ContentType::text ? truncate_utf8(content, kPreviewBytes)
                                   : content.substr(0, kPreviewBytes);
}

void encode_version(std::string& out, const VersionRecord& r) {
  storage::Encoder encoder(out);
  const std::uint64_t bits = presence_of(r);
  encoder.varint(bits);
  encoder.fixed(r.commit_time);
  if (bits & kTenant) encoder.varint(r.tenant);
  if (bits & kSession) encoder.varint(r.session);
  if (bits & kKind) encoder.varint(r.kind);
  if (bits & kEventTime) encoder.fixed(r.event_time);
  if (bits & kValidity) {
    encoder.fixed(r.valid_from);
    encoder.fixed(r.valid_to);
  }
  if (bits & kExpires) encoder.fixed(r.expires);
  if (bits & kImportance) encoder.fixed(r.importance);
  if (bits & kKey) encoder.bytes(r.key);
  if (bits & kMetadata) encoder.bytes(r.metadata);
  if (bits & kContent) encoder.bytes(r.content);
  if (bits & kBlob) storage::encode(*r.blob, encoder);
  if (bits & kRows) encode_rows(encoder, r.rows);
  if (bits & kDocument) encode_document(encoder, *r.document);
}

bool decode_version(std::string_view value, VersionRecord& r) {
  auto rows = std::move(r.rows);
  rows.clear();
  r = VersionRecord{};
  r.rows = std::move(rows);
  storage::Decoder decoder(value);
  const std::uint64_t bits = decoder.varint();
  if (bits & ~std::uint64_t{kKnown}) return false;
  const auto number = [&decoder] { return static_cast<std::uint32_t>(decoder.varint()); };
  r.live = (bits & kLive) != 0;
  r.erased = (bits & kErased) != 0;
  if (r.live && r.erased) return false;
  r.commit_time = r.event_time = decoder.fixed<TimeNs>();
  if (bits & kTenant) r.tenant = number();
  if (bits & kSession) r.session = number();
  if (bits & kKind) r.kind = number();
  if (bits & kBytes) r.content_type = ContentType::bytes;
  if (bits & kEventTime) r.event_time = decoder.fixed<TimeNs>();
  if (bits & kValidity) {
    r.valid_from = decoder.fixed<TimeNs>();
    r.valid_to = decoder.fixed<TimeNs>();
  }
  if (bits & kExpires) r.expires = decoder.fixed<TimeNs>();
  if (bits & kImportance) r.importance = decoder.fixed<float>();
  if (bits & kKey) r.key = decoder.bytes();
  if (bits & kMetadata) r.metadata = decoder.bytes();
  if (bits & kContent) r.content = decoder.bytes();
  if (bits & kBlob) r.blob = storage::decode_blob_ref(decoder);
  if ((bits & kRows) && !decode_rows(decoder, r.rows)) return false;
  if ((bits & kDocument) && !decode_document(decoder, r.document)) return false;
  return decoder.ok() && decoder.at_end();
}

}  // namespace aeon::engine
