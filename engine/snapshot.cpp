#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "engine/confidence.hpp"
#include "engine/filter.hpp"
#include "engine/find_row.hpp"
#include "engine/lookaside/lookaside_search.hpp"
#include "engine/no_memory.hpp"
#include "engine/node_filter.hpp"
#include "engine/palace.hpp"
#include "engine/prepare.hpp"
#include "engine/query_check.hpp"
#include "engine/search.hpp"
#include "engine/shaping.hpp"
#include "engine/store.hpp"
#include "engine/text_recall.hpp"
#include "storage/checksum.hpp"
#include "storage/visible_cursor.hpp"

namespace aeon {

using engine::NameClass;
using engine::Reading;

// The commit number is known before the view is loaded, so the view holds that commit; see
// Store::visible().
Snapshot::Snapshot(const engine::Store& store, CommitNumber commit, TimeNs now)
    : store_(&store), commit_(commit), now_(now) {
  view_ = store.hold_view();
  store.note_hold(+1);
}

Snapshot::Snapshot(Snapshot&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)),
      view_(std::exchange(other.view_, nullptr)),
      commit_(other.commit_),
      now_(other.now_) {}

Snapshot& Snapshot::operator=(Snapshot&& other) noexcept {
  if (this == &other) return *this;
  release();
  store_ = std::exchange(other.store_, nullptr);
  view_ = std::exchange(other.view_, nullptr);
  commit_ = other.commit_;
  now_ = other.now_;
  return *this;
}

Snapshot::~Snapshot() { release(); }

void Snapshot::release() noexcept {
  if (view_ == nullptr) return;
  store_->note_hold(-1);
  store_->drop_view(view_);
  view_ = nullptr;
}

Reading Snapshot::reading() const noexcept { return {*view_, store_->catalog(), commit_, now_}; }

CommitNumber Snapshot::commit() const noexcept { return commit_; }

namespace {

// The vector to search with: the caller's, or the embedded text. Empty when the text has no word.
Result<std::span<const float>> vector_of(const Query& query, const SpaceSpec& spec) {
  if (!query.vector.empty()) {
    AEON_TRY(engine::check_vector(query.vector, query.model, spec, "the query vector"));
    return query.vector;
  }
  if (spec.model != kLexicalModel) {
    return fail(Errc::model_mismatch,
                fmt::format("space \"{}\" takes vectors of \"{}\"; the built-in embedder makes "
                            "those of \"{}\": give a vector, or name another space",
                            spec.name, spec.model, kLexicalModel));
  }
  return engine::embed_lexically(query.text);
}

void clear(Answer& answer, CommitNumber commit) {
  answer.hits.clear();
  answer.commit = commit;
  answer.partial = false;
  answer.exact = true;
  answer.plan = SearchPlan::none;
  answer.lookaside = LookasideHelp::none;
  answer.rows_scanned = 0;
  answer.rows_left = 0;
  answer.postings_scanned = 0;
  answer.edges_walked = 0;
  answer.marks.clear();
}

// A recall that a text takes part in.
Status search_by_text(const Reading& reading, const Query& query, const engine::VectorSearch& like,
                      bool with_vector, Answer& answer) {
  const auto language = engine::language_of(query.language);
  if (!language) {
    return fail(Errc::invalid_argument, fmt::format("no language is named \"{}\"; there are: {}",
                                                    query.language, engine::language_list()));
  }
  AEON_TRY(engine::check_preset(query.preset));
  engine::TextRecall recall{.text = query.text,
                            .language = *language,
                            .preset = &query.preset,
                            .explain = query.explain,
                            .confidence = query.confidence,
                            .words = {.tenant = like.tenant,
                                      .k = query.k,
                                      .session = like.session,
                                      .kind = like.kind,
                                      .since = query.since,
                                      .until = query.until,
                                      .filter = like.filter,
                                      .indexed = like.indexed},
                            .restrictions = &like,
                            .vector = with_vector ? &like : nullptr,
                            .rest = with_vector ? nullptr : reading.catalog.lexical(reading.commit),
                            .target_recall = engine::wanted_recall(query)};
  return engine::recall_text(reading, recall, answer);
}

// A text asks by words, unless it stands for a vector: where a space is named and no vector is
// given, or there are no words, as in what formats before version 3 stored.
Result<bool> asks_by_words(const Reading& reading, const Query& query, std::uint32_t tenant) {
  if (query.text.empty()) return false;
  if (!query.vector.empty()) return true;
  if (!query.space.empty()) return false;
  if (reading.catalog.lexical(reading.commit) == nullptr) return true;
  AEON_ASSIGN(const engine::WordCounts counts, reading.word_counts(tenant));
  return counts.documents != 0;
}

// Look-ups on one thread share it, so that a warm one allocates nothing.
Reading::Version& version_scratch() {
  thread_local Reading::Version instance;
  return instance;
}

// With the lookaside buffer, where the query has a part for it.
class SearchRows {
 public:
  SearchRows(engine::Lookaside& lookaside, const Query& query)
      : lookaside_(query.lookaside ? &lookaside : nullptr) {
    if (query.conversation.empty()) return;
    conversation_ = storage::hash64(std::as_bytes(std::span(query.conversation)), 0);
  }
  Status operator()(const Reading& reading, const engine::VectorSearch& search,
                    Answer& answer) const {
    if (lookaside_ == nullptr) return engine::search_rows(reading, search, answer);
    return engine::search_with(*lookaside_, conversation_, reading, search, answer);
  }

 private:
  engine::Lookaside* lookaside_;
  std::uint64_t conversation_ = 0;
};

// Rows of memories that have expired stay until the palace forgets them, which is soon: where some
// are among the best, as many more are asked for.
Status search_living(const Reading& reading, const SearchRows& search_rows,
                     engine::VectorSearch& search, Answer& answer) {
  const std::uint32_t wanted = search.k;
  for (;;) {
    AEON_TRY(search_rows(reading, search, answer));
    if (reading.now == kBeginningOfTime) return {};
    const std::size_t found = answer.hits.size();
    Reading::Version& version = version_scratch();
    Status status;
    std::erase_if(answer.hits, [&](const Hit& hit) {
      const auto visible = reading.try_version(hit.id, version);
      if (visible) return !*visible;
      if (visible.error().code == Errc::damaged) {
        answer.partial = true;
        answer.exact = false;
      } else {
        status = std::unexpected(visible.error());
      }
      return true;
    });
    AEON_TRY(status);
    if (answer.hits.size() >= wanted || found < search.k) break;
    if (search.k == kMaxK) {
      answer.exact = false;  // what lies behind so many expired ones is not known
      break;
    }
    search.k = std::min<std::uint32_t>(
        kMaxK, 2 * search.k + static_cast<std::uint32_t>(found - answer.hits.size()));
  }
  if (answer.hits.size() > wanted) answer.hits.resize(wanted);
  return {};
}

// A checked query, whatever its shape.
Status recall_best(const Reading& reading, engine::Lookaside& lookaside, const Query& query,
                   Answer& answer) {
  answer.confidence.reset();
  if (query.vector.empty() && query.text.empty()) {
    return fail(Errc::invalid_argument, "the query has neither a vector nor text");
  }
  if (query.text.size() > kMaxQueryBytes) {
    return fail(Errc::too_large, fmt::format("the query text has {} bytes; at most {} are read",
                                             query.text.size(), kMaxQueryBytes));
  }
  AEON_TRY(engine::check_text(query.text, "the query text"));
  engine::VectorSearch search;
  AEON_ASSIGN(search.tenant, reading.tenant_number(query.tenant));
  AEON_ASSIGN(const bool by_words, asks_by_words(reading, query, search.tenant));
  const bool by_vector = !by_words || !query.vector.empty();
  if (by_vector) {
    AEON_ASSIGN(search.space, engine::space_of(reading, query.space));
    AEON_ASSIGN(search.vector, vector_of(query, search.space->spec));
  }
  std::unique_ptr<engine::Filter> filter;
  if (!query.filter.empty()) {
    AEON_ASSIGN(filter, engine::Filter::parse(query.filter));
    search.filter = filter.get();
  }
  bool nothing = !by_words && search.vector.empty();
  if (!query.session.empty()) {
    AEON_ASSIGN(search.session,
                reading.number_of(NameClass::session, search.tenant, query.session));
    nothing = nothing || search.session == 0;
  }
  if (!query.kind.empty()) {
    AEON_ASSIGN(search.kind, reading.number_of(NameClass::kind, 0, query.kind));
    nothing = nothing || search.kind == 0;
  }
  if (nothing) {
    clear(answer, reading.commit);
    const bool asks = by_words || !search.vector.empty();
    if (query.confidence && asks) answer.confidence = 0.0F;
    return {};
  }
  search.k = query.k;
  search.recall = engine::wanted_recall(query);
  search.since = query.since;
  search.until = query.until;
  search.session_name = query.session;
  search.kind_name = query.kind;
  if (!query.filter.empty() || !query.session.empty() || !query.kind.empty()) {
    AEON_ASSIGN(search.indexed, reading.fields_are_indexed());
    if (by_vector && search.indexed) search.nodes = engine::find_nodes(reading, search);
  }
  answer.lookaside = LookasideHelp::none;
  if (by_words) return search_by_text(reading, query, search, by_vector, answer);
  answer.postings_scanned = 0;
  answer.edges_walked = 0;
  answer.marks.clear();
  AEON_TRY(search_living(reading, SearchRows(lookaside, query), search, answer));
  if (!query.confidence) return {};
  answer.confidence =
      engine::conformal_nearness(reading, *search.space, search.tenant, search.vector, answer.hits);
  return {};
}

}  // namespace

Status Snapshot::recall(const Query& query, Answer& answer) const try {
  AEON_TRY(engine::check_wanted(query));
  const Reading reading = this->reading();
  const auto find = [&](const Query& wanted, Answer& found) {
    return recall_best(reading, store_->lookaside(), wanted, found);
  };
  if (query.shape.any()) return engine::recall_shaped(reading, query, find, answer);
  answer.tokens = 0;
  return find(query, answer);
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

namespace {

Status read_vectors(const Reading& reading, const engine::VersionRecord& record,
                    CommitNumber version, MemoryId id, Memory& memory) {
  memory.vectors.clear();
  for (const engine::RowName& name : record.rows) {
    const engine::SpaceInfo* space = reading.catalog.at(name.space);
    if (space == nullptr) continue;
    Memory::Vector& vector = memory.vectors.emplace_back();
    vector.space = space->spec.name;
    vector.model = space->spec.model;
    vector.values.resize(space->spec.dimension);
    AEON_TRY(engine::read_row(reading, name, record.tenant, version, id, vector.values));
  }
  return {};
}

}  // namespace

Status Snapshot::get(MemoryId id, Memory& memory, bool with_vectors) const try {
  const Reading reading = this->reading();
  Reading::Version& version = version_scratch();
  AEON_TRY(reading.find_version(id, version));
  const engine::VersionRecord& record = version.record;
  memory.id = id;
  memory.version = version.commit;
  AEON_ASSIGN(memory.tenant, reading.name_of(NameClass::tenant, record.tenant));
  AEON_ASSIGN(memory.session, reading.name_of(NameClass::session, record.session));
  AEON_ASSIGN(memory.kind, reading.name_of(NameClass::kind, record.kind));
  memory.key = record.key;
  memory.content_type = record.content_type;
  memory.metadata = record.metadata;
  memory.language.clear();
  if (record.document) {
    memory.language =
        engine::language_name(static_cast<engine::Language>(record.document->language));
  }
  memory.event_time = record.event_time;
  memory.commit_time = record.commit_time;
  memory.valid_from = record.valid_from;
  memory.valid_to = record.valid_to;
  memory.expires = record.expires;
  memory.importance = record.importance;
  AEON_TRY(reading.read_content(record, memory.content));
  memory.vectors.clear();
  return with_vectors ? read_vectors(reading, record, version.commit, id, memory) : Status{};
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Result<std::optional<std::string_view>> Snapshot::view_content(MemoryId id) const try {
  Reading::Version& version = version_scratch();
  const Reading reading = this->reading();
  AEON_TRY(reading.find_version(id, version));
  return reading.view_content(version.record);
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Result<MemoryId> Snapshot::find_key(std::string_view tenant, std::string_view key) const try {
  const Reading reading = this->reading();
  AEON_ASSIGN(const std::uint32_t number, reading.tenant_number(tenant));
  AEON_ASSIGN(const MemoryId id, reading.key_owner(number, key));
  Reading::Version& version = version_scratch();
  // A memory that had the key and is gone by then may come to light where the one that had it was
  // erased since.
  bool visible = id != 0;
  if (visible) {
    AEON_ASSIGN(visible, reading.try_version(id, version));
  }
  if (visible) return id;
  return fail(Errc::unknown_id, fmt::format("no memory has the key \"{}\"", key));
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Status Snapshot::list(MemoryId after, std::size_t limit, std::vector<MemoryId>& ids) const try {
  ids.clear();
  if (after == UINT64_MAX) return {};
  std::string from;
  engine::version_key(from, after + 1);
  std::string prefix;
  storage::begin_key(prefix, storage::Table::versions);
  storage::VisibleCursor cursor(view_->runs(), commit_);
  engine::VersionRecord record;
  for (cursor.seek(prefix, from); cursor.valid() && ids.size() < limit; cursor.next()) {
    if (!engine::decode_version(cursor.value(), record)) {
      return fail(Errc::damaged, "a version record does not decode; run aeon verify");
    }
    storage::KeyDecoder key(cursor.user_key());
    key.u8();
    if (record.live && !reading().has_expired(record)) ids.push_back(key.u64());
  }
  return cursor.status();
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Result<std::vector<SpaceSpec>> Snapshot::spaces() const try {
  std::vector<SpaceSpec> specs;
  const engine::Catalog& catalog = store_->catalog();
  for (std::uint32_t number = 1; number <= catalog.count(); ++number) {
    if (catalog.at(number)->born <= commit_) specs.push_back(catalog.at(number)->spec);
  }
  return specs;
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Result<std::vector<std::string>> Snapshot::tenants() const try {
  std::string prefix;
  storage::begin_key(prefix, storage::Table::names)
      .u8(static_cast<std::uint8_t>(NameClass::tenant));
  std::vector<std::string> names;
  storage::VisibleCursor cursor(view_->runs(), commit_);
  for (cursor.seek(prefix); cursor.valid(); cursor.next()) {
    storage::KeyDecoder key(cursor.user_key());
    key.u8();
    key.u8();
    key.u32();
    names.push_back(key.text());
  }
  AEON_TRY(cursor.status());
  return names;
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

}  // namespace aeon
