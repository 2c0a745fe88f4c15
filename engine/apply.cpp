#include "engine/apply.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/node_map.hpp"
#include "engine/record.hpp"

namespace aeon::engine {

namespace {

using storage::Table;

// Applies the operations of one commit. Every method returns false when memory is out and sets
// `malformed_` when the record is not one.
class Application {
 public:
  Application(const ApplyTarget& target, CommitNumber commit)
      : view_(target.view),
        tail_(target.view.active()),
        catalog_(target.catalog),
        counters_(target.counters),
        commit_(commit) {}

  bool run(OperationKind kind, std::string_view body) {
    switch (kind) {
      case OperationKind::space: return space(body);
      case OperationKind::name: return name(body);
      case OperationKind::version: return version(body);
      case OperationKind::row: return row(body);
      case OperationKind::links: return links(body);
      case OperationKind::end: return end(body);
      case OperationKind::key: return key(body);
      case OperationKind::session_end: return session_end(body);
      case OperationKind::edge: return edge(body);
      case OperationKind::setting: return setting(body);
      case OperationKind::expiry: return expiry(body);
      case OperationKind::words: return words(body);
      case OperationKind::word_counts: return word_counts(body);
      case OperationKind::rotate: applied_.rotate = true; return true;
    }
    return malformed();
  }
  [[nodiscard]] const Applied& applied() const { return applied_; }
  [[nodiscard]] bool is_malformed() const { return malformed_; }

 private:
  bool malformed() {
    malformed_ = true;
    return false;
  }

  bool space(std::string_view body) {
    SpaceInfo info;
    if (!parse_space(body, info.number, info.spec)) return malformed();
    // Numbers are dense; a space that is known already comes from a second look at the log.
    if (info.number > kMaxSpaces || info.number > catalog_.count() + 1) return malformed();
    space_key(key_, info.number);
    value_.clear();
    encode_space(value_, info.spec);
    if (!tail_.put(key_, commit_, value_)) return false;
    info.born = commit_;
    if (info.number == catalog_.count() + 1) catalog_.add(std::move(info));
    if (counters_.next_node.size() < catalog_.count()) counters_.next_node.resize(catalog_.count());
    return true;
  }

  bool name(std::string_view body) {
    NameOperation operation;
    if (!parse_name(body, operation)) return malformed();
    name_key(key_, operation.kind, operation.parent, operation.name);
    value_.clear();
    storage::Encoder(value_).varint(operation.number);
    if (!tail_.put(key_, commit_, value_)) return false;
    name_id_key(key_, operation.kind, operation.number);
    value_.clear();
    storage::Encoder encoder(value_);
    encoder.varint(operation.parent);
    encoder.raw(operation.name);
    if (!tail_.put(key_, commit_, value_)) return false;
    std::uint32_t& next = counters_.next_name[static_cast<std::size_t>(operation.kind)];
    next = std::max(next, operation.number + 1);
    return true;
  }

  bool version(std::string_view body) {
    if (!parse_version(body, version_) || !decode_version(version_.record, record_)) {
      return malformed();
    }
    if (record_.blob && !note_payload(record_.blob->file)) return false;
    version_key(key_, version_.id);
    if (!tail_.put(key_, commit_, version_.record)) return false;
    counters_.next_id = std::max(counters_.next_id, version_.id + 1);
    ++counters_.versions;
    if (version_.is_new) ++counters_.memories;
    return end_rows(version_.ended) && place_event();
  }

  // A payload that was stored ahead is this memory's from here on.
  bool note_payload(std::uint64_t blob_file) {
    if (!view_.blobs().contains(blob_file)) applied_.missing.push_back(blob_file);
    payload_key(key_, blob_file);
    value_.clear();
    storage::Encoder(value_).varint(version_.id);
    return tail_.put(key_, commit_, value_);
  }

  // Events stand on their session's line at their event time.
  bool place_event() {
    if (record_.session == 0) return true;
    if (version_.leaves_time) {
      graph::event_key(key_, record_.tenant, record_.session, version_.old_time, version_.id);
      if (!tail_.put(key_, commit_, {})) return false;
    }
    if (!version_.enters_line && !version_.leaves_time) return true;
    graph::event_key(key_, record_.tenant, record_.session, record_.event_time, version_.id);
    return tail_.put(key_, commit_, "\x01");
  }

  bool row(std::string_view body) {
    RowName name;
    RowData data;
    std::string_view rest;
    if (!parse_row_name(body, name, rest)) return malformed();
    const SpaceInfo* space = catalog_.at(name.space);
    if (space == nullptr || version_.id == 0) return malformed();
    if (!parse_row_data(rest, space->spec.dimension, space->spec.precision, data)) {
      return malformed();
    }
    std::uint32_t& next = counters_.next_node[name.space - 1];
    next = std::max(next, name.node + 1);
    return tail_.add_row(*space, record_.tenant, data,
                         {.id = version_.id,
                          .born = commit_,
                          .time = record_.event_time,
                          .node = name.node,
                          .session = record_.session,
                          .kind = record_.kind});
  }

  bool links(std::string_view body) {
    if (!parse_links(body, links_) || catalog_.at(links_.name.space) == nullptr) return malformed();
    own_links_.clear();
    for (const LinkChange& change : links_.changes) own_links_.push_back(change.neighbour);
    if (links_.landmark && !tail_.add_landmark(links_.name)) return false;
    if (tail_.edit_links(links_.name, own_links_) == nullptr) return false;
    for (const LinkChange& change : links_.changes) {
      if (change.kind != LinkChange::Kind::none && !change_links(change)) return false;
    }
    return true;
  }

  // The neighbour may have changed since the decision: then the change finds no room or no victim,
  // and is left out or put where there is room.
  bool change_links(const LinkChange& change) {
    std::uint32_t before[kMaxLinks];
    const std::size_t count = links_of(view_, links_.name.space, change.neighbour, before);
    LiveLinks* live = tail_.edit_links({links_.name.space, change.neighbour}, {before, count});
    if (live == nullptr) return false;
    const std::uint32_t wanted = change.kind == LinkChange::Kind::replace ? change.victim : kNoNode;
    for (auto& slot : live->nodes) {
      const std::uint32_t node = slot.load(std::memory_order_relaxed);  // only this thread stores
      if (node != wanted && node != kNoNode) continue;
      slot.store(links_.name.node, std::memory_order_release);  // (1) of LiveLinks
      return true;
    }
    return true;
  }

  bool words(std::string_view body) {
    if (version_.id == 0 || !record_.document) return malformed();
    const std::uint32_t number = record_.document->number;
    if (!tail_.words().can_follow(number)) return malformed();
    counters_.next_document = std::max(counters_.next_document, number + 1);
    const Document document{.id = version_.id,
                            .born = commit_,
                            .time = record_.event_time,
                            .tenant = record_.tenant,
                            .session = record_.session,
                            .kind = record_.kind,
                            .words = record_.document->words};
    bool added = tail_.add_document(number, document, record_.rows);
    const bool decoded = decode_words(body, [&](std::string_view term, std::uint8_t times) {
      added = added && tail_.add_term(term, times);
      return true;
    });
    return decoded ? added : malformed();
  }

  bool word_counts(std::string_view body) {
    WordCountsOperation operation;
    if (!parse_word_counts(body, operation)) return malformed();
    word_counts_key(key_, operation.tenant);
    value_.clear();
    encode_word_counts(value_, operation.counts);
    return tail_.put(key_, commit_, value_);
  }

  bool end(std::string_view body) {
    if (!parse_end(body, end_)) return malformed();
    VersionRecord record;
    record.live = false;
    record.erased = end_.erased;
    record.tenant = end_.tenant;
    value_.clear();
    encode_version(value_, record);
    version_key(key_, end_.id);
    if (!tail_.put(key_, commit_, value_)) return false;
    if (end_.was_visible) --counters_.memories;
    if (end_.erased) ++counters_.erasures;
    return end_rows(end_.ended);
  }

  bool end_rows(const std::vector<RowName>& rows) {
    for (const RowName& row : rows) {
      if (row.space != kDocumentSpace && catalog_.at(row.space) == nullptr) return malformed();
      if (!tail_.end_row(row, commit_)) return false;
    }
    return true;
  }

  bool key(std::string_view body) {
    KeyOperation operation;
    if (!parse_key(body, operation)) return malformed();
    unique_key(key_, operation.tenant, operation.key);
    value_.clear();
    if (operation.id == kErasedId) {
      value_.push_back(kErasedKey.front());
    } else if (operation.id != 0) {
      storage::Encoder(value_).varint(operation.id);
    }
    return tail_.put(key_, commit_, value_);
  }

  bool expiry(std::string_view body) {
    ExpiryOperation operation;
    if (!parse_expiry(body, operation)) return malformed();
    if (operation.live) {
      applied_.earliest_expiry = std::min(applied_.earliest_expiry, operation.expires);
    }
    expiry_key(key_, operation.expires, operation.id);
    return tail_.put(key_, commit_, operation.live ? "\x01" : "");
  }

  bool setting(std::string_view body) {
    SettingOperation operation;
    if (!parse_setting(body, operation)) return malformed();
    setting_key(key_, operation.setting);
    return tail_.put(key_, commit_, operation.value);
  }

  bool session_end(std::string_view body) {
    SessionEndOperation operation;
    if (!parse_session_end(body, operation)) return malformed();
    graph::session_end_key(key_, operation.tenant, operation.session);
    value_.clear();
    storage::Encoder(value_).varint(operation.id);
    return tail_.put(key_, commit_, value_);
  }

  bool edge(std::string_view body) {
    EdgeOperation operation;
    if (!parse_edge(body, operation)) return malformed();
    graph::edge_out_key(key_, operation.from, operation.type, operation.to);
    if (!tail_.put(key_, commit_, operation.record)) return false;
    graph::edge_in_key(key_, operation.to, operation.type, operation.from);
    counters_.edges += static_cast<std::uint64_t>(std::int64_t{operation.count_change});
    return tail_.put(key_, commit_, operation.record);
  }

  const View& view_;
  Tail& tail_;
  Catalog& catalog_;
  Counters& counters_;
  const CommitNumber commit_;
  Applied applied_;
  bool malformed_ = false;
  std::string key_;
  std::string value_;
  VersionOperation version_;
  VersionRecord record_;  // of version_; stamps the rows that follow it
  EndOperation end_;
  LinksOperation links_;
  std::vector<std::uint32_t> own_links_;
};

}  // namespace

Result<Applied> apply(const ApplyTarget& target, const wal::CommitHeader& header,
                      std::string_view payload) {
  Application application(target, header.commit);
  RecordReader reader(payload);
  OperationKind kind{};
  std::string_view body;
  bool applied = true;
  while (applied && reader.next(kind, body)) applied = application.run(kind, body);
  if (!reader.ok() || application.is_malformed()) {
    return fail(Errc::damaged,
                fmt::format("commit {} holds no valid record; run aeon verify", header.commit));
  }
  if (!applied) {
    return fail(Errc::no_memory,
                fmt::format("applying commit {}: no memory is left for the tails", header.commit));
  }
  target.view.active().add_header(header);
  return application.applied();
}

}  // namespace aeon::engine
