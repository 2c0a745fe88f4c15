#include "engine/record.hpp"

namespace aeon::engine {

using storage::Decoder;
using storage::Encoder;

namespace {

enum EndFlags : std::uint8_t { kErased = 1, kWasEnded = 2, kAllEndFlags = 3 };
enum VersionFlags : std::uint8_t { kIsNew = 1, kEntersLine = 2, kLeavesTime = 4, kAllFlags = 7 };

void encode_row_names(Encoder& encoder, const std::vector<RowName>& rows) {
  encoder.varint(rows.size());
  for (const RowName& row : rows) {
    encoder.varint(row.space);
    encoder.varint(row.node);
  }
}

bool decode_number(Decoder& decoder, std::uint32_t& number) {
  const std::uint64_t value = decoder.varint();
  number = static_cast<std::uint32_t>(value);
  return value <= UINT32_MAX && decoder.ok();
}

bool decode_row_names(Decoder& decoder, std::vector<RowName>& rows) {
  rows.clear();
  const std::uint64_t count = decoder.varint();
  if (count > decoder.rest().size()) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    RowName name;
    if (!decode_number(decoder, name.space) || !decode_number(decoder, name.node)) return false;
    rows.push_back(name);
  }
  return decoder.ok();
}

}  // namespace

void RecordWriter::count(OperationKind kind) noexcept {
  kinds_ |= kind_bit(kind);
  ++operations_;
}

void RecordWriter::close(OperationKind kind) {
  Encoder encoder(out_);
  encoder.fixed(static_cast<std::uint8_t>(kind));
  encoder.bytes(body_);
  body_.clear();
  count(kind);
}

RecordWriter::Place RecordWriter::open(OperationKind kind, std::size_t expected) {
  out_.push_back(static_cast<char>(kind));
  const Place place{out_.size(), out_.size() + storage::varint_bytes(expected)};
  out_.resize(place.body);
  return place;
}

void RecordWriter::close(OperationKind kind, Place place) {
  std::string length;
  Encoder(length).varint(out_.size() - place.body);
  out_.replace(place.length, place.body - place.length, length);
  count(kind);
}

void encode_space(std::string& out, const SpaceSpec& spec) {
  Encoder encoder(out);
  encoder.bytes(spec.name);
  encoder.varint(spec.dimension);
  encoder.fixed(static_cast<std::uint8_t>(spec.metric));
  encoder.fixed(static_cast<std::uint8_t>(spec.precision));
  encoder.bytes(spec.model);
}

void RecordWriter::space(std::uint32_t number, const SpaceSpec& spec) {
  Encoder(body_).varint(number);
  encode_space(body_, spec);
  close(OperationKind::space);
}

void RecordWriter::name(const NameOperation& operation) {
  Encoder encoder(body_);
  encoder.fixed(static_cast<std::uint8_t>(operation.kind));
  encoder.varint(operation.parent);
  encoder.varint(operation.number);
  encoder.raw(operation.name);
  close(OperationKind::name);
}

void RecordWriter::version(const VersionOperation& operation, const VersionRecord& record) {
  constexpr std::size_t kFixed = 32;
  const Place place =
      open(OperationKind::version,
           kFixed + record.key.size() + record.metadata.size() + record.content.size());
  Encoder encoder(out_);
  encoder.varint(operation.id);
  std::uint8_t flags = 0;
  if (operation.is_new) flags |= kIsNew;
  if (operation.enters_line) flags |= kEntersLine;
  if (operation.leaves_time) flags |= kLeavesTime;
  encoder.fixed(flags);
  if (operation.leaves_time) encoder.fixed(operation.old_time);
  encode_row_names(encoder, operation.ended);
  encode_version(out_, record);
  close(OperationKind::version, place);
}

void RecordWriter::row(const RowOperation& operation) {
  constexpr std::size_t kFixed = 24;
  const Place place =
      open(OperationKind::row, kFixed + operation.row.codes.size() + operation.row.precise.size());
  Encoder encoder(out_);
  encoder.varint(operation.name.space);
  encoder.varint(operation.name.node);
  encoder.fixed(operation.row.scale);
  encoder.fixed(operation.row.norm);
  encoder.fixed(operation.row.error);
  encoder.fixed(operation.row.exponent);
  encoder.fixed(operation.row.sum);
  encoder.raw(operation.row.codes);
  encoder.raw(operation.row.precise);
  close(OperationKind::row, place);
}

void RecordWriter::links(const LinksOperation& operation) {
  Encoder encoder(body_);
  encoder.varint(operation.name.space);
  encoder.varint(operation.name.node);
  encoder.fixed(static_cast<std::uint8_t>(operation.landmark));
  for (const LinkChange& change : operation.changes) {
    encoder.fixed(static_cast<std::uint8_t>(change.kind));
    encoder.fixed(change.neighbour);
    if (change.kind == LinkChange::Kind::replace) encoder.fixed(change.victim);
  }
  close(OperationKind::links);
}

void RecordWriter::words(const MemoryWords& words, TimeNs event_time) {
  constexpr std::size_t kBytesATerm = 8;
  const Place place = open(OperationKind::words, kBytesATerm * words.terms.size());
  encode_words(out_, words, event_time);
  close(OperationKind::words, place);
}

void encode_word_counts(std::string& out, const WordCounts& counts) {
  Encoder encoder(out);
  encoder.varint(counts.documents);
  encoder.varint(counts.words);
}

bool decode_word_counts(std::string_view value, WordCounts& counts) {
  Decoder decoder(value);
  counts.documents = decoder.varint();
  counts.words = decoder.varint();
  return decoder.ok() && decoder.at_end();
}

void RecordWriter::word_counts(const WordCountsOperation& operation) {
  Encoder(body_).varint(operation.tenant);
  encode_word_counts(body_, operation.counts);
  close(OperationKind::word_counts);
}

bool parse_word_counts(std::string_view body, WordCountsOperation& operation) {
  Decoder decoder(body);
  return decode_number(decoder, operation.tenant) &&
         decode_word_counts(decoder.rest(), operation.counts);
}

void RecordWriter::end(const EndOperation& operation) {
  Encoder encoder(body_);
  encoder.varint(operation.id);
  encoder.varint(operation.tenant);
  encode_row_names(encoder, operation.ended);
  std::uint8_t flags = 0;
  if (operation.erased) flags |= kErased;
  if (!operation.was_visible) flags |= kWasEnded;
  if (flags != 0) encoder.fixed(flags);
  close(OperationKind::end);
}

void RecordWriter::key(const KeyOperation& operation) {
  Encoder encoder(body_);
  encoder.varint(operation.tenant);
  encoder.varint(operation.id);
  encoder.raw(operation.key);
  close(OperationKind::key);
}

void RecordWriter::session_end(const SessionEndOperation& operation) {
  Encoder encoder(body_);
  encoder.varint(operation.tenant);
  encoder.varint(operation.session);
  encoder.varint(operation.id);
  close(OperationKind::session_end);
}

void RecordWriter::edge(const EdgeOperation& operation) {
  Encoder encoder(body_);
  encoder.varint(operation.from);
  encoder.varint(operation.type);
  encoder.varint(operation.to);
  encoder.fixed(operation.count_change);
  encoder.raw(operation.record);
  close(OperationKind::edge);
}

void RecordWriter::found_palace() { setting({Setting::fields, kFieldsIndexed}); }

void RecordWriter::setting(const SettingOperation& operation) {
  Encoder encoder(body_);
  encoder.fixed(static_cast<std::uint8_t>(operation.setting));
  encoder.raw(operation.value);
  close(OperationKind::setting);
}

void RecordWriter::expiry(const ExpiryOperation& operation) {
  Encoder encoder(body_);
  encoder.varint(operation.id);
  encoder.fixed(operation.expires);
  encoder.fixed(static_cast<std::uint8_t>(operation.live));
  close(OperationKind::expiry);
}

void RecordWriter::rotate() { close(OperationKind::rotate); }

bool RecordReader::next(OperationKind& kind, std::string_view& body) noexcept {
  if (decoder_.at_end()) {
    ok_ = ok_ && decoder_.ok();
    return false;
  }
  kind = static_cast<OperationKind>(decoder_.fixed<std::uint8_t>());
  body = decoder_.bytes();
  ok_ = decoder_.ok() && kind >= OperationKind::space && kind <= OperationKind::word_counts;
  return ok_;
}

bool decode_space(std::string_view value, SpaceSpec& spec) {
  Decoder decoder(value);
  spec.name = decoder.bytes();
  if (!decode_number(decoder, spec.dimension)) return false;
  spec.metric = static_cast<Metric>(decoder.fixed<std::uint8_t>());
  spec.precision = static_cast<Precision>(decoder.fixed<std::uint8_t>());
  spec.model = decoder.bytes();
  return decoder.ok() && decoder.at_end() && spec.dimension >= 1 &&
         spec.dimension <= kMaxDimension && spec.metric >= Metric::cosine &&
         spec.metric <= Metric::l2 && spec.precision >= Precision::int8 &&
         spec.precision <= Precision::float32;
}

bool parse_space(std::string_view body, std::uint32_t& number, SpaceSpec& spec) {
  Decoder decoder(body);
  return decode_number(decoder, number) && decode_space(decoder.rest(), spec);
}

bool parse_name(std::string_view body, NameOperation& operation) {
  Decoder decoder(body);
  operation.kind = static_cast<NameClass>(decoder.fixed<std::uint8_t>());
  if (!decode_number(decoder, operation.parent)) return false;
  if (!decode_number(decoder, operation.number)) return false;
  operation.name = decoder.rest();
  return operation.kind >= NameClass::tenant && operation.kind <= NameClass::edge_type;
}

bool parse_version(std::string_view body, VersionOperation& operation) {
  Decoder decoder(body);
  operation.id = decoder.varint();
  const auto flags = decoder.fixed<std::uint8_t>();
  if (flags & ~std::uint8_t{kAllFlags}) return false;
  operation.is_new = (flags & kIsNew) != 0;
  operation.enters_line = (flags & kEntersLine) != 0;
  operation.leaves_time = (flags & kLeavesTime) != 0;
  operation.old_time = operation.leaves_time ? decoder.fixed<std::int64_t>() : 0;
  if (!decode_row_names(decoder, operation.ended)) return false;
  operation.record = decoder.rest();
  return decoder.ok() && operation.id != 0;
}

bool parse_row_name(std::string_view body, RowName& name, std::string_view& rest) {
  Decoder decoder(body);
  if (!decode_number(decoder, name.space) || !decode_number(decoder, name.node)) return false;
  rest = decoder.rest();
  return true;
}

bool parse_row_data(std::string_view rest, std::uint32_t dimension, Precision precision,
                    RowData& row) {
  Decoder decoder(rest);
  row.scale = decoder.fixed<float>();
  row.norm = decoder.fixed<float>();
  row.error = decoder.fixed<float>();
  row.exponent = decoder.fixed<std::int16_t>();
  row.sum = decoder.fixed<std::int32_t>();
  row.codes = decoder.raw(dimension);
  row.precise = decoder.raw(precise_bytes(precision, dimension));
  return decoder.ok() && decoder.at_end();
}

bool parse_links(std::string_view body, LinksOperation& operation) {
  Decoder decoder(body);
  operation.changes.clear();
  if (!decode_number(decoder, operation.name.space)) return false;
  if (!decode_number(decoder, operation.name.node)) return false;
  const auto flags = decoder.fixed<std::uint8_t>();
  if (flags > 1) return false;
  operation.landmark = flags == 1;
  while (decoder.ok() && !decoder.at_end()) {
    LinkChange change;
    change.kind = static_cast<LinkChange::Kind>(decoder.fixed<std::uint8_t>());
    change.neighbour = decoder.fixed<std::uint32_t>();
    if (change.kind > LinkChange::Kind::replace) return false;
    if (change.kind == LinkChange::Kind::replace) change.victim = decoder.fixed<std::uint32_t>();
    operation.changes.push_back(change);
  }
  return decoder.ok() && operation.changes.size() <= kMaxLinks;
}

bool parse_end(std::string_view body, EndOperation& operation) {
  Decoder decoder(body);
  operation.id = decoder.varint();
  if (!decode_number(decoder, operation.tenant)) return false;
  if (!decode_row_names(decoder, operation.ended)) return false;
  // Until format version 2 that was all.
  const auto flags = decoder.at_end() ? std::uint8_t{0} : decoder.fixed<std::uint8_t>();
  operation.erased = (flags & kErased) != 0;
  operation.was_visible = (flags & kWasEnded) == 0;
  return decoder.ok() && decoder.at_end() && operation.id != 0 &&
         (flags & ~std::uint8_t{kAllEndFlags}) == 0;
}

bool parse_key(std::string_view body, KeyOperation& operation) {
  Decoder decoder(body);
  if (!decode_number(decoder, operation.tenant)) return false;
  operation.id = decoder.varint();
  operation.key = decoder.rest();
  return decoder.ok();
}

bool parse_session_end(std::string_view body, SessionEndOperation& operation) {
  Decoder decoder(body);
  if (!decode_number(decoder, operation.tenant)) return false;
  if (!decode_number(decoder, operation.session)) return false;
  operation.id = decoder.varint();
  return decoder.ok() && decoder.at_end();
}

bool parse_edge(std::string_view body, EdgeOperation& operation) {
  Decoder decoder(body);
  operation.from = decoder.varint();
  if (!decode_number(decoder, operation.type)) return false;
  operation.to = decoder.varint();
  operation.count_change = decoder.fixed<std::int8_t>();
  operation.record = decoder.rest();
  return decoder.ok() && operation.from != 0 && operation.to != 0 &&
         graph::decode_edge(operation.record).ok;
}

bool parse_expiry(std::string_view body, ExpiryOperation& operation) {
  Decoder decoder(body);
  operation.id = decoder.varint();
  operation.expires = decoder.fixed<std::int64_t>();
  const auto live = decoder.fixed<std::uint8_t>();
  operation.live = live == 1;
  return decoder.ok() && decoder.at_end() && operation.id != 0 && live <= 1;
}

bool parse_setting(std::string_view body, SettingOperation& operation) {
  Decoder decoder(body);
  operation.setting = static_cast<Setting>(decoder.fixed<std::uint8_t>());
  operation.value = decoder.rest();
  if (!decoder.ok()) return false;
  switch (operation.setting) {
    case Setting::history: return operation.value.size() == sizeof(TimeNs);
    case Setting::fields: return operation.value == kFieldsIndexed;
  }
  return false;
}

}  // namespace aeon::engine
