#include "engine/draft.hpp"

#include "engine/concepts.hpp"

namespace aeon::engine {

namespace {

constexpr std::uint64_t line_of(std::uint32_t tenant, std::uint32_t session) {
  return std::uint64_t{tenant} << 32 | session;
}

// What either layer knows of `key`, the newer first; null when neither does.
template <typename Map, typename Key>
auto* look_up(Map& now, Map& accepted, const Key& key) {
  if (const auto at = now.find(key); at != now.end()) return &at->second;
  const auto at = accepted.find(key);
  return at != accepted.end() ? &at->second : nullptr;
}

template <typename Map>
void move_map(Map& from, Map& to) {
  if (to.empty()) {
    to.swap(from);
    return;
  }
  for (auto& [key, value] : from) to.insert_or_assign(key, std::move(value));
  from.clear();
}

}  // namespace

void Draft::Layer::move_into(Layer& other) {
  move_map(keys, other.keys);
  move_map(session_ends, other.session_ends);
  move_map(word_counts, other.word_counts);
  move_map(names, other.names);
  move_map(versions, other.versions);
  move_map(spaces, other.spaces);
  move_map(edges, other.edges);
  move_map(edges_in, other.edges_in);
  move_map(next_out, other.next_out);
  move_map(next_in, other.next_in);
  other.payloads.insert(payloads.begin(), payloads.end());
  payloads.clear();
}

void Draft::Layer::clear() {
  keys.clear();
  session_ends.clear();
  word_counts.clear();
  names.clear();
  versions.clear();
  spaces.clear();
  edges.clear();
  edges_in.clear();
  next_out.clear();
  next_in.clear();
  payloads.clear();
}

void Draft::accept() {
  now_.move_into(accepted_);
  accepted_counters_ = counters_;
}

void Draft::reject() {
  now_.clear();
  counters_ = accepted_counters_;
}

Result<MemoryId> Draft::key_owner(std::uint32_t tenant, std::string_view key) {
  const KeyName name(tenant, key);
  if (const MemoryId* owner = look_up(now_.keys, accepted_.keys, name)) {
    return *owner == kErasedId ? MemoryId{0} : *owner;
  }
  return reading_.key_owner(tenant, key);
}

Result<MemoryId> Draft::session_end(std::uint32_t tenant, std::uint32_t session) {
  const std::uint64_t line = line_of(tenant, session);
  if (const MemoryId* end = look_up(now_.session_ends, accepted_.session_ends, line)) return *end;
  storage::LookupScratch scratch;
  graph::session_end_key(key_, tenant, session);
  AEON_ASSIGN(const auto found, reading_.find(key_, scratch));
  return found ? MemoryId{storage::Decoder(found->value).varint()} : MemoryId{0};
}

Result<WordCounts> Draft::word_counts(std::uint32_t tenant) {
  if (const auto* counts = look_up(now_.word_counts, accepted_.word_counts, tenant)) {
    return *counts;
  }
  return reading_.word_counts(tenant);
}

Result<std::uint32_t> Draft::number_of(NameClass kind, std::uint32_t parent,
                                       std::string_view name) {
  if (name.empty()) return 0U;
  if (kind == NameClass::edge_type && name == "next") return graph::kNextType;
  name_key(key_, kind, parent, name);
  if (const std::uint32_t* number = look_up(now_.names, accepted_.names, key_)) return *number;
  if (const auto at = known_.find(key_); at != known_.end()) return at->second;
  AEON_ASSIGN(const std::uint32_t number, reading_.number_of(kind, parent, name));
  if (number != 0) {
    if (known_.size() == kMostKnown) known_.clear();
    known_.emplace(key_, number);
  }
  return number;
}

Result<std::string> Draft::session_name(std::uint32_t number) const {
  for (const Layer* layer : {&now_, &accepted_}) {
    for (const auto& [key, found] : layer->names) {
      storage::KeyDecoder name(key);
      name.u8();
      const auto kind = static_cast<NameClass>(name.u8());
      name.u32();
      if (found == number && kind == NameClass::session) return name.text();
    }
  }
  return reading_.name_of(NameClass::session, number);
}

Result<const VersionState*> Draft::version(MemoryId id) {
  if (const VersionState* state = look_up(now_.versions, accepted_.versions, id)) return state;
  Reading::Version version;
  AEON_ASSIGN(found_.visible, reading_.try_version(id, version));
  if (version.commit == 0) return nullptr;
  found_.erased = version.record.erased;
  found_.commit = version.commit;
  found_.tenant = version.record.tenant;
  found_.session = version.record.session;
  found_.event_time = version.record.event_time;
  found_.expires = version.record.expires;
  AEON_ASSIGN(found_.is_bare_concept, is_bare_concept(version.record));
  found_.key = version.record.key;
  found_.rows = version.record.rows;
  found_.document = version.record.document;
  return &found_;
}

Result<bool> Draft::is_bare_concept(const VersionRecord& record) {
  const bool may_be = is_concept_key(record.key) && record.session == 0 &&
                      record.metadata.empty() && record.content_type == ContentType::text &&
                      record.importance == VersionRecord{}.importance &&
                      record.expires == kEndOfTime && record.valid_from == kBeginningOfTime &&
                      record.valid_to == kEndOfTime;
  if (!may_be) return false;
  AEON_ASSIGN(const std::uint32_t kind, number_of(NameClass::kind, 0, kConceptKind));
  if (record.kind != kind) return false;
  // A long name lies in the blob arena; what is longer than a name is no name.
  if (record.blob) return record.blob->raw_bytes <= kMaxNameBytes;
  std::string key;
  concept_key(record.content, key);
  return key == record.key;
}

Result<bool> Draft::edge_exists(MemoryId from, std::uint32_t type, MemoryId to) {
  if (const EdgeChange* change = look_up(now_.edges, accepted_.edges, Edge(from, type, to))) {
    return change->exists;
  }
  storage::LookupScratch scratch;
  graph::edge_out_key(key_, from, type, to);
  AEON_ASSIGN(const auto found, reading_.find(key_, scratch));
  return found && !found->value.empty();
}

Result<std::optional<graph::EdgeRecord>> Draft::edge(MemoryId from, std::uint32_t type,
                                                     MemoryId to) {
  std::string_view record;
  storage::LookupScratch scratch;
  if (const EdgeChange* change = look_up(now_.edges, accepted_.edges, Edge(from, type, to))) {
    if (change->exists) record = change->record;
  } else {
    graph::edge_out_key(key_, from, type, to);
    AEON_ASSIGN(const auto found, reading_.find(key_, scratch));
    if (found) record = found->value;
  }
  const graph::DecodedEdge decoded = graph::decode_edge(record);
  if (decoded.ok) return decoded.edge;
  return fail(Errc::damaged, "an edge record does not decode; run aeon verify");
}

bool Draft::space_exists(std::string_view name) const { return space_number(name) != 0; }

std::uint32_t Draft::space_number(std::string_view name) const {
  if (const auto* number = look_up(now_.spaces, accepted_.spaces, std::string(name))) {
    return *number;
  }
  const SpaceInfo* info = reading_.catalog.find(name, reading_.commit);
  return info == nullptr ? 0 : info->number;
}

void Draft::set_key(std::uint32_t tenant, std::string_view key, MemoryId owner) {
  now_.keys[KeyName(tenant, key)] = owner;
}

void Draft::set_session_end(std::uint32_t tenant, std::uint32_t session, MemoryId id) {
  now_.session_ends[line_of(tenant, session)] = id;
}

void Draft::set_name(NameClass kind, std::uint32_t parent, std::string_view name,
                     std::uint32_t number) {
  name_key(key_, kind, parent, name);
  now_.names[key_] = number;
}

void Draft::set_version(MemoryId id, VersionState state) { now_.versions[id] = std::move(state); }

Result<std::vector<MemoryId>> Draft::line_neighbours(MemoryId id, graph::Way way) {
  std::map<MemoryId, bool> exists;
  graph::EdgeCursor cursor({reading_.view.runs(), reading_.commit}, id, way, graph::kNextType);
  for (; cursor.valid(); cursor.next()) exists[cursor.other_end()] = true;
  AEON_TRY(cursor.status());
  for (const Layer* layer : {&accepted_, &now_}) {
    const auto& changes = way == graph::Way::out ? layer->next_out : layer->next_in;
    for (auto at = changes.lower_bound({id, 0}); at != changes.end() && at->first.first == id;
         ++at) {
      exists[at->first.second] = at->second;
    }
  }
  std::vector<MemoryId> ids;
  for (const auto& [other, there] : exists) {
    if (there) ids.push_back(other);
  }
  return ids;
}

Result<VersionRecord> Draft::last_version(MemoryId id, const VersionState& state) {
  storage::LookupScratch scratch;
  version_key(key_, id);
  AEON_ASSIGN(const auto found, reading_.view.runs().newest(key_, state.commit - 1, scratch));
  VersionRecord record;
  if (found && !decode_version(found->value, record)) {
    return fail(Errc::damaged, "a version record does not decode; run aeon verify");
  }
  return record;
}

Result<std::string> Draft::last_key(MemoryId id, const VersionState& state) {
  if (!state.key.empty() || state.commit == 0) return state.key;
  AEON_ASSIGN(const VersionRecord record, last_version(id, state));
  return std::string(record.key);
}

Result<std::uint32_t> Draft::last_session(MemoryId id, const VersionState& state) {
  if (state.session != 0 || state.commit == 0) return state.session;
  AEON_ASSIGN(const VersionRecord record, last_version(id, state));
  return record.session;
}

Result<bool> Draft::payload_is_free(std::uint64_t blob_file) {
  if (now_.payloads.contains(blob_file) || accepted_.payloads.contains(blob_file)) return false;
  if (!reading_.view.blobs().contains(blob_file)) return false;
  storage::LookupScratch scratch;
  payload_key(key_, blob_file);
  AEON_ASSIGN(const auto found, reading_.find(key_, scratch));
  return !found.has_value();
}

Status Draft::set_edge(const Edge& edge, bool exists, std::string record) {
  if (std::get<1>(edge) == graph::kNextType) {
    now_.next_out[{std::get<0>(edge), std::get<2>(edge)}] = exists;
    now_.next_in[{std::get<2>(edge), std::get<0>(edge)}] = exists;
  } else {
    now_.edges_in[{std::get<2>(edge), std::get<1>(edge), std::get<0>(edge)}] = exists;
  }
  if (const auto at = now_.edges.find(edge); at != now_.edges.end()) {
    at->second.exists = exists;
    at->second.record = std::move(record);
    return {};
  }
  const auto [from, type, to] = edge;
  AEON_ASSIGN(const bool existed, edge_exists(from, type, to));
  now_.edges[edge] = {existed, exists, std::move(record)};
  return {};
}

}  // namespace aeon::engine
