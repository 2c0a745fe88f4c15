#include "engine/resolve.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "engine/concept_links.hpp"
#include "engine/concepts.hpp"
#include "engine/line.hpp"
#include "engine/words/document.hpp"

namespace aeon::engine {

namespace {

class Resolver {
 public:
  Resolver(const PreparedBatch& prepared, CommitNumber commit, TimeNs time, Draft& draft,
           Resolved& resolved)
      : prepared_(prepared),
        commit_(commit),
        time_(time),
        draft_(draft),
        links_of_concepts_(draft),
        resolved_(resolved),
        writer_(resolved.payload) {
    if (prepared.only_unmentioned) links_of_concepts_.look_at_all();
  }

  Status run() {
    resolved_.payload.reserve(std::min(prepared_.payload_bytes, kMaxBatchBytes));
    const auto operations = prepared_.batch.operations();
    draft_.expect(operations.size());
    note_ends(operations);
    if (commit_ == kFirstCommit) writer_.found_palace();
    for (index_ = 0; index_ < operations.size(); ++index_) {
      AEON_TRY(std::visit([this](const auto& operation) { return resolve(operation); },
                          operations[index_]));
      AEON_TRY(check_size());
    }
    write_ends();
    AEON_TRY(check_size());
    resolved_.kinds = writer_.kinds();
    resolved_.operations = writer_.operations();
    return {};
  }

 private:
  // As soon as it is known: others wait while a batch is resolved that is going to be refused.
  Status check_size() const {
    const std::size_t bytes = resolved_.payload.size() + kLeastEdgeBytes * draft_.edges().size();
    if (bytes <= kMaxBatchBytes) return {};
    return fail(Errc::too_large,
                fmt::format("the commit has more than {} bytes; split it", kMaxBatchBytes));
  }

  // What operations of the batch end or write anew does not end beside another.
  void note_ends(std::span<const Batch::Operation> operations) {
    for (const Batch::Operation& operation : operations) {
      if (const auto* forget = std::get_if<Forget>(&operation)) named_.insert(forget->id);
      if (const auto* erase = std::get_if<Erase>(&operation)) named_.insert(erase->id);
      if (const auto* supersede = std::get_if<Supersede>(&operation)) named_.insert(supersede->id);
    }
  }

  Status resolve(const SpaceSpec& spec) {
    if (draft_.space_exists(spec.name)) {
      return fail(Errc::already_exists, fmt::format("a space is named \"{}\" already", spec.name));
    }
    auto& next_node = draft_.counters().next_node;
    if (next_node.size() >= kMaxSpaces) {
      return fail(Errc::too_large, fmt::format("a palace holds at most {} spaces", kMaxSpaces));
    }
    next_node.push_back(0);
    const auto number = static_cast<std::uint32_t>(next_node.size());
    draft_.set_space(spec.name, number);
    writer_.space(number, spec);
    return {};
  }

  Status resolve(const CreateTenant& tenant) {
    AEON_ASSIGN([[maybe_unused]] const std::uint32_t number,
                name_number(NameClass::tenant, 0, tenant.name));
    return {};
  }

  Status resolve(const NewMemory& memory) {
    AEON_ASSIGN(const std::uint32_t tenant, tenant_number(memory.tenant));
    MemoryId owner = 0;
    if (!memory.key.empty()) {
      AEON_ASSIGN(owner, draft_.key_owner(tenant, memory.key));
      AEON_TRY(check_precondition(memory, owner));
    }
    if (owner != 0) {
      resolved_.ids.push_back(owner);
      AEON_TRY(write_next_version(owner, memory));
      return mention(owner, tenant, true);
    }
    AEON_ASSIGN(const MemoryId id, write_new(memory, tenant));
    resolved_.ids.push_back(id);
    return mention(id, tenant, false);
  }

  Status resolve(const Supersede& supersede) {
    AEON_ASSIGN(const VersionState* state, draft_.version(supersede.id));
    if (state == nullptr || !state->visible) return unknown_id(supersede.id);
    if (supersede.expected_version != 0 && supersede.expected_version != state->commit) {
      return conflict(supersede.id, supersede.expected_version, state->commit);
    }
    const std::uint32_t tenant = state->tenant;
    if (is_concept_key(state->key) && !is_concept_key(supersede.next.key)) {
      return fail(Errc::invalid_key,
                  fmt::format("memory {} is a concept; give its key \"{}\" with a new version",
                              supersede.id, state->key));
    }
    AEON_TRY(write_next_version(supersede.id, supersede.next));
    return mention(supersede.id, tenant, true);
  }

  Status resolve(const Forget& forget) {
    if (prepared_.only_unmentioned) return end_unmentioned(forget.id, false);
    if (forget.expected_version != 0) {
      AEON_ASSIGN(const VersionState* found, draft_.version(forget.id));
      if (found == nullptr || !found->visible) return unknown_id(forget.id);
      if (found->commit != forget.expected_version) {
        return conflict(forget.id, forget.expected_version, found->commit);
      }
    }
    return end_memory(forget.id, false);
  }
  Status resolve(const Erase& erase) {
    return prepared_.only_unmentioned ? end_unmentioned(erase.id, true)
                                      : end_memory(erase.id, true);
  }

  // A concept that was found to be mentioned by nobody, unless somebody did so since.
  Status end_unmentioned(MemoryId id, bool erase) {
    AEON_ASSIGN(const VersionState* state, draft_.version(id));
    if (state == nullptr || !state->visible || !state->is_bare_concept) return {};
    AEON_ASSIGN(const bool mentioned, links_of_concepts_.is_mentioned(id, 0));
    return mentioned ? Status{} : end_memory(id, erase);
  }

  Status end_memory(MemoryId id, bool erase) {
    AEON_TRY(touch_once(id));
    AEON_ASSIGN(const VersionState* found, draft_.version(id));
    if (found == nullptr || (!found->visible && (!erase || found->erased))) return unknown_id(id);
    VersionState state = *found;
    AEON_TRY(end_document(state, state.rows));
    writer_.end({.id = id,
                 .tenant = state.tenant,
                 .was_visible = state.visible,
                 .erased = erase,
                 .ended = state.rows});
    if (state.visible) {
      if (!state.key.empty()) draft_.set_key(state.tenant, state.key, erase ? kErasedId : 0);
      if (state.session != 0) {
        AEON_TRY(close_up_line(draft_, state.tenant, state.session, id));
      }
      --draft_.counters().memories;
    } else {
      AEON_ASSIGN(const std::string key, draft_.last_key(id, state));
      MemoryId owner = 0;
      if (!key.empty()) {
        AEON_ASSIGN(owner, draft_.key_owner(state.tenant, key));
        if (owner == 0) draft_.set_key(state.tenant, key, kErasedId);
      }
    }
    if (state.expires != kEndOfTime) writer_.expiry({id, state.expires, false});
    state.expires = kEndOfTime;
    if (erase) ++draft_.counters().erasures;
    state.visible = false;
    state.erased = erase;
    state.commit = commit_;
    state.rows.clear();
    const bool had_concepts = !is_concept_key(state.key);
    draft_.set_version(id, std::move(state));
    return had_concepts ? release_concepts(id, erase) : Status{};
  }

  // Concepts
  // ---------------------------------------------------------------------------------------

  // What the memory of the operation at hand mentions: makes concepts that are not there, and ends
  // what its version before mentioned and nothing mentions any more.
  Status mention(MemoryId id, std::uint32_t tenant, bool had_version) {
    const PreparedConcepts& given = prepared_.concepts[index_];
    if (given.names.empty() && !had_version) return {};
    std::vector<MemoryId> concepts;
    for (const PreparedConcepts::Name& name : given.names) {
      AEON_ASSIGN(MemoryId owner, draft_.key_owner(tenant, name.key));
      if (owner == 0) {
        AEON_ASSIGN(owner, write_concept(name, tenant));
      }
      concepts.push_back(owner);
      AEON_TRY(check_size());
    }
    if (had_version && !keeps_mentions()) AEON_TRY(drop_mentions(id, concepts));
    for (const MemoryId end : concepts) AEON_TRY(link(id, std::string(kMentionsType), end));
    for (const PreparedConcepts::Relation& relation : given.relations) {
      AEON_TRY(link(concepts[relation.subject], relation.type, concepts[relation.object]));
    }
    return {};
  }

  Result<MemoryId> write_concept(const PreparedConcepts::Name& name, std::uint32_t tenant) {
    NewMemory memory;
    memory.kind = kConceptKind;
    memory.key = name.key;
    memory.content = name.name;
    return write_new(memory, tenant);
  }

  Status link(MemoryId from, const std::string& type, MemoryId to) {
    AEON_ASSIGN(const std::uint32_t number, name_number(NameClass::edge_type, 0, type));
    AEON_ASSIGN(const bool exists, draft_.edge_exists(from, number, to));
    if (exists) return {};
    std::string record;
    graph::encode_edge(record, {});
    return draft_.set_edge({from, number, to}, true, std::move(record));
  }

  [[nodiscard]] bool keeps_mentions() const {
    const auto* memory = std::get_if<NewMemory>(&prepared_.batch.operations()[index_]);
    return memory != nullptr && memory->keep_mentions;
  }

  Status drop_mentions(MemoryId id, const std::vector<MemoryId>& kept) {
    AEON_ASSIGN(const std::vector<MemoryId> before, links_of_concepts_.of(id, false));
    AEON_ASSIGN(const std::uint32_t mentions,
                draft_.number_of(NameClass::edge_type, 0, kMentionsType));
    std::vector<MemoryId> dropped;
    for (const MemoryId end : before) {
      if (std::ranges::find(kept, end) != kept.end()) continue;
      dropped.push_back(end);
      AEON_TRY(draft_.set_edge({id, mentions, end}, false, {}));
    }
    // What the new version states is linked behind this.
    return end_unsupported(before, dropped, id, false);
  }

  Status release_concepts(MemoryId id, bool erase) {
    AEON_ASSIGN(const std::vector<MemoryId> concepts, links_of_concepts_.of(id, erase));
    return end_unsupported(concepts, concepts, id, erase);
  }

  // Of the `concepts` of a memory those that are `dropped` may have lost their last mention, and
  // relations at those their last support.
  Status end_unsupported(const std::vector<MemoryId>& concepts,
                         const std::vector<MemoryId>& dropped, MemoryId except, bool erase) {
    if (dropped.empty()) return {};
    AEON_ASSIGN(const std::vector<Draft::Edge> gone,
                links_of_concepts_.unsupported(concepts, dropped, except));
    for (const Draft::Edge& edge : gone) AEON_TRY(draft_.set_edge(edge, false, {}));
    for (const MemoryId id : dropped) {
      if (draft_.touched(id) || named_.contains(id)) continue;
      AEON_ASSIGN(const VersionState* state, draft_.version(id));
      if (state == nullptr || (!state->visible && (!erase || state->erased))) continue;
      if (state->visible && !state->is_bare_concept) continue;
      AEON_ASSIGN(const bool mentioned, links_of_concepts_.is_mentioned(id, except));
      if (!mentioned) AEON_TRY(end_memory(id, erase));
    }
    return {};
  }

  Status resolve(const SetHistory& history) {
    std::string value;
    storage::Encoder(value).fixed(history.keep);
    writer_.setting({Setting::history, value});
    return {};
  }

  Status resolve(const NewEdge& edge) {
    AEON_ASSIGN(const auto ends, edge_ends(edge.from, edge.to));
    AEON_ASSIGN(const std::uint32_t type, name_number(NameClass::edge_type, 0, edge.type));
    std::string record;
    graph::encode_edge(record, {edge.weight, edge.valid_from, edge.valid_to});
    return draft_.set_edge({ends.first, type, ends.second}, true, std::move(record));
  }

  Status resolve(const Unlink& edge) {
    // Where an end is forgotten the edge is, too, though its record may wait for a merge.
    AEON_ASSIGN(const auto ends, edge_ends(edge.from, edge.to));
    const auto [from, to] = ends;
    AEON_ASSIGN(const std::uint32_t type, draft_.number_of(NameClass::edge_type, 0, edge.type));
    AEON_ASSIGN(const bool exists, draft_.edge_exists(from, type, to));
    if (!exists) {
      return fail(Errc::unknown_id,
                  fmt::format("no {} edge leads from memory {} to {}", edge.type, from, to));
    }
    return draft_.set_edge({from, type, to}, false, {});
  }

  // Writing ------------------------------------------------------------------------------------

  Result<MemoryId> write_new(const NewMemory& memory, std::uint32_t tenant) {
    Counters& counters = draft_.counters();
    if (memory.wanted_id != 0 && memory.wanted_id < counters.next_id) {
      return fail(Errc::already_exists,
                  fmt::format("id {} was used already; the next free one is {}", memory.wanted_id,
                              counters.next_id));
    }
    const MemoryId id = memory.wanted_id != 0 ? memory.wanted_id : counters.next_id;
    if (id >= kLastId) return fail(Errc::too_large, fmt::format("id {} is too large", id));
    counters.next_id = id + 1;
    AEON_ASSIGN(const std::uint32_t session,
                name_number(NameClass::session, tenant, memory.session));
    VersionState state;
    state.tenant = tenant;
    state.session = session;
    state.key = memory.key;
    VersionOperation operation;
    operation.id = id;
    operation.is_new = true;
    operation.enters_line = session != 0;
    AEON_TRY(write_version(memory, operation, std::move(state)));
    if (!memory.key.empty()) draft_.set_key(tenant, memory.key, id);
    ++counters.memories;
    if (session != 0) AEON_TRY(append_to_line(tenant, session, id));
    return id;
  }

  Status append_to_line(std::uint32_t tenant, std::uint32_t session, MemoryId id) {
    AEON_ASSIGN(const MemoryId last, draft_.session_end(tenant, session));
    draft_.set_session_end(tenant, session, id);
    if (last == 0) return {};
    std::string record;
    graph::encode_edge(record, {});
    return draft_.set_edge({last, graph::kNextType, id}, true, std::move(record));
  }

  // A version that follows a visible one keeps tenant, session and key.
  Status write_next_version(MemoryId id, const NewMemory& memory) {
    AEON_TRY(touch_once(id));
    AEON_ASSIGN(const VersionState* found, draft_.version(id));
    VersionState state = *found;
    if (!memory.session.empty()) {
      AEON_ASSIGN(const std::uint32_t session,
                  draft_.number_of(NameClass::session, state.tenant, memory.session));
      if (session == 0 || session != state.session) {
        return fail(Errc::invalid_argument,
                    fmt::format("memory {} belongs to another session than \"{}\"; a new version "
                                "stays in its session",
                                id, memory.session));
      }
    }
    if (!memory.key.empty() && memory.key != state.key) {
      return fail(Errc::invalid_key,
                  fmt::format("memory {} has another key than \"{}\"; a new version keeps its key",
                              id, memory.key));
    }
    VersionOperation operation;
    operation.id = id;
    operation.ended = std::move(state.rows);
    AEON_TRY(end_document(state, operation.ended));
    operation.old_time = state.event_time;
    state.rows.clear();
    return write_version(memory, operation, std::move(state));
  }

  Status write_version(const NewMemory& memory, VersionOperation& operation, VersionState state) {
    VersionRecord record;
    record.tenant = state.tenant;
    record.session = state.session;
    AEON_ASSIGN(record.kind, name_number(NameClass::kind, 0, memory.kind));
    record.content_type = memory.content_type;
    record.content = memory.content;
    if (memory.payload) {
      AEON_TRY(take_payload(memory.payload->place.file));
      record.content_type = memory.payload->content_type;
      record.content = preview_of(memory.payload->head, record.content_type);
      record.blob = memory.payload->place;
    }
    record.commit_time = time_;
    record.event_time = memory.event_time.value_or(time_);
    record.valid_from = memory.valid_from;
    record.valid_to = memory.valid_to;
    record.expires = memory.expires;
    record.importance = memory.importance;
    record.key = state.key;
    record.metadata = memory.metadata;
    // A concept is written beside the operation at hand, whose rows and words are another memory's.
    static const std::vector<PreparedRow> no_rows;
    static const MemoryWords no_words;
    const bool is_concept = is_concept_key(state.key);
    const std::vector<PreparedRow>& rows = is_concept ? no_rows : prepared_.rows[index_];
    for (const PreparedRow& row : rows) {
      AEON_ASSIGN(const RowName name, next_row(row.space));
      record.rows.push_back(name);
    }
    const MemoryWords* found = &no_words;
    if (!is_concept) {
      AEON_ASSIGN(found, words_of(memory, record.session));
    }
    const MemoryWords& words = *found;
    if (!words.empty()) {
      AEON_ASSIGN(record.document, next_document(state.tenant, words));
      record.document->from_head = memory.payload.has_value();
    }
    operation.leaves_time =
        !operation.is_new && record.session != 0 && operation.old_time != record.event_time;
    writer_.version(operation, record);
    for (std::size_t i = 0; i < record.rows.size(); ++i) {
      const PreparedRow& row = rows[i];
      writer_.row({record.rows[i], row.row.data()});
      write_links(record.rows[i], row);
    }
    if (record.document) writer_.words(words, record.event_time);
    if (state.expires != record.expires) {
      if (state.expires != kEndOfTime) writer_.expiry({operation.id, state.expires, false});
      if (record.expires != kEndOfTime) writer_.expiry({operation.id, record.expires, true});
    }
    ++draft_.counters().versions;
    state.expires = record.expires;
    state.visible = true;
    state.commit = commit_;
    state.event_time = record.event_time;
    state.rows = std::move(record.rows);
    state.document = record.document;
    AEON_ASSIGN(state.is_bare_concept, draft_.is_bare_concept(record));
    draft_.set_version(operation.id, std::move(state));
    return {};
  }

  // Looked at again here: a merge may have let go of the file since the batch was checked.
  Status take_payload(std::uint64_t file) {
    AEON_ASSIGN(const bool free, draft_.payload_is_free(file));
    if (!free) {
      return fail(Errc::invalid_argument,
                  "a memory has a payload that another memory has already, or that is gone; store "
                  "it again");
    }
    draft_.take_payload(file);
    return {};
  }

  // Rows of the batch get their numbers here, in the order in which they were named.
  void write_links(RowName name, const PreparedRow& row) {
    if (row.links.empty() && !row.landmark) return;
    const std::uint32_t first = first_nodes_[name.space];
    const auto number = [first](NodeName node) {
      return node < kInBatch ? static_cast<std::uint32_t>(node)
                             : first + static_cast<std::uint32_t>(node - kInBatch);
    };
    links_.name = name;
    links_.landmark = row.landmark;
    links_.changes.clear();
    for (const PreparedLink& link : row.links) {
      links_.changes.push_back({number(link.neighbour), number(link.victim), link.kind});
    }
    writer_.links(links_);
  }

  Result<RowName> next_row(const std::string& space_name) {
    const std::uint32_t space = draft_.space_number(space_name);
    std::uint32_t& next = draft_.counters().next_node[space - 1];
    if (next == UINT32_MAX) {
      return fail(Errc::too_large, fmt::format("space \"{}\" has used all its {} row numbers",
                                               space_name, UINT32_MAX));
    }
    first_nodes_.try_emplace(space, next);
    return RowName{space, next++};
  }

  // With the session, where the memory keeps one that it did not name.
  Result<const MemoryWords*> words_of(const NewMemory& memory, std::uint32_t session) {
    const MemoryWords& words = prepared_.words[index_];
    if (session == 0 || !memory.session.empty()) return &words;
    AEON_ASSIGN(const std::string name, draft_.session_name(session));
    words_ = words;
    add_session(words_, name);
    return &words_;
  }

  Result<DocumentName> next_document(std::uint32_t tenant, const MemoryWords& words) {
    std::uint32_t& next = draft_.counters().next_document;
    if (next == UINT32_MAX) {
      return fail(Errc::too_large,
                  fmt::format("the palace has used all its {} document numbers", UINT32_MAX));
    }
    AEON_ASSIGN(WordCounts counts, draft_.word_counts(tenant));
    counts.documents += words.length != 0 ? 1 : 0;
    counts.words += words.length;
    draft_.set_word_counts(tenant, counts);
    return DocumentName{.number = next++,
                        .words = words.length,
                        .analyzer = kAnalyzer,
                        .language = static_cast<std::uint8_t>(words.language)};
  }

  // The document of a version that ends ends with its rows.
  Status end_document(VersionState& state, std::vector<RowName>& ended) {
    if (!state.document) return {};
    ended.push_back({kDocumentSpace, state.document->number});
    AEON_ASSIGN(WordCounts counts, draft_.word_counts(state.tenant));
    const std::uint64_t counted = state.document->words != 0 ? 1 : 0;
    counts.documents -= std::min(counts.documents, counted);
    counts.words -= std::min<std::uint64_t>(counts.words, state.document->words);
    draft_.set_word_counts(state.tenant, counts);
    state.document.reset();
    return {};
  }

  // Keys, session ends and edges once each, as the commit leaves them.
  void write_ends() {
    for (const auto& [key, owner] : draft_.keys()) writer_.key({key.first, owner, key.second});
    for (const auto& [line, id] : draft_.session_ends()) {
      writer_.session_end(
          {static_cast<std::uint32_t>(line >> 32), static_cast<std::uint32_t>(line), id});
    }
    for (const auto& [tenant, counts] : draft_.word_counts()) {
      writer_.word_counts({tenant, counts});
    }
    for (const auto& [edge, change] : draft_.edges()) {
      if (!change.existed && !change.exists) continue;
      const auto [from, type, to] = edge;
      const int difference = (change.exists ? 1 : 0) - (change.existed ? 1 : 0);
      writer_.edge({from, type, to, static_cast<std::int8_t>(difference), change.record});
      draft_.counters().edges += static_cast<std::uint64_t>(std::int64_t{difference});
    }
  }

  // Looking up -----------------------------------------------------------------------------------

  Result<std::uint32_t> tenant_number(const std::string& name) {
    AEON_ASSIGN(const std::uint32_t number, draft_.number_of(NameClass::tenant, 0, name));
    if (number == 0 && !name.empty()) {
      return fail(Errc::unknown_tenant,
                  fmt::format("no tenant is named \"{}\"; create it first", name));
    }
    return number;
  }

  // The number of a name, which gets one now if it has none; 0 for the empty name.
  Result<std::uint32_t> name_number(NameClass kind, std::uint32_t parent, const std::string& name) {
    AEON_ASSIGN(std::uint32_t number, draft_.number_of(kind, parent, name));
    if (number != 0 || name.empty()) return number;
    std::uint32_t& next = draft_.counters().next_name[static_cast<std::size_t>(kind)];
    if (next == UINT32_MAX) return fail(Errc::too_large, "no number is left for a new name");
    number = next++;
    draft_.set_name(kind, parent, name, number);
    writer_.name({kind, parent, number, name});
    return number;
  }

  Result<MemoryId> memory_of(const MemoryRef& reference) const {
    if (reference.id != 0) return reference.id;
    if (reference.batch_index < resolved_.ids.size()) return resolved_.ids[reference.batch_index];
    return fail(Errc::unknown_id,
                fmt::format("an edge refers to memory {} of its batch, which is not remembered "
                            "before it",
                            reference.batch_index));
  }

  Result<std::pair<MemoryId, MemoryId>> edge_ends(const MemoryRef& from, const MemoryRef& to) {
    AEON_ASSIGN(const MemoryId source, memory_of(from));
    AEON_ASSIGN(const MemoryId target, memory_of(to));
    AEON_ASSIGN(const std::uint32_t source_tenant, visible_tenant(source));
    AEON_ASSIGN(const std::uint32_t target_tenant, visible_tenant(target));
    if (source_tenant != target_tenant) {
      return fail(Errc::invalid_argument,
                  fmt::format("memories {} and {} belong to different tenants; an edge can't cross",
                              source, target));
    }
    return std::pair(source, target);
  }

  Result<std::uint32_t> visible_tenant(MemoryId id) {
    AEON_ASSIGN(const VersionState* state, draft_.version(id));
    if (state == nullptr || !state->visible) return unknown_id(id);
    return state->tenant;
  }

  Status check_precondition(const NewMemory& memory, MemoryId owner) {
    if (memory.mode == PutMode::if_absent && owner != 0) {
      return fail(Errc::key_exists,
                  fmt::format("key \"{}\" belongs to memory {}", memory.key, owner));
    }
    if (memory.mode != PutMode::if_version) return {};
    CommitNumber version = 0;
    if (owner != 0) {
      AEON_ASSIGN(const VersionState* state, draft_.version(owner));
      version = state->commit;
    }
    if (version == memory.expected_version) return {};
    return conflict(owner, memory.expected_version, version);
  }

  Status touch_once(MemoryId id) const {
    if (!draft_.touched(id)) return {};
    return fail(Errc::invalid_argument,
                fmt::format("the batch changes memory {} twice; use two commits", id));
  }

  static std::unexpected<Error> unknown_id(MemoryId id) {
    return fail(Errc::unknown_id, fmt::format("no memory {} is visible", id));
  }
  static std::unexpected<Error> conflict(MemoryId id, CommitNumber wanted, CommitNumber is) {
    return fail(
        Errc::version_conflict,
        fmt::format("memory {} is at version {}, not at {}: read it again", id, is, wanted));
  }

  static constexpr std::size_t kLeastEdgeBytes = 8;  // of an edge in a record
  static constexpr MemoryId kLastId = MemoryId{1} << 62;

  const PreparedBatch& prepared_;
  const CommitNumber commit_;
  const TimeNs time_;
  Draft& draft_;
  ConceptLinks links_of_concepts_;
  std::unordered_set<MemoryId> named_;  // by operations of the batch that end or supersede
  Resolved& resolved_;
  RecordWriter writer_;
  std::size_t index_ = 0;
  std::unordered_map<std::uint32_t, std::uint32_t> first_nodes_;  // by space, of this batch
  LinksOperation links_;
  MemoryWords words_;  // of words_of()
};

}  // namespace

Status resolve(const PreparedBatch& prepared, CommitNumber commit, TimeNs time, Draft& draft,
               Resolved& resolved) {
  return Resolver(prepared, commit, time, draft, resolved).run();
}

}  // namespace aeon::engine
